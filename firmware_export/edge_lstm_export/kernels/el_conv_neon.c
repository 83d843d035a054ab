/* Causal convolution over time, of stride 1. */
#include "el_conv.h"
#include "el_neon_dense.h"

void el_conv_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_gated *const cell = (const el_gated *)layer->constants;
    int16_t *const window = (int16_t *)state->work; /* (columns), then as of a dense layer */
    el_slide(layer, state, x, window);
    el_dense_over(layer, state, window, window + cell->over_x->units);
}
