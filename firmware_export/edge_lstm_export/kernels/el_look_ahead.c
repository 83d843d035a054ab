/* See el_look_ahead.h. */
#include "el_look_ahead.h"

static void el_copy_codes(int16_t *to, const int16_t *from, size_t count)
{
    for (size_t k = 0; k < count; k++)
        to[k] = from[k];
}

void el_look_ahead_step(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_look_ahead *both = (const el_look_ahead *)layer->constants;
    const size_t features = layer->features, units = both->forward->units, steps = both->steps;
    int16_t *const x_before = (int16_t *)(void *)(state->c + both->forward->cells); /* (steps, features) */
    int16_t *const h_before = x_before + 2 * (size_t)both->x_words; /* (steps, units) */
    int32_t *const work = (int32_t *)state->work;
    int16_t *const h_back = (int16_t *)(void *)(work + both->backward->cells); /* (units) */
    int16_t *const window = h_back + units; /* (steps + 1, features) */
    el_layer_state forward = *state, backward = *state;

    el_copy_codes(state->h, h_before, units);
    el_copy_codes(h_before, h_before + units, (steps - 1) * units);
    forward.h = h_before + (steps - 1) * units; /* it holds its h of the last step still, and there the new one goes */
    forward.work = backward.work = work + both->work_words;
    both->forward->step(both->forward, &forward, x);

    el_copy_codes(window, x_before, steps * features);
    el_copy_codes(window + steps * features, x, features);
    el_copy_codes(x_before, window + features, steps * features);

    backward.c = work;
    backward.h = h_back;
#ifdef EL_TAP
    backward.tap = state->tap + 8 * units;
#endif
    el_zero(backward.c, both->backward->cells * sizeof *backward.c);
    el_zero(backward.h, units * sizeof *backward.h);
    for (size_t k = steps + 1; k-- != 0;)
        both->backward->step(both->backward, &backward, window + k * features);
    el_copy_codes(state->h + units, h_back, units);
}
