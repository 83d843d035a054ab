/* What a convolution over time is over: the codes of this step and of those before, which c holds, the oldest first. */
#ifndef EL_CONV_H
#define EL_CONV_H

#include "el_gated.h"

/* Moves window (columns) and c on to the step of x. */
static inline void el_slide(const el_layer *layer, const el_layer_state *state, const int16_t *x, int16_t *window)
{
    const el_gated *cell = (const el_gated *)layer->constants;
    const uint16_t columns = cell->over_x->units, features = layer->features;
    int16_t *const before = (int16_t *)(void *)state->c; /* (columns - features) */
    for (uint16_t k = 0; k < columns - features; k++)
        window[k] = before[k];
    for (uint16_t k = 0; k < features; k++)
        window[columns - features + k] = x[k];
    for (uint16_t k = features; k < columns; k++)
        before[k - features] = window[k];
}

#endif
