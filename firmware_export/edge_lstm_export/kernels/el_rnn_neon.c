/* Layer of the simple recurrent network, sixteen units at a time. */
#include "el_neon_gated.h"

void el_rnn_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_gated *const cell = (const el_gated *)layer->constants;
    const uint32_t gate = el_gate_rows(layer);
    int16_t *const a = (int16_t *)state->work, *const d = a + gate; /* (gate) each */
    const int16x8_t half = vdupq_n_s16(16384);
    el_joining join;
    el_begin(&join, layer, state);
    cell->over_x->apply(cell->over_x, x, a);
    cell->over_h->apply(cell->over_h, state->h, d);
    for (uint32_t u = 0; u < gate; u += 2 * EL_NEON_UNITS) {
        const uint32_t behind = el_behind(u, gate);
        int16x8_t n = el_both(a + u, d + u, join.scale_twice), next = el_both(a + behind, d + behind, join.scale_twice);
        el_tap_row(&join.place, 0, 0, n);
        el_tap_row(&join.place, 0, behind - u, next);
        el_sigmoid_twice(&n, &next);
        n = vsubq_s16(n, half), next = vsubq_s16(next, half);
        el_tap_row(&join.place, 4, 0, vshlq_n_s16(n, 1));
        el_tap_row(&join.place, 4, behind - u, vshlq_n_s16(next, 1));
        el_keep(&join, el_as_cells(n));
        if (behind != u)
            el_keep(&join, el_as_cells(next));
    }
}
