/* Rows over codes, squashed, eight units at a time: what a dense layer gives, and a convolution. Rows of linear and relu
 * have 8 fraction bits or more, so that Q8.23 holds them. */
#ifndef EL_NEON_DENSE_H
#define EL_NEON_DENSE_H

#include "el_neon_gated.h"

EL_INLINE void el_squash(el_joining *join, const int16_t *a, uint32_t gate, int is_tanh)
{
    const int16x8_t scale = is_tanh ? join->scale_twice : join->scale, half = vdupq_n_s16(16384);
    for (uint32_t u = 0; u < gate; u += EL_NEON_UNITS) {
        int16x8_t n = vqshlq_s16(vld1q_s16(a + u), scale);
        el_tap_row(&join->place, 0, 0, n);
        n = el_sigmoid_once(n);
        n = is_tanh ? vshlq_n_s16(vsubq_s16(n, half), 1) : n;
        el_tap_row(&join->place, 4, 0, n);
        el_show(join, el_widen(n, vdupq_n_s32(8)));
    }
}

EL_INLINE void el_rectify(el_joining *join, const int16_t *a, uint32_t gate, const el_gated *cell)
{
    const int16x8_t least = vdupq_n_s16(cell->activation == EL_RELU ? 0 : -32768);
    const int32x4_t limit = el_limit(cell), widen = vdupq_n_s32(11 + cell->scale_bits);
    for (uint32_t u = 0; u < gate; u += EL_NEON_UNITS) {
        const int16x8_t row = vld1q_s16(a + u), n = vmaxq_s16(row, least);
        const el_sums c = el_widen(n, widen);
        el_tap_row(&join->place, 0, 0, vqshlq_s16(row, join->scale));
        el_tap_row(&join->place, 4, 0, n);
        el_show(join, el_clamp(c.val[0], c.val[1], limit));
    }
}

/* a: scratch, the rows and what their kernel takes. */
EL_INLINE void el_dense_over(const el_layer *layer, const el_layer_state *state, const int16_t *x, int16_t *a)
{
    const el_gated *const cell = (const el_gated *)layer->constants;
    const uint32_t gate = el_gate_rows(layer);
    el_joining join;
    el_begin(&join, layer, state);
    cell->over_x->apply(cell->over_x, x, a);
    if (cell->activation >= EL_TANH)
        el_squash(&join, a, gate, cell->activation == EL_TANH);
    else
        el_rectify(&join, a, gate, cell);
}

#endif
