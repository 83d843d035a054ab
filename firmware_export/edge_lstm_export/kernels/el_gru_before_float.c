/* GRU layer in float32, its reset before the product.
 *
 *   z, r = sigmoid(W x + R h + b)    n = tanh(W x + b + R (r h))
 *   h' = z h + (1 - z) n
 *
 * weights (units, features + units, 2): z r; then (units, features + units): n. bias (units, 2), then (units), likewise.
 */
#include "el_float_math.h"

enum { EL_Z, EL_R, EL_N };

void el_float_gru_before(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    const float *weights = layer->weights, *bias = layer->bias;
    float *const reset = state->c, *const z = state->next; /* c is a copy of h, so it is free until the end */
    for (uint16_t u = 0; u < layer->units; u++) {
        float pre[2];
        bias = el_float_load(pre, 2, bias);
        weights = el_float_sum_rows(pre, 2, weights, x, layer->features);
        weights = el_float_sum_rows(pre, 2, weights, state->h, layer->units);
        const float r = el_float_sigmoid(pre[EL_R]);
        z[u] = el_float_sigmoid(pre[EL_Z]);
        EL_FLOAT_TELL(EL_Z, pre[EL_Z], z[u]);
        EL_FLOAT_TELL(EL_R, pre[EL_R], r);
        reset[u] = r * state->h[u];
    }
    for (uint16_t u = 0; u < layer->units; u++) {
        float pre;
        bias = el_float_load(&pre, 1, bias);
        weights = el_float_sum_rows(&pre, 1, weights, x, layer->features);
        weights = el_float_sum_rows(&pre, 1, weights, reset, layer->units);
        const float n = tanhf(pre);
        EL_FLOAT_TELL(EL_N, pre, n);
        state->h[u] = z[u] * state->h[u] + (1.0F - z[u]) * n;
    }
    el_float_keep(state, layer->units, state->h);
}
