/* Layer of the simple recurrent network. */
#include "el_gated.h"

void el_rnn(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_gated *cell = (const el_gated *)layer->constants;
    int16_t *const a = (int16_t *)state->work, *const d = a + layer->units; /* (units) each */
    cell->over_x->apply(cell->over_x, x, a);
    cell->over_h->apply(cell->over_h, state->h, d);
    for (uint16_t u = 0; u < layer->units; u++) {
        const int32_t n_pre = el_gated_z(cell, 2 * (a[u] + (int32_t)d[u]));
        const int32_t n = el_tanh_of_half(n_pre);
        el_gated_tap(layer, state, u, 0, n_pre, n);
        el_gated_keep(layer, state, u, 256 * n);
    }
}
