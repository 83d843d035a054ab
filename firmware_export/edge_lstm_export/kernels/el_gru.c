/* GRU layer that resets after the product. */
#include "el_gated.h"

void el_gru(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_gated *cell = (const el_gated *)layer->constants;
    const uint16_t units = layer->units;
    int16_t *const a = (int16_t *)state->work, *const d = a + 3 * units; /* (3, units) each */
    cell->over_x->apply(cell->over_x, x, a);
    cell->over_h->apply(cell->over_h, state->h, d);
    for (uint16_t u = 0; u < units; u++) {
        const uint16_t ur = (uint16_t)(u + units), un = (uint16_t)(ur + units);
        const int32_t z_pre = el_gated_z(cell, a[u] + (int32_t)d[u]);
        const int32_t r_pre = el_gated_z(cell, a[ur] + (int32_t)d[ur]);
        const int32_t z = el_sigmoid(z_pre), r = el_sigmoid(r_pre);
        const int32_t n_pre = el_gated_z(cell, 2 * (a[un] + el_gated_reset(r, d[un])));
        const int32_t n = el_tanh_of_half(n_pre);
        el_gated_tap(layer, state, u, 0, z_pre, z);
        el_gated_tap(layer, state, u, 1, r_pre, r);
        el_gated_tap(layer, state, u, 2, n_pre, n);
        el_gated_keep(layer, state, u, el_gated_blend(z, state->c[u], n));
    }
}
