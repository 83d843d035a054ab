/* Layer of the simple recurrent network that rectifies, eight units at a time. Rows have 8 fraction bits or more, so c
 * holds a sum of two that is not negative. */
#include "el_neon_gated.h"

void el_rnn_relu_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_gated *const cell = (const el_gated *)layer->constants;
    const uint32_t gate = el_gate_rows(layer);
    int16_t *const a = (int16_t *)state->work, *const d = a + gate; /* (gate) each */
    const int32x4_t limit = el_limit(cell), widen = vdupq_n_s32(11 + cell->scale_bits), zero = vdupq_n_s32(0);
    el_joining join;
    el_begin(&join, layer, state);
    cell->over_x->apply(cell->over_x, x, a);
    cell->over_h->apply(cell->over_h, state->h, d);
    for (uint32_t u = 0; u < gate; u += EL_NEON_UNITS) {
        const int16x8_t over_x = vld1q_s16(a + u), over_h = vld1q_s16(d + u), z = el_both(a + u, d + u, join.scale);
        const int32x4_t low = vmaxq_s32(zero, vaddl_s16(vget_low_s16(over_x), vget_low_s16(over_h)));
        const int32x4_t high = vmaxq_s32(zero, vaddl_s16(vget_high_s16(over_x), vget_high_s16(over_h)));
        el_tap_row(&join.place, 0, 0, z);
        el_tap_row(&join.place, 4, 0, vmaxq_s16(z, vdupq_n_s16(0)));
        el_keep(&join, el_clamp(vshlq_s32(low, widen), vshlq_s32(high, widen), limit));
    }
}
