/* LSTM layer, int8 weights and int16 activations: one accumulator a row, over x and h side by side. */
#include "el_lstm_native.h"

void el_lstm_w8a16(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_rows *rows = (const el_rows *)layer->constants;
    int16_t *next = (int16_t *)state->work;
    const int8_t *weights = rows->weights; /* (units, features + units, 4) */
    for (uint16_t u = 0; u < layer->units; u++) {
        const uint16_t row = (uint16_t)(EL_GATES * u);
        int32_t z[EL_GATES];
        el_load_bias(z, rows, row);
        weights = el_sum_rows(z, weights, x, layer->features);
        weights = el_sum_rows(z, weights, state->h, layer->units);
        for (uint8_t gate = 0; gate < EL_GATES; gate++)
            z[gate] = el_saturate16(el_requantise(z[gate], rows, (uint16_t)(row + gate)));
        /* |o t| <= 2^30 gives |h| <= 2^hidden_bits: nothing to clamp. */
        next[u] = (int16_t)el_update_unit(layer, state, z, u);
    }
    el_adopt_hidden(layer, state);
}
