#include "el_native.h"

/* State in memory: cell (units) int32, hidden (units) int16, scratch (widest) int16, then the taps if compiled in.
 * Layers lie one after the other in each part. */
static el_lstm_state el_first_layer(const el_net *net, void *memory)
{
    unsigned char *const base = (unsigned char *)memory;
    el_lstm_state state;
    state.c = (int32_t *)memory;
    state.h = (int16_t *)(void *)(base + net->units * sizeof(int32_t));
    state.next = state.h + net->units;
#ifdef EL_TAP
    state.tap = state.next + net->widest;
#endif
    return state;
}

static void el_next_layer(el_lstm_state *state, uint16_t units)
{
    state->c += units;
    state->h += units;
#ifdef EL_TAP
    state->tap += 8 * units;
#endif
}

/* y (outputs) = sat16 of the head's rows over h (units). */
static void el_apply_head(const el_net *net, const int16_t *h, uint16_t units, int16_t *y)
{
    const el_rows *head = &net->head;
    const int8_t *weights = head->weights;
    for (uint16_t row = 0; row < net->outputs; row++) {
        int32_t acc = EL_LOAD_I32(head->bias + row);
        for (uint16_t k = 0; k < units; k++, weights++)
            acc += (int32_t)h[k] * EL_LOAD_I8(weights);
        acc = (acc * EL_LOAD_U8(head->multiplier + row)) >> EL_LOAD_U8(head->shift + row);
        y[row] = (int16_t)(acc > 32767 ? 32767 : acc < -32768L ? -32768L : acc);
    }
}

void el_net_step(const el_net *net, void *state, const int16_t *x, int16_t *y)
{
    el_lstm_state layer_state = el_first_layer(net, state);
    const el_lstm *layer = net->layers, *const end = layer + net->layer_count;
    uint16_t width = 0;
    for (; layer != end; layer++) {
        layer->step(layer, &layer_state, x);
        x = layer_state.h;
        width = layer->units;
        el_next_layer(&layer_state, width);
    }
    if (y != NULL)
        el_apply_head(net, x, width, y);
}

void el_net_run(const el_net *net, void *state, const int16_t *x, uint32_t steps, int16_t *y)
{
    for (; steps != 0; steps--) {
        el_net_step(net, state, x, y);
        x += net->channels;
        if (y != NULL)
            y += net->outputs;
    }
}

void el_net_reset(const el_net *net, void *state)
{
    el_zero(state, net->units * (sizeof(int32_t) + sizeof(int16_t)));
}
