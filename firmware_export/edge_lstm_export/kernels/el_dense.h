/* Rows over codes, squashed: what a dense layer gives, and a convolution. Rows of linear and relu have 8 fraction bits or more,
 * so that Q8.23 holds them. */
#ifndef EL_DENSE_H
#define EL_DENSE_H

#include "el_gated.h"

/* a: scratch (units). */
static inline void el_dense_over(const el_layer *layer, const el_layer_state *state, const int16_t *x, int16_t *a)
{
    const el_gated *cell = (const el_gated *)layer->constants;
    const int32_t widen = (int32_t)1 << (11 + cell->scale_bits);
    cell->over_x->apply(cell->over_x, x, a);
    for (uint16_t u = 0; u < layer->units; u++) {
        const int32_t pre = el_gated_z(cell, cell->activation == EL_TANH ? 2 * (int32_t)a[u] : a[u]);
        int32_t n = a[u];
        if (cell->activation == EL_TANH)
            n = el_tanh_of_half(pre);
        else if (cell->activation == EL_SIGMOID)
            n = el_sigmoid(pre);
        else if (cell->activation == EL_RELU && n < 0)
            n = 0;
        el_gated_tap(layer, state, u, 0, pre, n);
        el_gated_show(layer, state, u, cell->activation >= EL_TANH ? 256 * n : el_gated_clamp(cell, widen * n));
    }
}

#endif
