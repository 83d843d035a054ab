/* LSTM layer, int8 weights widened to int16 and int8 codes in int16, eight units at a time. x and h have a scale
 * each, so a row has two sums. */
#include "el_neon_wide.h"

void el_lstm_w8a8_neon32(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_neon32_rows8 *const over_x = (const el_neon32_rows8 *)layer->constants, *const over_h = over_x + 1;
    const int16_t *x_weights = over_x->wide, *h_weights = over_h->wide;
    int16_t *const x_codes = (int16_t *)state->work, *const h_codes = x_codes + layer->features;
    el_place place = el_first_place(layer, state);
    int16x8_t z[EL_GATES];
    uint32_t row = 0;
    el_join_codes(x_codes, layer, state, x);
    do {
        el_sums from_x[EL_GATES], from_h[EL_GATES];
        el_load_gates(from_x, over_x->bias + row, EL_GATES);
        x_weights = el_add_wide(from_x, x_weights, x_codes, layer->features);
        el_requantise8(from_x, over_x->multiplier + row, over_x->shift + row, EL_GATES);
        el_load_gates(from_h, over_h->bias + row, EL_GATES);
        h_weights = el_add_wide(from_h, h_weights, h_codes, layer->units);
        el_requantise8(from_h, over_h->multiplier + row, over_h->shift + row, EL_GATES);
        el_add_halves(z, from_x, from_h);
        row += EL_GROUP_ROWS;
    } while (el_update_group(z, &place, 1));
}
