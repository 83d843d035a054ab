/* FastGRNN layer in float32.
 *
 *   p = W x + R h    z = sigmoid(p + b_z)    n = tanh(p + b_n)
 *   h' = z h + (zeta (1 - z) + nu) n
 *
 * weights (units, features + units). bias (units, 2): b_z b_n; then zeta and nu.
 */
#include "el_float_math.h"

enum { EL_Z, EL_N, EL_GATES };

void el_float_fastgrnn(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    const float *weights = layer->weights, *bias = layer->bias;
    float zeta_nu[2];
    el_float_load(zeta_nu, 2, bias + (size_t)EL_GATES * layer->units);
    for (uint16_t u = 0; u < layer->units; u++) {
        float pre[EL_GATES], p = 0.0F;
        bias = el_float_load(pre, EL_GATES, bias);
        weights = el_float_sum_rows(&p, 1, weights, x, layer->features);
        weights = el_float_sum_rows(&p, 1, weights, state->h, layer->units);
        const float z_pre = p + pre[EL_Z], n_pre = p + pre[EL_N];
        const float z = el_float_sigmoid(z_pre), n = tanhf(n_pre);
        EL_FLOAT_TELL(EL_Z, z_pre, z);
        EL_FLOAT_TELL(EL_N, n_pre, n);
        state->next[u] = z * state->h[u] + (zeta_nu[0] * (1.0F - z) + zeta_nu[1]) * n;
    }
    el_float_keep(state, layer->units, state->next);
}
