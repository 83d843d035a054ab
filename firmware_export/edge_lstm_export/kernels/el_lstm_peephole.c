/* LSTM layer with peepholes: i and f see the cell, o the new one. */
#include "el_lstm_peephole.h"
#include "el_lstm_native.h"

/* Rows and what p shows of c -> pre-activation, Q3.12. p c is taken by halves: 16 x 15 bits above, 16 x 16 below. */
static int32_t el_seeing(const el_peepholes *cell, int32_t rows, int32_t p, int32_t c)
{
    const int32_t below = p * (int32_t)((uint32_t)c & 0xffffUL);
    const int32_t product = p * (c >> 16) + (below >> 16) + ((int32_t)1 << (cell->shift - 1));
    return el_saturate16(rows * ((int32_t)1 << cell->rows.scale_bits) + (product >> cell->shift));
}

void el_lstm_peephole(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_peepholes *cell = (const el_peepholes *)layer->constants;
    const el_gated *rows = &cell->rows;
    const uint16_t units = layer->units;
    int16_t *const a = (int16_t *)state->work, *const d = a + EL_GATES * units; /* (4, units) each: i f g o */
    rows->over_x->apply(rows->over_x, x, a);
    rows->over_h->apply(rows->over_h, state->h, d);
    for (uint16_t u = 0; u < units; u++) {
        const int16_t *const p = cell->peephole + u;
        int32_t sum[EL_GATES];
        for (uint8_t gate = 0; gate < EL_GATES; gate++)
            sum[gate] = a[gate * units + u] + (int32_t)d[gate * units + u];
        const int32_t z_i = el_seeing(cell, sum[EL_I], EL_LOAD_I16(p), state->c[u]), i = el_sigmoid(z_i);
        const int32_t z_f = el_seeing(cell, sum[EL_F], EL_LOAD_I16(p + units), state->c[u]), f = el_sigmoid(z_f);
        const int32_t z_g = el_gated_z(rows, 2 * sum[EL_G]), g = el_tanh_of_half(z_g);
        state->c[u] = el_update_cell(f, state->c[u], i, g);
        const int32_t z_o = el_seeing(cell, sum[EL_O], EL_LOAD_I16(p + 2 * units), state->c[u]), o = el_sigmoid(z_o);
        const int32_t h = el_update_hidden(o, state->c[u], layer->hidden_bits);
        el_gated_tap(layer, state, u, EL_I, z_i, i);
        el_gated_tap(layer, state, u, EL_F, z_f, f);
        el_gated_tap(layer, state, u, EL_G, z_g, g);
        el_gated_tap(layer, state, u, EL_O, z_o, o);
        state->h[u] = (int16_t)(!rows->narrow ? h : h > 127 ? 127 : h < -128 ? -128 : h);
    }
}
