/* What every NEON kernel does with eight units at once, once their rows are summed. */
#ifndef EL_NEON_UNITS_H
#define EL_NEON_UNITS_H

#include "el_neon.h"
#include "el_neon_sigmoid.h"

/* These are parts of one function: the sums of a group fill most registers. */
#define EL_INLINE __attribute__((always_inline)) static inline

enum { EL_I, EL_F, EL_G, EL_O, EL_GATES };
enum { EL_GROUP_ROWS = EL_GATES * EL_NEON_UNITS };

/* Eight lanes of one gate. */
typedef int32x4x2_t el_sums;

EL_INLINE el_sums el_load_sums(const int32_t *p)
{
    const el_sums sums = {{vld1q_s32(p), vld1q_s32(p + 4)}};
    return sums;
}

EL_INLINE void el_load_gates(el_sums *sums, const int32_t *p, int gates)
{
#pragma GCC unroll 4
    for (int gate = 0; gate < gates; gate++)
        sums[gate] = el_load_sums(p + EL_NEON_UNITS * gate);
}

EL_INLINE int16x8_t el_saturate16(int32x4_t a, int32x4_t b)
{
    return vcombine_s16(vqmovn_s32(a), vqmovn_s32(b));
}

/* c' = clamp(((f c >> 16) + (i g >> 8)) << 1), Q8.23, in place; `half_g` is g / 2, and a saturating shift clamps. */
EL_INLINE int32x4_t el_update_cell(int32_t *c, int16x4_t i, int16x4_t f, int16x4_t half_g)
{
    const int32x4_t kept = vqdmulhq_s32(vld1q_s32(c), vshll_n_s16(f, 15));
    const int32x4_t sum = vsraq_n_s32(kept, vmull_s16(i, half_g), 7);
    const int32x4_t clamped = vshrq_n_s32(vqshlq_n_s32(sum, 2), 1);
    vst1q_s32(c, clamped);
    return clamped;
}

/* Where the group being worked on has its state. */
typedef struct {
    int32_t *c;
    int16_t *h;
    uint32_t left; /* units from here to the last */
    int32x4_t hidden_shift;
#ifdef EL_TAP
    int16_t *tap; /* as in el_layer_state, from this group on */
    uint32_t units;
#endif
} el_place;

EL_INLINE el_place el_first_place(const el_layer *layer, const el_layer_state *state)
{
    const el_place place = {
        .c = state->c,
        .h = state->h,
        .left = layer->units,
        .hidden_shift = vdupq_n_s32(layer->hidden_bits - 29),
#ifdef EL_TAP
        .tap = state->tap,
        .units = layer->units,
#endif
    };
    return place;
}

/* Where taps are compiled in: eight lanes of one row of them, from unit `first` behind the place on. */
static inline void el_tap_row(const el_place *place, uint32_t row, uint32_t first, int16x8_t lanes)
{
#ifdef EL_TAP
    int16_t seen[EL_NEON_UNITS];
    vst1q_s16(seen, lanes);
    for (uint32_t k = 0; k < EL_NEON_UNITS && first + k < place->left; k++)
        place->tap[row * place->units + first + k] = seen[k];
#else
    (void)place, (void)row, (void)first, (void)lanes;
#endif
}

/* Four rows of taps, from row `first` on. */
static inline void el_tap_gates(const el_place *place, uint32_t first, const int16x8_t *gates)
{
    for (uint32_t gate = 0; gate < EL_GATES; gate++)
        el_tap_row(place, first + gate, 0, gates[gate]);
}

/* On to the next group; returns 0 after the last. */
EL_INLINE int el_next_place(el_place *place)
{
    if (place->left <= EL_NEON_UNITS)
        return 0;
    place->c += EL_NEON_UNITS;
    place->h += EL_NEON_UNITS;
    place->left -= EL_NEON_UNITS;
#ifdef EL_TAP
    place->tap += EL_NEON_UNITS;
#endif
    return 1;
}

/* z (gates) Q3.12 of eight units -> their gates Q0.15 and c in place, new hidden state Q0.hidden_bits returned, not saturated.
 * tanh(y) = 2 sigmoid(2 y) - 1, taken by half. c >> 11 would be Q3.12; one bit less doubles it for the tanh.
 * h = (o tanh(c) + half) >> (30 - hidden_bits); `hidden_shift` is hidden_bits - 29, for half the tanh. */
EL_INLINE int16x8_t el_update_eight(int16x8_t *z, int32_t *c, const el_place *place)
{
    const int16x8_t half = vdupq_n_s16(16384);
    const int32x4_t hidden_shift = place->hidden_shift;
    el_tap_gates(place, 0, z);
    el_sigmoid_twice(&z[EL_I], &z[EL_F]);
    el_sigmoid_twice(&z[EL_G], &z[EL_O]);
    const int16x8_t i = z[EL_I], f = z[EL_F], g = vsubq_s16(z[EL_G], half), o = z[EL_O];
    z[EL_G] = vshlq_n_s16(g, 1);
    el_tap_gates(place, EL_GATES, z);
    const int32x4_t c0 = el_update_cell(c, vget_low_s16(i), vget_low_s16(f), vget_low_s16(g));
    const int32x4_t c1 = el_update_cell(c + 4, vget_high_s16(i), vget_high_s16(f), vget_high_s16(g));
    const int16x8_t t = vsubq_s16(el_sigmoid_once(vcombine_s16(vqrshrn_n_s32(c0, 10), vqrshrn_n_s32(c1, 10))), half);
    const int32x4_t h0 = vrshlq_s32(vmull_s16(vget_low_s16(o), vget_low_s16(t)), hidden_shift);
    const int32x4_t h1 = vrshlq_s32(vmull_s16(vget_high_s16(o), vget_high_s16(t)), hidden_shift);
    return vcombine_s16(vmovn_s32(h0), vmovn_s32(h1));
}

/* The last units where they are fewer than eight: in a copy, because the state has no room for more. */
static inline void el_update_few(int16x8_t *z, const el_place *place, int narrow)
{
    int32_t c[EL_NEON_UNITS];
    int16_t h[EL_NEON_UNITS];
    for (uint32_t k = 0; k < EL_NEON_UNITS; k++)
        c[k] = k < place->left ? place->c[k] : 0;
    const int16x8_t wide = el_update_eight(z, c, place);
    vst1q_s16(h, narrow ? vmovl_s8(vqmovn_s16(wide)) : wide);
    for (uint32_t k = 0; k < place->left; k++) {
        place->c[k] = c[k];
        place->h[k] = h[k];
    }
}

/* z of a group -> its state, and on to the next; returns 0 after the last. `narrow`: h saturates to int8. */
EL_INLINE int el_update_group(int16x8_t *z, el_place *place, int narrow)
{
    if (place->left < EL_NEON_UNITS) {
        el_update_few(z, place, narrow);
        return 0;
    }
    const int16x8_t h = el_update_eight(z, place->c, place);
    vst1q_s16(place->h, narrow ? vmovl_s8(vqmovn_s16(h)) : h);
    return el_next_place(place);
}

/* Codes into the scratch, where rows read them, so that a new hidden state can go to its place at once. */
static inline int16_t *el_copy_codes(int16_t *to, const int16_t *from, uint32_t count)
{
    /* Codes are few: compilers would take longer to choose among copies of the loop. */
#pragma GCC unroll 1
    for (; count >= 8; count -= 8, from += 8, to += 8)
        vst1q_s16(to, vld1q_s16(from));
    if (count & 4) {
        vst1_s16(to, vld1_s16(from));
        from += 4, to += 4;
    }
    for (count &= 3; count != 0; count--)
        *to++ = *from++;
    return to;
}

/* Codes of x and h side by side. */
EL_INLINE void el_join_codes(int16_t *to, const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    el_copy_codes(el_copy_codes(to, x, layer->features), state->h, layer->units);
}

/* z of w8a16. */
EL_INLINE void el_requantise16(int16x8_t *z, const el_sums *sums, const int32_t *multiplier, int gates)
{
#pragma GCC unroll 4
    for (int gate = 0; gate < gates; gate++) {
        const el_sums m = el_load_sums(multiplier + EL_NEON_UNITS * gate);
        z[gate] = el_saturate16(vqdmulhq_s32(sums[gate].val[0], m.val[0]), vqdmulhq_s32(sums[gate].val[1], m.val[1]));
    }
}

/* A half of z of w8a8, not saturated: |sum| < 2^23 and multiplier <= 255, so the product fits 32 bits. */
EL_INLINE void el_requantise8(el_sums *sums, const int32_t *multiplier, const int32_t *shift, int gates)
{
#pragma GCC unroll 4
    for (int gate = 0; gate < gates; gate++, multiplier += EL_NEON_UNITS, shift += EL_NEON_UNITS) {
        const el_sums m = el_load_sums(multiplier), s = el_load_sums(shift);
        sums[gate].val[0] = vshlq_s32(vmulq_s32(sums[gate].val[0], m.val[0]), s.val[0]);
        sums[gate].val[1] = vshlq_s32(vmulq_s32(sums[gate].val[1], m.val[1]), s.val[1]);
        /* Now: compilers would wait until the other half is summed, and spill all of the above. */
        __asm__ volatile("" : "+w"(sums[gate].val[0]), "+w"(sums[gate].val[1]));
    }
}

/* z of w8a8 from its halves. */
EL_INLINE void el_add_halves(int16x8_t *z, const el_sums *a, const el_sums *b)
{
#pragma GCC unroll 4
    for (int gate = 0; gate < EL_GATES; gate++)
        z[gate] = el_saturate16(vaddq_s32(a[gate].val[0], b[gate].val[0]), vaddq_s32(a[gate].val[1], b[gate].val[1]));
}

#endif
