/* sigmoid and tanh of the native arithmetic, from 128 straight segments. */
#ifndef EL_SIGMOID_H
#define EL_SIGMOID_H

#include "el_port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* (128, 2): base and slope of each segment, Q0.15. */
extern const uint16_t el_sigmoid_segments[256];

#ifdef __cplusplus
}
#endif

/* z Q3.12 in -32768..32767 -> sigmoid(z) Q0.15 in 0..32756. A segment is 512 codes of z wide. */
static inline int32_t el_sigmoid(int32_t z)
{
    const uint16_t u = (uint16_t)(z + 32768L);
    const uint16_t *segment = &el_sigmoid_segments[2 * (u >> 9)];
    const uint32_t rise = (uint32_t)EL_LOAD_U16(segment + 1) * (u & 511U);
    return (int32_t)(EL_LOAD_U16(segment) + (rise >> 9));
}

/* z Q3.12 -> tanh(z / 2) Q0.15: tanh(y) = 2 sigmoid(2 y) - 1, so callers pass twice the argument. */
static inline int32_t el_tanh_of_half(int32_t z)
{
    return 2 * el_sigmoid(z) - 32768L;
}

#endif
