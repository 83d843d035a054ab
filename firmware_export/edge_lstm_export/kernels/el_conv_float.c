/* Causal convolution over time in float32, of stride 1, by its activation. c (cells) is x of the steps before, the oldest first.
 *
 * weights (units, cells + features), bias (units).
 */
#include "el_dense_float.h"

static void el_float_conv(const el_float_layer *layer, const el_float_state *state, const float *x, float f(float))
{
    const uint16_t older = (uint16_t)(layer->cells - layer->features);
    el_float_squash_rows(layer, state, state->c, layer->cells, x, f);
    for (uint16_t k = 0; k < older; k++)
        state->c[k] = state->c[k + layer->features];
    for (uint16_t k = 0; k < layer->features; k++)
        state->c[older + k] = x[k];
    for (uint16_t u = 0; u < layer->units; u++)
        state->h[u] = state->next[u];
}

void el_float_conv_linear(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    el_float_conv(layer, state, x, el_float_same);
}

void el_float_conv_relu(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    el_float_conv(layer, state, x, el_float_relu);
}

void el_float_conv_tanh(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    el_float_conv(layer, state, x, tanhf);
}

void el_float_conv_sigmoid(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    el_float_conv(layer, state, x, el_float_sigmoid);
}
