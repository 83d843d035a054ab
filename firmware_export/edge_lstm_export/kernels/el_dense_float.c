/* Dense layer in float32, by its activation: h' = f(W x + b).
 *
 * weights (units, features), bias (units).
 */
#include "el_float_math.h"

static void el_float_rows(const el_float_layer *layer, const el_float_state *state, const float *x, float f(float))
{
    const float *weights = layer->weights, *bias = layer->bias;
    for (uint16_t u = 0; u < layer->units; u++) {
        float pre;
        bias = el_float_load(&pre, 1, bias);
        weights = el_float_sum_rows(&pre, 1, weights, x, layer->features);
        state->next[u] = f(pre);
        EL_FLOAT_TELL(0, pre, state->next[u]);
    }
    el_float_keep(state, layer->units, state->next);
}

static float el_float_same(float z)
{
    return z;
}

static float el_float_relu(float z)
{
    return z > 0.0F ? z : 0.0F;
}

void el_float_dense_linear(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    el_float_rows(layer, state, x, el_float_same);
}

void el_float_dense_relu(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    el_float_rows(layer, state, x, el_float_relu);
}

void el_float_dense_tanh(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    el_float_rows(layer, state, x, tanhf);
}

void el_float_dense_sigmoid(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    el_float_rows(layer, state, x, el_float_sigmoid);
}
