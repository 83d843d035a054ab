/* Simple recurrent layer that rectifies, in float32: h' = max(W x + R h + b, 0).
 *
 * weights (units, features + units), bias (units).
 */
#include "el_float_math.h"

void el_float_rnn_relu(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    const float *weights = layer->weights, *bias = layer->bias;
    for (uint16_t u = 0; u < layer->units; u++) {
        float pre;
        bias = el_float_load(&pre, 1, bias);
        weights = el_float_sum_rows(&pre, 1, weights, x, layer->features);
        weights = el_float_sum_rows(&pre, 1, weights, state->h, layer->units);
        state->next[u] = pre > 0.0F ? pre : 0.0F;
        EL_FLOAT_TELL(0, pre, state->next[u]);
    }
    el_float_keep(state, layer->units, state->next);
}
