/* LSTM layer, int8 weights and 8-bit activations: x and h have a scale each, so a row has two accumulators. */
#include "el_lstm_native.h"

void el_lstm_w8a8(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_rows *over_x = (const el_rows *)layer->constants, *over_h = over_x + 1;
    int16_t *next = (int16_t *)state->work;
    const int8_t *x_weights = over_x->weights; /* (units, features, 4) */
    const int8_t *h_weights = over_h->weights; /* (units, units, 4) */
    for (uint16_t u = 0; u < layer->units; u++) {
        const uint16_t row = (uint16_t)(EL_GATES * u);
        int32_t z[EL_GATES], from_h[EL_GATES];
        el_load_bias(z, over_x, row);
        el_load_bias(from_h, over_h, row);
        x_weights = el_sum_rows(z, x_weights, x, layer->features);
        h_weights = el_sum_rows(from_h, h_weights, state->h, layer->units);
        for (uint8_t gate = 0; gate < EL_GATES; gate++) {
            const uint16_t r = (uint16_t)(row + gate);
            z[gate] = el_saturate16(el_requantise(z[gate], over_x, r) + el_requantise(from_h[gate], over_h, r));
        }
        const int32_t h = el_update_unit(layer, state, z, u);
        next[u] = (int16_t)(h > 127 ? 127 : h < -128 ? -128 : h);
    }
    el_adopt_hidden(layer, state);
}
