/* Rows over numbers, squashed, in float32: what a dense layer gives, and a convolution. */
#ifndef EL_DENSE_FLOAT_H
#define EL_DENSE_FLOAT_H

#include "el_float_math.h"

/* Rows over `before` (count) and x (features), side by side. */
static inline void el_float_squash_rows(const el_float_layer *layer, const el_float_state *state, const float *before,
                                        uint16_t count, const float *x, float f(float))
{
    const float *weights = layer->weights, *bias = layer->bias;
    for (uint16_t u = 0; u < layer->units; u++) {
        float pre;
        bias = el_float_load(&pre, 1, bias);
        weights = el_float_sum_rows(&pre, 1, weights, before, count);
        weights = el_float_sum_rows(&pre, 1, weights, x, layer->features);
        state->next[u] = f(pre);
        EL_FLOAT_TELL(0, pre, state->next[u]);
    }
}

static inline float el_float_same(float z)
{
    return z;
}

static inline float el_float_relu(float z)
{
    return z > 0.0F ? z : 0.0F;
}

#endif
