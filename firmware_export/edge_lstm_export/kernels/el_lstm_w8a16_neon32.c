/* LSTM layer, int8 weights widened to int16 and int16 activations, eight units at a time. */
#include "el_neon_wide.h"

void el_lstm_w8a16_neon32(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_neon32_rows16 *const rows = (const el_neon32_rows16 *)layer->constants;
    el_step_wide(layer, state, x, rows->wide, rows->bias, rows->multiplier);
}
