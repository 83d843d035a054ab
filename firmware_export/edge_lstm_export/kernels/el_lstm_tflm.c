/* LSTM layer in the arithmetic tflm, for any core. */
#include "el_lstm_tflm.h"
#include "el_tflm_math.h"

/* half (4) = one unit's rows over v (columns), each saturated; returns where the next unit's weights are. */
static const int8_t *el_tflm_halves(int32_t *half, const el_tflm_rows *rows, const int8_t *weights, const int32_t *bias,
                                    const int8_t *v, uint16_t columns)
{
    for (uint8_t gate = 0; gate < EL_TFLM_GATES; gate++)
        half[gate] = EL_LOAD_I32(bias + gate);
    weights = el_tflm_sum_rows(half, weights, v, columns);
    for (uint8_t gate = 0; gate < EL_TFLM_GATES; gate++)
        half[gate] = el_tflm_saturate16(el_tflm_multiply(half[gate], rows->multiplier + gate));
    return weights;
}

/* f c and i g by way of a multiplier that is a power of two: its product halves, its shift does the rest. */
static int32_t el_tflm_scale_down(int32_t product, int8_t bits)
{
    return el_tflm_shift_right((product + 1) >> 1, (uint8_t)(bits - 1));
}

void el_lstm_tflm(const el_tflm_lstm *layer, const el_tflm_lstm_state *state, const int8_t *x)
{
    const el_tflm_constants *const constants = (const el_tflm_constants *)layer->constants;
    const el_tflm_rows *const over_x = &constants->over_x, *const over_h = &constants->over_h;
    const int8_t exponent = constants->cell_exponent;
    const int8_t *x_weights = over_x->weights, *h_weights = over_h->weights;
    int8_t *const next = (int8_t *)state->work;
    for (uint16_t u = 0; u < layer->units; u++) {
        const uint16_t row = (uint16_t)(EL_TFLM_GATES * u);
        int32_t z[EL_TFLM_GATES], from_h[EL_TFLM_GATES];
        x_weights = el_tflm_halves(z, over_x, x_weights, over_x->bias + row, x, layer->features);
        h_weights = el_tflm_halves(from_h, over_h, h_weights, over_h->bias + row, state->h, layer->units);
        for (uint8_t gate = 0; gate < EL_TFLM_GATES; gate++)
            z[gate] = el_tflm_saturate16(z[gate] + from_h[gate]);
        const int32_t kept = el_tflm_sigmoid_of(z[EL_TFLM_F]) * state->c[u];
        const int32_t added = el_tflm_sigmoid_of(z[EL_TFLM_I]) * el_tflm_tanh_of(z[EL_TFLM_G], 0);
        /* |f| and |i g| stay below one, so neither saturates alone. */
        const int32_t c = el_tflm_saturate16(el_tflm_scale_down(kept, 15) +
                                             el_tflm_scale_down(added, (int8_t)(30 + exponent)));
        const int32_t product = el_tflm_sigmoid_of(z[EL_TFLM_O]) * el_tflm_tanh_of(c, (int8_t)(exponent + 12));
        state->c[u] = (int16_t)c;
        next[u] = (int8_t)el_tflm_clamp(el_tflm_multiply(product, &constants->hidden) + layer->hidden_zero, -128, 127);
    }
    for (uint16_t u = 0; u < layer->units; u++)
        state->h[u] = next[u];
}
