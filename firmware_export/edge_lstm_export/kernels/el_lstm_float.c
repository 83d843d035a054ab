/* LSTM layer in float32.
 *
 *   i, f, o = sigmoid(W x + R h + b)    g = tanh(W x + R h + b)
 *   c' = f c + i g                      h' = o tanh(c')
 */
#include "el_float.h"

#include <math.h>

enum { EL_I, EL_F, EL_G, EL_O, EL_GATES };

/* expf overflows to infinity far to the left, and 1 / (1 + infinity) is the right answer there. */
static float el_float_sigmoid(float z)
{
    return 1.0F / (1.0F + expf(-z));
}

/* z (4) += the rows of one unit over v (columns); returns where the next weights are. Weights are (columns, 4). */
static const float *el_float_sum_rows(float *z, const float *weights, const float *v, uint16_t columns)
{
    for (uint16_t k = 0; k < columns; k++, weights += EL_GATES)
        for (uint8_t gate = 0; gate < EL_GATES; gate++)
            z[gate] += v[k] * EL_LOAD_F32(weights + gate);
    return weights;
}

void el_float_lstm_step(const el_float_lstm *layer, const el_float_lstm_state *state, const float *x)
{
    const float *weights = layer->weights, *bias = layer->bias;
    for (uint16_t u = 0; u < layer->units; u++, bias += EL_GATES) {
        float z[EL_GATES];
        for (uint8_t gate = 0; gate < EL_GATES; gate++)
            z[gate] = EL_LOAD_F32(bias + gate);
        weights = el_float_sum_rows(z, weights, x, layer->features);
        weights = el_float_sum_rows(z, weights, state->h, layer->units);
        const float i = el_float_sigmoid(z[EL_I]), f = el_float_sigmoid(z[EL_F]), o = el_float_sigmoid(z[EL_O]);
        const float g = tanhf(z[EL_G]);
#ifdef EL_TAP
        const float seen[2 * EL_GATES] = {z[EL_I], z[EL_F], z[EL_G], z[EL_O], i, f, g, o};
        for (uint8_t k = 0; k < 2 * EL_GATES; k++)
            state->tap[k * layer->units + u] = seen[k];
#endif
        state->c[u] = f * state->c[u] + i * g;
        state->next[u] = o * tanhf(state->c[u]);
    }
    for (uint16_t u = 0; u < layer->units; u++)
        state->h[u] = state->next[u];
}
