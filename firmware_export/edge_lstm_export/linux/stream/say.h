/* Predictions as text, as JSON, and as bytes. */
#ifndef EL_SAY_H
#define EL_SAY_H

#include "prediction.h"

/* Writes a prediction at `to`, which has room for EL_SAID_BYTES; gives the bytes. */
typedef size_t el_say(char *to, const el_prediction *prediction);

/* A line for people, and a line that is a JSON object. */
el_say el_say_text, el_say_json;

/* Little-endian, without gaps: step, uint32 (modulo 2^32) | probabilities of the labels or physical values, (outputs)
 * float32; of an anomaly model then: score, float32, NaN at the first step | anomaly, uint32, 0 or 1. */
el_say el_say_binary;

#endif
