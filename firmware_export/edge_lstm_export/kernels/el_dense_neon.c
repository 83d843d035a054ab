/* Dense layer before, between or behind recurrent ones. */
#include "el_neon_dense.h"

void el_dense_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    el_dense_over(layer, state, x, (int16_t *)state->work);
}
