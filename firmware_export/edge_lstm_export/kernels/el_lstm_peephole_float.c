/* LSTM layer with peepholes in float32.
 *
 *   i, f = sigmoid(W x + R h + p c + b)    g = tanh(W x + R h + b)    c' = f c + i g
 *   o = sigmoid(W x + R h + p c' + b)      h' = o tanh(c')
 *
 * weights (units, features + units, 4): i f g o. bias (units, 7): those of i f g o, then p of i f o.
 */
#include "el_float_math.h"

enum { EL_I, EL_F, EL_G, EL_O, EL_GATES };
enum { EL_P_I, EL_P_F, EL_P_O, EL_PEEPHOLES };

void el_float_lstm_peephole(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    const float *weights = layer->weights, *bias = layer->bias;
    for (uint16_t u = 0; u < layer->units; u++) {
        float z[EL_GATES], p[EL_PEEPHOLES];
        bias = el_float_load(z, EL_GATES, bias);
        bias = el_float_load(p, EL_PEEPHOLES, bias);
        weights = el_float_sum_rows(z, EL_GATES, weights, x, layer->features);
        weights = el_float_sum_rows(z, EL_GATES, weights, state->h, layer->units);
        z[EL_I] += p[EL_P_I] * state->c[u];
        z[EL_F] += p[EL_P_F] * state->c[u];
        const float i = el_float_sigmoid(z[EL_I]), f = el_float_sigmoid(z[EL_F]), g = tanhf(z[EL_G]);
        state->c[u] = f * state->c[u] + i * g;
        z[EL_O] += p[EL_P_O] * state->c[u];
        const float o = el_float_sigmoid(z[EL_O]);
        EL_FLOAT_TELL(EL_I, z[EL_I], i);
        EL_FLOAT_TELL(EL_F, z[EL_F], f);
        EL_FLOAT_TELL(EL_G, z[EL_G], g);
        EL_FLOAT_TELL(EL_O, z[EL_O], o);
        state->next[u] = o * tanhf(state->c[u]);
    }
    for (uint16_t u = 0; u < layer->units; u++)
        state->h[u] = state->next[u];
}
