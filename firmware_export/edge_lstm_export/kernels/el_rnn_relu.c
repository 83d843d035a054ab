/* Layer of the simple recurrent network that rectifies. Rows have 8 fraction bits or more, so c holds a sum of two that
 * is not negative. */
#include "el_gated.h"

void el_rnn_relu(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_gated *cell = (const el_gated *)layer->constants;
    int16_t *const a = (int16_t *)state->work, *const d = a + layer->units; /* (units) each */
    const int32_t widen = (int32_t)1 << (11 + cell->scale_bits);
    cell->over_x->apply(cell->over_x, x, a);
    cell->over_h->apply(cell->over_h, state->h, d);
    for (uint16_t u = 0; u < layer->units; u++) {
        const int32_t sum = a[u] + (int32_t)d[u], n = sum > 0 ? sum : 0;
        el_gated_tap(layer, state, u, 0, el_gated_z(cell, sum), el_gated_z(cell, n));
        el_gated_keep(layer, state, u, el_gated_clamp(cell, widen * n));
    }
}
