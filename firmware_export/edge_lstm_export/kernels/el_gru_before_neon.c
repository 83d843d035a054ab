/* GRU layer that resets before the product: the candidate waits for the reset gates of all units. */
#include "el_neon_gated.h"

void el_gru_before_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_gated *const cell = (const el_gated *)layer->constants;
    const uint32_t gate = el_gate_rows(layer);
    int16_t *const a = (int16_t *)state->work, *const d = a + 3 * gate; /* (3, gate), (2, gate) */
    int16_t *const reset = d + 2 * gate, *const e = reset + gate;       /* (gate): codes of r h, rows over them */
    const int16_t *const r = a + gate;
    el_joining join;
    el_begin(&join, layer, state);
    cell->over_x->apply(cell->over_x, x, a);
    cell->over_h->apply(cell->over_h, state->h, d);
    el_gates(&join, a, d, gate);
    el_copy_codes(reset, state->h, layer->units);
    for (uint32_t u = 0; u < gate; u += EL_NEON_UNITS)
        vst1q_s16(reset + u, vqrdmulhq_s16(vld1q_s16(reset + u), vld1q_s16(r + u)));
    cell->over_reset->apply(cell->over_reset, reset, e);
    el_blend_all(&join, a, r, a + 2 * gate, e, gate, 0);
}
