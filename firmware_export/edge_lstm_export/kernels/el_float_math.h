/* What the float cells share. */
#ifndef EL_FLOAT_MATH_H
#define EL_FLOAT_MATH_H

#include "el_float.h"

#include <math.h>

/* expf overflows to infinity far to the left, and 1 / (1 + infinity) is the right answer there. */
static inline float el_float_sigmoid(float z)
{
    return 1.0F / (1.0F + expf(-z));
}

/* z (rows) += the rows of one unit over v (columns); returns where the next weights are. Weights are (columns, rows). */
static inline const float *el_float_sum_rows(float *z, uint8_t rows, const float *weights, const float *v,
                                             uint16_t columns)
{
    for (uint16_t k = 0; k < columns; k++, weights += rows)
        for (uint8_t row = 0; row < rows; row++)
            z[row] += v[k] * EL_LOAD_F32(weights + row);
    return weights;
}

/* z (rows) = the next biases; returns where those behind them are. */
static inline const float *el_float_load(float *z, uint8_t rows, const float *bias)
{
    for (uint8_t row = 0; row < rows; row++)
        z[row] = EL_LOAD_F32(bias + row);
    return bias + rows;
}

/* The hidden state of a cell that carries nothing else. */
static inline void el_float_keep(const el_float_state *state, uint16_t units, const float *h)
{
    for (uint16_t u = 0; u < units; u++)
        state->c[u] = state->h[u] = h[u];
}

#ifdef EL_TAP
/* A pre-activation and its gate, of one unit. */
static inline void el_float_tell(const el_float_layer *layer, const el_float_state *state, uint16_t unit, uint8_t gate,
                                 float pre, float value)
{
    state->tap[gate * layer->units + unit] = pre;
    state->tap[(4 + gate) * layer->units + unit] = value;
}
#define EL_FLOAT_TELL(gate, pre, value) el_float_tell(layer, state, u, gate, pre, value)
#else
#define EL_FLOAT_TELL(gate, pre, value) ((void)0)
#endif

#endif
