/* GRU layer that resets after the product, eight units at a time. */
#include "el_neon_gated.h"

/* Groups of eight units whose rows are at a and d, `gate` rows apart; two share what is looked up. */
EL_INLINE void el_groups(el_joining *join, const int16_t *a, const int16_t *d, uint32_t gate, int groups)
{
    const int16x8_t half = vdupq_n_s16(16384);
    int16x8_t z[2], r[2], n[2] = {half, half};
#pragma GCC unroll 2
    for (int k = 0; k < groups; k++) {
        const uint32_t at = EL_NEON_UNITS * (uint32_t)k;
        z[k] = vqshlq_s16(el_both_rows(a + at, d + at), join->scale);
        r[k] = vqshlq_s16(el_both_rows(a + gate + at, d + gate + at), join->scale);
        el_tap_row(&join->place, 0, (uint32_t)k, z[k]);
        el_tap_row(&join->place, 1, (uint32_t)k, r[k]);
        el_sigmoid_twice(&z[k], &r[k]);
        el_tap_row(&join->place, 4, (uint32_t)k, z[k]);
        el_tap_row(&join->place, 5, (uint32_t)k, r[k]);
        const int16x8_t reset = vqrdmulhq_s16(r[k], vld1q_s16(d + 2 * gate + at));
        n[k] = vqshlq_s16(vqaddq_s16(vld1q_s16(a + 2 * gate + at), reset), join->scale_twice);
        el_tap_row(&join->place, 2, (uint32_t)k, n[k]);
    }
    el_sigmoid_twice(&n[0], &n[1]);
#pragma GCC unroll 2
    for (int k = 0; k < groups; k++) {
        const int16x8_t half_n = vsubq_s16(n[k], half);
        el_tap_row(&join->place, 6, 0, vshlq_n_s16(half_n, 1));
        el_keep(join, el_blend(z[k], el_cells(&join->place), el_as_cells(half_n)));
    }
}

void el_gru_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_gated *const cell = (const el_gated *)layer->constants;
    const uint32_t gate = el_gate_rows(layer), pair = 2 * EL_NEON_UNITS;
    const int16_t *a = (const int16_t *)state->work, *d = a + 3 * gate; /* (3, gate) each */
    el_joining join = el_join(layer, state);
    cell->over_x->apply(cell->over_x, x, (int16_t *)state->work);
    cell->over_h->apply(cell->over_h, state->h, (int16_t *)state->work + 3 * gate);
    for (uint32_t left = gate; left != 0; left -= pair, a += pair, d += pair) {
        if (left == EL_NEON_UNITS) {
            el_groups(&join, a, d, gate, 1);
            return;
        }
        el_groups(&join, a, d, gate, 2);
    }
}
