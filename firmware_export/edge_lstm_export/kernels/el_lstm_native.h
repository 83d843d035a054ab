/* What every portable kernel of the native arithmetic does with one unit, once its rows are summed. */
#ifndef EL_LSTM_NATIVE_H
#define EL_LSTM_NATIVE_H

#include "el_rows.h"
#include "el_sigmoid.h"

enum { EL_I, EL_F, EL_G, EL_O, EL_GATES };

#define EL_CELL_MAX ((int32_t)0x3fffffffL) /* +128 - 2^-23, Q8.23 */
#define EL_CELL_MIN (-EL_CELL_MAX - 1)     /* -128 */

#ifdef __cplusplus
extern "C" {
#endif

/* acc (4) += the rows of one unit over v (columns); returns where the next weights are.
 * Weights are packed (columns, 4), so that a code is loaded once for four rows. */
const int8_t *el_sum_rows(int32_t *acc, const int8_t *weights, const int16_t *v, uint16_t columns);

#ifdef __cplusplus
}
#endif

static inline void el_load_bias(int32_t *acc, const el_rows *rows, uint16_t row)
{
    for (uint8_t gate = 0; gate < EL_GATES; gate++)
        acc[gate] = EL_LOAD_I32(rows->bias + row + gate);
}

/* c' = clamp(((f c >> 16) + (i g >> 8)) << 1), Q8.23. f c is taken by halves: 15 x 15 bits above, 15 x 16 below. */
static inline int32_t el_update_cell(int32_t f, int32_t c, int32_t i, int32_t g)
{
    const uint32_t below = (uint32_t)f * ((uint32_t)c & 0xffffUL);
    const int32_t kept = f * (c >> 16) + (int32_t)(below >> 16);
    const int32_t doubled = 2 * (kept + ((i * g) >> 8));
    return doubled > EL_CELL_MAX ? EL_CELL_MAX : doubled < EL_CELL_MIN ? EL_CELL_MIN : doubled;
}

/* h' = o tanh(c), Q0.hidden_bits, rounded. c >> 11 would be Q3.12; one bit less doubles it for the tanh. */
static inline int32_t el_update_hidden(int32_t o, int32_t c, uint8_t hidden_bits)
{
    const int32_t t = el_tanh_of_half(el_saturate16((c + 512) >> 10));
    const uint8_t drop = (uint8_t)(30 - hidden_bits);
    return (o * t + ((int32_t)1 << (drop - 1))) >> drop;
}

/* Pre-activations z (4) of unit u, Q3.12 -> new cell state in place, new hidden state returned. */
static inline int32_t el_update_unit(const el_layer *layer, const el_layer_state *state, const int32_t *z, uint16_t u)
{
    const int32_t i = el_sigmoid(z[EL_I]);
    const int32_t f = el_sigmoid(z[EL_F]);
    const int32_t g = el_tanh_of_half(z[EL_G]);
    const int32_t o = el_sigmoid(z[EL_O]);
#ifdef EL_TAP
    const int32_t seen[2 * EL_GATES] = {z[EL_I], z[EL_F], z[EL_G], z[EL_O], i, f, g, o};
    for (uint8_t k = 0; k < 2 * EL_GATES; k++)
        state->tap[k * layer->units + u] = (int16_t)seen[k];
#endif
    state->c[u] = el_update_cell(f, state->c[u], i, g);
    return el_update_hidden(o, state->c[u], layer->hidden_bits);
}

/* Every row reads the old h, so the new one waits in the scratch. */
static inline void el_adopt_hidden(const el_layer *layer, const el_layer_state *state)
{
    const int16_t *next = (const int16_t *)state->work;
    for (uint16_t u = 0; u < layer->units; u++)
        state->h[u] = next[u];
}

#endif
