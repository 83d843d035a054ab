/* GRU layer in float32, its reset after the product.
 *
 *   z, r = sigmoid(W x + R h + b)    n = tanh(W x + b + r (R h + b_h))
 *   h' = z h + (1 - z) n
 *
 * weights (units, features + units, 3): z r n. bias (units, 4): z r n, then b_h.
 */
#include "el_float_math.h"

enum { EL_Z, EL_R, EL_N, EL_GATES };

void el_float_gru(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    const float *weights = layer->weights, *bias = layer->bias;
    for (uint16_t u = 0; u < layer->units; u++) {
        float over_x[EL_GATES], over_h[EL_GATES] = {0.0F, 0.0F, 0.0F};
        bias = el_float_load(over_x, EL_GATES, bias);
        bias = el_float_load(over_h + EL_N, 1, bias);
        weights = el_float_sum_rows(over_x, EL_GATES, weights, x, layer->features);
        weights = el_float_sum_rows(over_h, EL_GATES, weights, state->h, layer->units);
        const float z_pre = over_x[EL_Z] + over_h[EL_Z], r_pre = over_x[EL_R] + over_h[EL_R];
        const float z = el_float_sigmoid(z_pre), r = el_float_sigmoid(r_pre);
        const float n_pre = over_x[EL_N] + r * over_h[EL_N], n = tanhf(n_pre);
        EL_FLOAT_TELL(EL_Z, z_pre, z);
        EL_FLOAT_TELL(EL_R, r_pre, r);
        EL_FLOAT_TELL(EL_N, n_pre, n);
        state->next[u] = z * state->h[u] + (1.0F - z) * n;
    }
    el_float_keep(state, layer->units, state->next);
}
