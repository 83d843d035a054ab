/* Causal convolution over time, of stride 1. c holds the codes of the steps before, the oldest first. */
#include "el_dense.h"

void el_conv(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_gated *cell = (const el_gated *)layer->constants;
    const uint16_t columns = cell->over_x->units, features = layer->features;
    int16_t *const before = (int16_t *)(void *)state->c; /* (columns - features) */
    int16_t *const window = (int16_t *)state->work;      /* (columns) */
    for (uint16_t k = 0; k < columns - features; k++)
        window[k] = before[k];
    for (uint16_t k = 0; k < features; k++)
        window[columns - features + k] = x[k];
    for (uint16_t k = features; k < columns; k++)
        before[k - features] = window[k];
    el_dense_over(layer, state, window, window + columns);
}
