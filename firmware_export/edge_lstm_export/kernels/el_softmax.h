/* Probabilities of the outputs of a label model, in integers. */
#ifndef EL_SOFTMAX_H
#define EL_SOFTMAX_H

#include "el_port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* codes (count) in steps of 2^-logit_bits -> probabilities (count), Q0.15; logit_bits -2..29. */
void el_softmax_of(const int16_t *codes, uint16_t count, int8_t logit_bits, uint16_t *probabilities);

#ifdef __cplusplus
}
#endif

#endif
