/* Two layers as one, one of which looks ahead by some steps (arithmetic "native"). It gives, at step t, h of the forward layer
 * after step t - steps beside h of the backward one after steps t, t - 1, ... t - steps from a zero state. */
#ifndef EL_LOOK_AHEAD_H
#define EL_LOOK_AHEAD_H

#include "el_native.h"

typedef struct {
    const el_layer *forward;
    const el_layer *backward;
    uint16_t steps;
    uint16_t x_words;    /* of c that hold x of the steps before */
    uint16_t work_words; /* of the scratch, before that of the two layers */
} el_look_ahead;

#ifdef __cplusplus
extern "C" {
#endif

/* layer->constants: an el_look_ahead. c: that of the forward layer, then x and then h of it of the steps before, the oldest
 * first. Scratch: c and h of the backward layer, x of all steps, then that of the two layers. */
void el_look_ahead_step(const el_layer *layer, const el_layer_state *state, const int16_t *x);

#ifdef __cplusplus
}
#endif

#endif
