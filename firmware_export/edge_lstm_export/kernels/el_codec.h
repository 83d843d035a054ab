/* Physical units in, codes out, and back: the only floating point around an integer network. */
#ifndef EL_CODEC_H
#define EL_CODEC_H

#include "el_port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* code = clamp(floor((x - offset) * gain + 1/2) + zero, low, high), every operation rounded to binary32. */
typedef struct {
    const float *offset; /* (channels) physical unit */
    const float *gain;   /* (channels) codes to the physical unit */
    const int16_t *low;  /* (channels) */
    const int16_t *high; /* (channels) */
    int16_t zero;
    uint16_t channels;
} el_encoder;

/* value = (code - zero) * gain + offset. */
typedef struct {
    const float *gain;   /* (outputs) */
    const float *offset; /* (outputs) */
    int16_t zero;
    uint16_t outputs;
} el_decoder;

/* Infinities and numbers out of range give the limit on their side; NaN gives the low limit. */
void el_encode_with(const el_encoder *encoder, const float *physical, int16_t *codes);
void el_decode_with(const el_decoder *decoder, const int16_t *codes, float *values);
uint16_t el_argmax_of(const int16_t *codes, uint16_t count);

#ifdef __cplusplus
}
#endif

#endif
