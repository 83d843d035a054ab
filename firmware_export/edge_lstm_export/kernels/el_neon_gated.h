/* What cells other than the LSTM do with eight units at once, once their rows are summed; the numbers of el_gated.h.
 *
 * A gate's rows are filled up to whole eights, and so is the scratch; states are not. */
#ifndef EL_NEON_GATED_H
#define EL_NEON_GATED_H

#include "el_gated.h"
#include "el_neon_units.h"

typedef struct {
    el_place place;
    int16x8_t scale, scale_twice; /* rows -> z, the same doubled */
    int16x8_t low, high;          /* where h saturates */
} el_joining;

/* Of a gate, filled up. */
static inline uint32_t el_gate_rows(const el_layer *layer)
{
    return (layer->units + EL_NEON_UNITS - 1U) / EL_NEON_UNITS * EL_NEON_UNITS;
}

EL_INLINE void el_begin(el_joining *join, const el_layer *layer, const el_layer_state *state)
{
    const el_gated *const cell = (const el_gated *)layer->constants;
    join->place = el_first_place(layer, state);
    join->place.hidden_shift = vdupq_n_s32(layer->hidden_bits - 23);
    join->scale = vdupq_n_s16(cell->scale_bits);
    join->scale_twice = vdupq_n_s16((int16_t)(cell->scale_bits + 1));
    join->high = vdupq_n_s16((int16_t)(32767 >> 8 * cell->narrow));
    join->low = vmvnq_s16(join->high);
}

/* Sums of rows -> pre-activations. Both saturate: sums that do are too large for z whatever the scale. */
EL_INLINE int16x8_t el_both(const int16_t *a, const int16_t *d, int16x8_t scale)
{
    return vqshlq_s16(vqaddq_s16(vld1q_s16(a), vld1q_s16(d)), scale);
}

/* Where the eight units behind those at u are: at u again, if there are none, whose gates are then looked up twice. */
static inline uint32_t el_behind(uint32_t u, uint32_t gate)
{
    return u + EL_NEON_UNITS < gate ? u + EL_NEON_UNITS : u;
}

/* z and r from their rows, a (2, gate) and d alike, in place of a. Their number in eights is even. */
EL_INLINE void el_gates(const el_joining *join, int16_t *a, const int16_t *d, uint32_t gate)
{
    for (uint32_t k = 0; k < 2 * gate; k += 2 * EL_NEON_UNITS) {
        const uint32_t behind = k + EL_NEON_UNITS;
        int16x8_t z = el_both(a + k, d + k, join->scale), next = el_both(a + behind, d + behind, join->scale);
        el_tap_row(&join->place, k / gate, k % gate, z);
        el_tap_row(&join->place, behind / gate, behind % gate, next);
        el_sigmoid_twice(&z, &next);
        el_tap_row(&join->place, 4 + k / gate, k % gate, z);
        el_tap_row(&join->place, 4 + behind / gate, behind % gate, next);
        vst1q_s16(a + k, z);
        vst1q_s16(a + behind, next);
    }
}

/* c of the next eight units; noughts where there are fewer. */
EL_INLINE el_sums el_cells(const el_place *place)
{
    if (place->left >= EL_NEON_UNITS)
        return el_load_sums(place->c);
    int32_t c[EL_NEON_UNITS];
    for (uint32_t k = 0; k < EL_NEON_UNITS; k++)
        c[k] = k < place->left ? place->c[k] : 0;
    return el_load_sums(c);
}

/* n / 2, Q0.15 -> n in Q8.23. */
EL_INLINE el_sums el_as_cells(int16x8_t half_n)
{
    const el_sums n = {{vshll_n_s16(vget_low_s16(half_n), 9), vshll_n_s16(vget_high_s16(half_n), 9)}};
    return n;
}

/* n << widen */
EL_INLINE el_sums el_widen(int16x8_t n, int32x4_t widen)
{
    const el_sums c = {{vshlq_s32(vmovl_s16(vget_low_s16(n)), widen), vshlq_s32(vmovl_s16(vget_high_s16(n)), widen)}};
    return c;
}

/* What |c| reaches, of a FastGRNN, a dense layer or an RNN that rectifies. */
EL_INLINE int32x4_t el_limit(const el_gated *cell)
{
    return vdupq_n_s32((int32_t)1 << (23 + cell->reach_bits));
}

EL_INLINE el_sums el_clamp(int32x4_t low, int32x4_t high, int32x4_t limit)
{
    const int32x4_t least = vnegq_s32(limit);
    const el_sums c = {{vmaxq_s32(least, vminq_s32(limit, low)), vmaxq_s32(least, vminq_s32(limit, high))}};
    return c;
}

/* gate value >> 16: the product is doubled and loses 32 bits. */
EL_INLINE el_sums el_gate_cells(int16x8_t gate, el_sums value)
{
    const el_sums kept = {{vqdmulhq_s32(value.val[0], vshll_n_s16(vget_low_s16(gate), 15)),
                           vqdmulhq_s32(value.val[1], vshll_n_s16(vget_high_s16(gate), 15))}};
    return kept;
}

/* c' = n + 2 (z (c - n) >> 16) */
EL_INLINE el_sums el_blend(int16x8_t z, el_sums c, el_sums n)
{
    const el_sums apart = {{vsubq_s32(c.val[0], n.val[0]), vsubq_s32(c.val[1], n.val[1])}};
    const el_sums kept = el_gate_cells(z, apart);
    const el_sums next = {{vaddq_s32(n.val[0], vshlq_n_s32(kept.val[0], 1)),
                           vaddq_s32(n.val[1], vshlq_n_s32(kept.val[1], 1))}};
    return next;
}

/* What is shown of the hidden state of eight units, given in full precision. */
EL_INLINE int16x8_t el_shown(const el_joining *join, el_sums c)
{
    const int32x4_t shift = join->place.hidden_shift;
    const int16x8_t h = el_saturate16(vrshlq_s32(c.val[0], shift), vrshlq_s32(c.val[1], shift));
    return vmaxq_s16(join->low, vminq_s16(join->high, h));
}

/* h of units that are fewer than eight. */
EL_INLINE void el_put_few(const el_place *place, int16x8_t h)
{
    int16_t all[EL_NEON_UNITS];
    vst1q_s16(all, h);
    for (uint32_t k = 0; k < place->left; k++)
        place->h[k] = all[k];
}

/* New hidden state of the next eight units, shown alone; then on to those behind. */
EL_INLINE void el_show(el_joining *join, el_sums c)
{
    const int16x8_t h = el_shown(join, c);
    if (join->place.left >= EL_NEON_UNITS)
        vst1q_s16(join->place.h, h);
    else
        el_put_few(&join->place, h);
    el_next_place(&join->place);
}

/* The same, and the full precision for the next step. */
EL_INLINE void el_keep(el_joining *join, el_sums c)
{
    const el_place *const place = &join->place;
    const int16x8_t h = el_shown(join, c);
    if (place->left >= EL_NEON_UNITS) {
        vst1q_s32(place->c, c.val[0]);
        vst1q_s32(place->c + 4, c.val[1]);
        vst1q_s16(place->h, h);
    } else {
        int32_t all[EL_NEON_UNITS];
        vst1q_s32(all, c.val[0]);
        vst1q_s32(all + 4, c.val[1]);
        for (uint32_t k = 0; k < place->left; k++)
            place->c[k] = all[k];
        el_put_few(place, h);
    }
    el_next_place(&join->place);
}

/* What a GRU does once it has its gates z and r, (gate) each: n and n_h are the rows of the candidate over x and over h,
 * which r is still to scale if it `resets`. */
EL_INLINE void el_blend_all(el_joining *join, const int16_t *z, const int16_t *r, const int16_t *n, const int16_t *n_h,
                            uint32_t gate, int resets)
{
    const int16x8_t half = vdupq_n_s16(16384);
    for (uint32_t u = 0; u < gate; u += 2 * EL_NEON_UNITS) {
        const uint32_t behind = el_behind(u, gate);
        int16x8_t over_h = vld1q_s16(n_h + u), next_over_h = vld1q_s16(n_h + behind);
        if (resets) {
            over_h = vqrdmulhq_s16(over_h, vld1q_s16(r + u));
            next_over_h = vqrdmulhq_s16(next_over_h, vld1q_s16(r + behind));
        }
        int16x8_t pre = vqshlq_s16(vqaddq_s16(vld1q_s16(n + u), over_h), join->scale_twice);
        int16x8_t next = vqshlq_s16(vqaddq_s16(vld1q_s16(n + behind), next_over_h), join->scale_twice);
        el_tap_row(&join->place, 2, 0, pre);
        el_tap_row(&join->place, 2, behind - u, next);
        el_sigmoid_twice(&pre, &next);
        const int16x8_t half_n = vsubq_s16(pre, half), half_next = vsubq_s16(next, half);
        el_tap_row(&join->place, 6, 0, vshlq_n_s16(half_n, 1));
        el_tap_row(&join->place, 6, behind - u, vshlq_n_s16(half_next, 1));
        el_keep(join, el_blend(vld1q_s16(z + u), el_cells(&join->place), el_as_cells(half_n)));
        if (behind != u)
            el_keep(join, el_blend(vld1q_s16(z + behind), el_cells(&join->place), el_as_cells(half_next)));
    }
}

#endif
