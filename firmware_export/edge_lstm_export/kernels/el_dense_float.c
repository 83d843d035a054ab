/* Dense layer in float32, by its activation: h' = f(W x + b).
 *
 * weights (units, features), bias (units).
 */
#include "el_dense_float.h"

static void el_float_dense(const el_float_layer *layer, const el_float_state *state, const float *x, float f(float))
{
    el_float_squash_rows(layer, state, NULL, 0, x, f);
    el_float_keep(state, layer->units, state->next);
}

void el_float_dense_linear(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    el_float_dense(layer, state, x, el_float_same);
}

void el_float_dense_relu(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    el_float_dense(layer, state, x, el_float_relu);
}

void el_float_dense_tanh(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    el_float_dense(layer, state, x, tanhf);
}

void el_float_dense_sigmoid(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    el_float_dense(layer, state, x, el_float_sigmoid);
}
