#include "el_float.h"

/* State in memory: cell (cells), hidden (units), the taps if compiled in, then scratch (widest).
 * Layers lie one after the other in each part. */
static el_float_state el_float_first_layer(const el_float_net *net, void *memory)
{
    el_float_state state;
    state.c = (float *)memory;
    state.h = state.c + net->cells;
    state.next = state.h + net->units;
#ifdef EL_TAP
    state.tap = state.next;
    state.next += 8 * net->units;
#endif
    return state;
}

static void el_float_next_layer(el_float_state *state, const el_float_layer *layer)
{
    state->c += layer->cells;
    state->h += layer->units;
#ifdef EL_TAP
    state->tap += 8 * layer->units;
#endif
}

static void el_float_apply_head(const el_float_net *net, const float *h, uint16_t units, float *y)
{
    const float *weights = net->head_weights;
    for (uint16_t row = 0; row < net->outputs; row++) {
        float sum = EL_LOAD_F32(net->head_bias + row);
        for (uint16_t k = 0; k < units; k++, weights++)
            sum += h[k] * EL_LOAD_F32(weights);
        y[row] = sum;
    }
}

void el_float_step(const el_float_net *net, void *state, const float *x, float *y)
{
    el_float_state layer_state = el_float_first_layer(net, state);
    const el_float_layer *layer = net->layers, *const end = layer + net->layer_count;
    uint16_t width = 0;
    for (; layer != end; layer++) {
        layer->step(layer, &layer_state, x);
        x = layer_state.h;
        width = layer->units;
        el_float_next_layer(&layer_state, layer);
    }
    if (y != NULL)
        el_float_apply_head(net, x, width, y);
}

void el_float_run(const el_float_net *net, void *state, const float *x, uint32_t steps, float *y)
{
    for (; steps != 0; steps--) {
        el_float_step(net, state, x, y);
        x += net->channels;
        if (y != NULL)
            y += net->outputs;
    }
}

void el_float_reset(const el_float_net *net, void *state)
{
    el_float_state all = el_float_first_layer(net, state);
    for (float *value = all.c; value != all.h + net->units; value++)
        *value = 0.0F;
}

void el_float_scale(const el_float_scaler *scaler, const float *physical, float *scaled)
{
    for (uint16_t k = 0; k < scaler->count; k++)
        scaled[k] = (physical[k] - EL_LOAD_F32(scaler->offset + k)) * EL_LOAD_F32(scaler->gain + k);
}

void el_float_unscale(const el_float_scaler *scaler, const float *scaled, float *physical)
{
    for (uint16_t k = 0; k < scaler->count; k++)
        physical[k] = scaled[k] * EL_LOAD_F32(scaler->gain + k) + EL_LOAD_F32(scaler->offset + k);
}

uint16_t el_float_argmax(const float *values, uint16_t count)
{
    uint16_t best = 0;
    for (uint16_t k = 1; k < count; k++)
        if (values[k] > values[best])
            best = k;
    return best;
}
