/* GRU layer that resets after the product, sixteen units at a time. */
#include "el_neon_gated.h"

void el_gru_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_gated *const cell = (const el_gated *)layer->constants;
    const uint32_t gate = el_gate_rows(layer);
    int16_t *const a = (int16_t *)state->work, *const d = a + 3 * gate; /* (3, gate) each */
    el_joining join;
    el_begin(&join, layer, state);
    cell->over_x->apply(cell->over_x, x, a);
    cell->over_h->apply(cell->over_h, state->h, d);
    el_gates(&join, a, d, gate);
    el_blend_all(&join, a, a + gate, a + 2 * gate, d + 2 * gate, gate, 1);
}
