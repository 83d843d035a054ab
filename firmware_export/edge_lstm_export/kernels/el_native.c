#include "el_native.h"

static size_t el_kept_bytes(const el_net *net)
{
    return net->cells * sizeof(int32_t) + net->units * sizeof(int16_t);
}

/* State in memory: cell (cells) int32, hidden (units) int16, the taps if compiled in, then scratch where an int32 may
 * lie. Layers lie one after the other in each part; the scratch is shared. */
static el_layer_state el_first_layer(const el_net *net, void *memory)
{
    el_layer_state state;
    size_t bytes = el_kept_bytes(net);
    state.c = (int32_t *)memory;
    state.h = (int16_t *)(void *)(state.c + net->cells);
#ifdef EL_TAP
    state.tap = state.h + net->units;
    bytes += 8 * net->units * sizeof(int16_t);
#endif
    state.work = el_words_behind(memory, bytes);
    return state;
}

static void el_next_layer(el_layer_state *state, const el_layer *layer)
{
    state->c += layer->cells;
    state->h += layer->units;
#ifdef EL_TAP
    state->tap += 8 * layer->units;
#endif
}

void el_net_step(const el_net *net, void *state, const int16_t *x, int16_t *y)
{
    el_layer_state layer_state = el_first_layer(net, state);
    const el_layer *layer = net->layers, *const end = layer + net->layer_count;
    for (; layer != end; layer++) {
        layer->step(layer, &layer_state, x);
        x = layer_state.h;
        el_next_layer(&layer_state, layer);
    }
    if (y != NULL)
        net->head->apply(net->head, x, y);
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
    el_zero(state, el_kept_bytes(net));
}
