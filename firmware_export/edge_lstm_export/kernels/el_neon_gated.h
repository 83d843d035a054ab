/* What the cells other than the LSTM do with eight units at once, once their rows are summed; the numbers of el_gated.h.
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

EL_INLINE el_joining el_join(const el_layer *layer, const el_layer_state *state)
{
    const el_gated *const cell = (const el_gated *)layer->constants;
    el_joining join = {
        .place = el_first_place(layer, state),
        .scale = vdupq_n_s16(cell->scale_bits),
        .scale_twice = vdupq_n_s16((int16_t)(cell->scale_bits + 1)),
        .low = vdupq_n_s16(cell->narrow ? -128 : -32768),
        .high = vdupq_n_s16(cell->narrow ? 127 : 32767),
    };
    join.place.hidden_shift = vdupq_n_s32(layer->hidden_bits - 23);
    return join;
}

/* Rows of eight units, and sums of two. Both saturate; so does z, which is no nearer. */
EL_INLINE int16x8_t el_rows_of(const int16_t *a)
{
    return vld1q_s16(a);
}

EL_INLINE int16x8_t el_both_rows(const int16_t *a, const int16_t *d)
{
    return vqaddq_s16(vld1q_s16(a), vld1q_s16(d));
}

/* c of the next eight units; noughts where there are fewer. */
EL_INLINE el_sums el_cells(const el_place *place)
{
    if (place->left >= EL_NEON_UNITS)
        return el_load_sums(place->c);
    int32_t c[EL_NEON_UNITS] = {0};
    for (uint32_t k = 0; k < place->left; k++)
        c[k] = place->c[k];
    return el_load_sums(c);
}

/* n / 2, Q0.15 -> n in Q8.23. */
EL_INLINE el_sums el_as_cells(int16x8_t half_n)
{
    const el_sums n = {{vshll_n_s16(vget_low_s16(half_n), 9), vshll_n_s16(vget_high_s16(half_n), 9)}};
    return n;
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

/* New hidden state of the next eight units, in full precision and shown; then on to those behind. */
EL_INLINE void el_keep(el_joining *join, el_sums c)
{
    el_place *const place = &join->place;
    const int32x4_t h0 = vrshlq_s32(c.val[0], place->hidden_shift), h1 = vrshlq_s32(c.val[1], place->hidden_shift);
    const int16x8_t h = vmaxq_s16(join->low, vminq_s16(join->high, el_saturate16(h0, h1)));
    if (place->left >= EL_NEON_UNITS) {
        vst1q_s32(place->c, c.val[0]);
        vst1q_s32(place->c + 4, c.val[1]);
        vst1q_s16(place->h, h);
    } else {
        int32_t all_c[EL_NEON_UNITS];
        int16_t all_h[EL_NEON_UNITS];
        vst1q_s32(all_c, c.val[0]);
        vst1q_s32(all_c + 4, c.val[1]);
        vst1q_s16(all_h, h);
        for (uint32_t k = 0; k < place->left; k++) {
            place->c[k] = all_c[k];
            place->h[k] = all_h[k];
        }
    }
    el_next_place(place);
}

#endif
