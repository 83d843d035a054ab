/* LSTM layer in float32.
 *
 *   i, f, o = sigmoid(W x + R h + b)    g = tanh(W x + R h + b)
 *   c' = f c + i g                      h' = o tanh(c')
 *
 * weights (units, features + units, 4), bias (units, 4): i f g o.
 */
#include "el_float_math.h"

enum { EL_I, EL_F, EL_G, EL_O, EL_GATES };

void el_float_lstm(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    const float *weights = layer->weights, *bias = layer->bias;
    for (uint16_t u = 0; u < layer->units; u++) {
        float z[EL_GATES];
        bias = el_float_load(z, EL_GATES, bias);
        weights = el_float_sum_rows(z, EL_GATES, weights, x, layer->features);
        weights = el_float_sum_rows(z, EL_GATES, weights, state->h, layer->units);
        const float i = el_float_sigmoid(z[EL_I]), f = el_float_sigmoid(z[EL_F]), o = el_float_sigmoid(z[EL_O]);
        const float g = tanhf(z[EL_G]);
        EL_FLOAT_TELL(EL_I, z[EL_I], i);
        EL_FLOAT_TELL(EL_F, z[EL_F], f);
        EL_FLOAT_TELL(EL_G, z[EL_G], g);
        EL_FLOAT_TELL(EL_O, z[EL_O], o);
        state->c[u] = f * state->c[u] + i * g;
        state->next[u] = o * tanhf(state->c[u]);
    }
    for (uint16_t u = 0; u < layer->units; u++)
        state->h[u] = state->next[u];
}
