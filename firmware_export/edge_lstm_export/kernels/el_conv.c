/* Causal convolution over time, of stride 1. */
#include "el_conv.h"
#include "el_dense.h"

void el_conv(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_gated *cell = (const el_gated *)layer->constants;
    int16_t *const window = (int16_t *)state->work; /* (columns), then the rows over it */
    el_slide(layer, state, x, window);
    el_dense_over(layer, state, window, window + cell->over_x->units);
}
