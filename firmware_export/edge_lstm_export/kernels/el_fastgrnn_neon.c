/* FastGRNN layer, eight units at a time: gate and candidate share one sum. */
#include "el_neon_gated.h"

/* z' = 2 (a + d + candidate), three rows that saturate together only. */
EL_INLINE int16x8_t el_candidate(const int16_t *a, const int16_t *d, const int16_t *candidate, int32x4_t scale_twice)
{
    const int16x8_t over_x = vld1q_s16(a), over_h = vld1q_s16(d), bias = vld1q_s16(candidate);
    const int32x4_t low = vaddw_s16(vaddl_s16(vget_low_s16(over_x), vget_low_s16(over_h)), vget_low_s16(bias));
    const int32x4_t high = vaddw_s16(vaddl_s16(vget_high_s16(over_x), vget_high_s16(over_h)), vget_high_s16(bias));
    return el_saturate16(vqshlq_s32(low, scale_twice), vqshlq_s32(high, scale_twice));
}

/* w n >> 7 with w = nu + zeta (1 - z), at most 65534: w n fits 32 bits. */
EL_INLINE int32x4_t el_share(const el_gated *cell, int16x4_t z, int16x4_t half_n)
{
    const int32x4_t rest = vsubw_s16(vdupq_n_s32(32768), z);
    const int32x4_t w = vsraq_n_s32(vdupq_n_s32(cell->nu), vmulq_n_s32(rest, cell->zeta), 15);
    return vshrq_n_s32(vmulq_s32(w, vshll_n_s16(half_n, 1)), 7);
}

/* c' = clamp(2 (z c >> 16) + (w n >> 7)) */
EL_INLINE el_sums el_leak(const el_gated *cell, int16x8_t z, el_sums c, int16x8_t half_n, int32x4_t limit)
{
    const el_sums kept = el_gate_cells(z, c);
    const int32x4_t low = vaddq_s32(vshlq_n_s32(kept.val[0], 1), el_share(cell, vget_low_s16(z), vget_low_s16(half_n)));
    const int32x4_t high =
        vaddq_s32(vshlq_n_s32(kept.val[1], 1), el_share(cell, vget_high_s16(z), vget_high_s16(half_n)));
    return el_clamp(low, high, limit);
}

void el_fastgrnn_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_gated *const cell = (const el_gated *)layer->constants;
    const uint32_t gate = el_gate_rows(layer);
    int16_t *const a = (int16_t *)state->work, *const d = a + gate; /* (gate) each */
    const int32x4_t limit = el_limit(cell), scale_twice = vdupq_n_s32(cell->scale_bits + 1);
    el_joining join;
    el_begin(&join, layer, state);
    cell->over_x->apply(cell->over_x, x, a);
    cell->over_h->apply(cell->over_h, state->h, d);
    for (uint32_t u = 0; u < gate; u += EL_NEON_UNITS) {
        int16x8_t z = el_both(a + u, d + u, join.scale);
        int16x8_t n = el_candidate(a + u, d + u, cell->candidate + u, scale_twice);
        el_tap_row(&join.place, 0, 0, z);
        el_tap_row(&join.place, 1, 0, n);
        el_sigmoid_twice(&z, &n);
        n = vsubq_s16(n, vdupq_n_s16(16384));
        el_tap_row(&join.place, 4, 0, z);
        el_tap_row(&join.place, 5, 0, vshlq_n_s16(n, 1));
        el_keep(&join, el_leak(cell, z, el_cells(&join.place), n, limit));
    }
}
