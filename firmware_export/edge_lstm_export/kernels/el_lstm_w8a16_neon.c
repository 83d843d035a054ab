/* LSTM layer, int8 weights and int16 activations, eight units at a time, with SDOT where the processor has it. */
#include "el_neon_quads.h"
#include "el_neon_wide.h"

static void el_w8a16_wide(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_neon_rows16 *const rows = (const el_neon_rows16 *)layer->constants;
    el_step_wide(layer, state, x, rows->wide, rows->wide_bias, rows->multiplier);
}

static void el_w8a16_dot(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_neon_rows16 *const rows = (const el_neon_rows16 *)layer->constants;
    const uint32_t columns = el_whole_columns((uint32_t)layer->features + layer->units);
    const uint32_t plane = el_plane(columns);
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
        el_no_sums(sums, EL_GATES);
        el_add_dot(sums, weights, high, columns);
        el_raise_sums(sums, bias, EL_GATES);
        weights = el_add_dot(sums, weights, low, columns);
        el_requantise16(z, sums, multiplier, EL_GATES);
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
