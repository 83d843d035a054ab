/* LSTM layer, int8 weights and codes, eight units at a time, with SDOT where the processor has it. x and h have a scale
 * each, so a row has two sums. */
#include "el_neon_quads.h"

EL_INLINE void el_step(const el_layer *layer, const el_layer_state *state, const int16_t *x, el_add *add)
{
    const el_neon_rows8 *const over_x = (const el_neon_rows8 *)layer->constants, *const over_h = over_x + 1;
    const uint32_t x_columns = el_whole_columns(layer->features), h_columns = el_whole_columns(layer->units);
    const int8_t *x_weights = over_x->quads, *h_weights = over_h->quads;
    int8_t *const x_codes = (int8_t *)state->work, *const h_codes = x_codes + x_columns;
    el_place place = el_first_place(layer, state);
    int16x8_t z[EL_GATES];
    uint32_t row = 0;
    el_narrow_codes(x_codes, x, layer->features);
    el_narrow_codes(h_codes, state->h, layer->units);
    do {
        el_sums from_x[EL_GATES], from_h[EL_GATES];
        el_load_gates(from_x, over_x->bias + row, EL_GATES);
        x_weights = add(from_x, x_weights, x_codes, x_columns);
        el_requantise8(from_x, over_x->multiplier + row, over_x->shift + row, EL_GATES);
        el_load_gates(from_h, over_h->bias + row, EL_GATES);
        h_weights = add(from_h, h_weights, h_codes, h_columns);
        el_requantise8(from_h, over_h->multiplier + row, over_h->shift + row, EL_GATES);
        el_add_halves(z, from_x, from_h);
        row += EL_GROUP_ROWS;
    } while (el_update_group(z, &place, 1));
}

static void el_w8a8_dot(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    el_step(layer, state, x, el_add_dot);
}

static void el_w8a8_pairs(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    el_step(layer, state, x, el_add_pairs);
}

/* As in el_lstm_w8a16_neon.c. */
static el_layer_kernel *el_w8a8_chosen = el_w8a8_pairs;

__attribute__((constructor)) static void el_w8a8_choose(void)
{
    if (el_has_dot())
        el_w8a8_chosen = el_w8a8_dot;
}

void el_lstm_w8a8_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    el_w8a8_chosen(layer, state, x);
}
