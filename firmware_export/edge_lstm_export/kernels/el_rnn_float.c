/* Simple recurrent layer in float32: h' = tanh(W x + R h + b).
 *
 * weights (units, features + units), bias (units).
 */
#include "el_float_math.h"

void el_float_rnn(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    const float *weights = layer->weights, *bias = layer->bias;
    for (uint16_t u = 0; u < layer->units; u++) {
        float pre;
        bias = el_float_load(&pre, 1, bias);
        weights = el_float_sum_rows(&pre, 1, weights, x, layer->features);
        weights = el_float_sum_rows(&pre, 1, weights, state->h, layer->units);
        state->next[u] = tanhf(pre);
        EL_FLOAT_TELL(0, pre, state->next[u]);
    }
    el_float_keep(state, layer->units, state->next);
}
