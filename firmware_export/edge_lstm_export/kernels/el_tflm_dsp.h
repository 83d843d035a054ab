/* What el_lstm_tflm_dsp.h, which is included once a layer, needs once. */
#ifndef EL_TFLM_DSP_H
#define EL_TFLM_DSP_H

#include "el_tflm_math.h"

/* Constants of a layer. The first four are loaded as one, once a unit. */
typedef struct {
    int32_t spread;         /* part * 65535 + 512 is the halfwords 512 - part, part */
    int32_t whole;          /* 512, the width of an entry */
    int32_t half;           /* 1/2 and the rounding of sigmoid */
    const int16_t *sigmoid; /* entry of 0; named here, for a linker does not see what assembly names */
    const int32_t *stream;  /* see el_lstm_tflm_dsp.h */
} el_tflm_dsp_constants;

#define EL_TFLM_DSP_CONSTANTS(stream) {65535L, 512, (16384L << 10) + 511, el_tflm_sigmoid + 256, stream}

/* Members where the assembly finds them. */
typedef char el_tflm_dsp_needs_members[offsetof(el_tflm_lstm, constants) == 4 && offsetof(el_tflm_lstm_state, c) == 0 &&
                                               offsetof(el_tflm_lstm_state, h) == 4 &&
                                               offsetof(el_tflm_lstm_state, work) == 8 &&
                                               offsetof(el_tflm_dsp_constants, stream) == 16
                                           ? 1
                                           : -1];

#endif
