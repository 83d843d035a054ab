/* LSTM layer, int8 weights and int16 activations, eight units at a time, with SDOT where the processor has it. */
#include "el_neon_quads.h"
#include "el_neon_wide.h"

enum { EL_PLANE = 16 };

/* Codes (a multiple of 16) -> their high bytes, and from `low` on their low bytes less 128. */
static inline void el_split_codes(int8_t *high, int8_t *low, const int16_t *codes, uint32_t count)
{
    for (uint32_t k = 0; k < count; k += EL_PLANE) {
        const int8x16x2_t bytes = vld2q_s8((const int8_t *)(codes + k));
        vst1q_s8(low + k, veorq_s8(bytes.val[0], vdupq_n_s8(-128)));
        vst1q_s8(high + k, bytes.val[1]);
    }
}

static void el_w8a16_wide(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_neon_rows16 *const rows = (const el_neon_rows16 *)layer->constants;
    el_step_wide(layer, state, x, rows->wide, rows->wide_bias, rows->multiplier);
}

static void el_w8a16_dot(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_neon_rows16 *const rows = (const el_neon_rows16 *)layer->constants;
    const uint32_t columns = el_whole_columns((uint32_t)layer->features + layer->units);
    const uint32_t plane = (columns + EL_PLANE - 1) / EL_PLANE * EL_PLANE;
    const int8_t *weights = rows->quads;
    const int32_t *bias = rows->quads_bias, *multiplier = rows->multiplier;
    int8_t *const low = (int8_t *)state->work, *const high = low + plane;
    int16_t *const codes = (int16_t *)(void *)(high + plane);
    el_place place = el_first_place(layer, state);
    int16x8_t z[EL_GATES];
    el_join_codes(codes, layer, state, x);
    el_split_codes(high, low, codes, plane);
    do {
        el_sums sums[EL_GATES];
#pragma GCC unroll 4
        for (int gate = 0; gate < EL_GATES; gate++)
            sums[gate].val[0] = sums[gate].val[1] = vdupq_n_s32(0);
        el_add_dot(sums, weights, high, columns);
#pragma GCC unroll 4
        for (int gate = 0; gate < EL_GATES; gate++) {
            const el_sums b = el_load_sums(bias + EL_NEON_UNITS * gate);
            sums[gate].val[0] = vaddq_s32(b.val[0], vshlq_n_s32(sums[gate].val[0], 8));
            sums[gate].val[1] = vaddq_s32(b.val[1], vshlq_n_s32(sums[gate].val[1], 8));
        }
        weights = el_add_dot(sums, weights, low, columns);
        el_requantise16(z, sums, multiplier);
        bias += EL_GROUP_ROWS;
        multiplier += EL_GROUP_ROWS;
    } while (el_update_group(z, &place, 0));
}

/* The loader writes this variable, before anybody can call, and nobody ever writes it again: to ask costs more than a
 * step. Were the loader to leave it alone, the way without SDOT runs everywhere. */
static el_layer_kernel *el_w8a16_chosen = el_w8a16_wide;

__attribute__((constructor)) static void el_w8a16_choose(void)
{
    if (el_has_dot())
        el_w8a16_chosen = el_w8a16_dot;
}

void el_lstm_w8a16_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    el_w8a16_chosen(layer, state, x);
}
