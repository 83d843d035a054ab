/* FastGRNN layer: gate and candidate share one sum. */
#include "el_gated.h"

/* c' = clamp(2 (z c >> 16) + (w n >> 7)) with w = nu + zeta (1 - z), at most 65534: w n fits 32 bits. */
static int32_t el_leak(const el_gated *cell, int32_t z, int32_t c, int32_t n)
{
    const int32_t w = cell->nu + ((cell->zeta * ((int32_t)32768L - z)) >> 15);
    return el_gated_clamp(cell, 2 * el_gated_product(z, c) + ((w * n) >> 7));
}

void el_fastgrnn(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_gated *cell = (const el_gated *)layer->constants;
    int16_t *const a = (int16_t *)state->work, *const d = a + layer->units; /* (units) each */
    cell->over_x->apply(cell->over_x, x, a);
    cell->over_h->apply(cell->over_h, state->h, d);
    for (uint16_t u = 0; u < layer->units; u++) {
        const int32_t rows = a[u] + (int32_t)d[u];
        const int32_t z_pre = el_gated_z(cell, rows);
        const int32_t n_pre = el_gated_z(cell, 2 * (rows + EL_LOAD_I16(cell->candidate + u)));
        const int32_t z = el_sigmoid(z_pre), n = el_tanh_of_half(n_pre);
        el_gated_tap(layer, state, u, 0, z_pre, z);
        el_gated_tap(layer, state, u, 1, n_pre, n);
        el_gated_keep(layer, state, u, el_leak(cell, z, state->c[u], n));
    }
}
