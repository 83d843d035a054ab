/* Does this device compute what the reference computed? A few steps from the zero state, some of them saturating. */
#ifndef EL_SELF_TEST_H
#define EL_SELF_TEST_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 1 if every output code, and at the end every bit of the state, is as it must be. The state is used and left zero. */
uint8_t el_self_test(el_state *state);

/* By which a host knows the model: its arithmetic (1 native, 2 tflm), then 8 bytes of the sha256 of its file. */
#define EL_MODEL_ID_BYTES 9
extern const uint8_t el_model_id[EL_MODEL_ID_BYTES];

#ifdef __cplusplus
}
#endif

#endif
