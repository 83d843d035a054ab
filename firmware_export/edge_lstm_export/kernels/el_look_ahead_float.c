/* Two layers as one, one of which looks ahead by some steps, in float32: see el_look_ahead.h.
 *
 * c: that of the forward layer if it is an LSTM, then x and then h of it of the steps before, the oldest first.
 */
#include "el_float_math.h"

static void el_float_copy(float *to, const float *from, size_t count)
{
    for (size_t k = 0; k < count; k++)
        to[k] = from[k];
}

void el_float_look_ahead(const el_float_layer *layer, const el_float_state *state, const float *x)
{
    const el_float_pair *both = layer->pair;
    const size_t features = layer->features, units = both->forward.units, steps = both->steps;
    float *const x_before = state->c + both->carried; /* (steps, features) */
    float *const h_before = x_before + steps * features; /* (steps, units) */
    float *const next = state->next; /* (units) */
    float *const c_back = next + units; /* (units) */
    float *const h_back = c_back + units; /* (units) */
    float *const c_copy = h_back + units; /* (units) */
    el_float_state forward = *state, backward = *state;

    el_float_copy(state->h, h_before, units);
    el_float_copy(h_before, h_before + units, (steps - 1) * units);
    forward.h = h_before + (steps - 1) * units; /* it holds its h of the last step still, and there the new one goes */
    if (both->carried == 0)
        forward.c = c_copy;
    both->forward.step(&both->forward, &forward, x);

    backward.c = c_back;
    backward.h = h_back;
#ifdef EL_TAP
    backward.tap = state->tap + 8 * units;
#endif
    for (size_t u = 0; u < units; u++)
        c_back[u] = h_back[u] = 0.0F;
    both->backward.step(&both->backward, &backward, x);
    for (size_t k = steps; k-- != 0;)
        both->backward.step(&both->backward, &backward, x_before + k * features);
    el_float_copy(state->h + units, h_back, units);

    el_float_copy(x_before, x_before + features, (steps - 1) * features);
    el_float_copy(x_before + (steps - 1) * features, x, features);
}
