/* The rounding of TensorFlow Lite Micro, as edge_lstm/arithmetic/fused.py writes it. */
#ifndef EL_TFLM_MATH_H
#define EL_TFLM_MATH_H

#include "el_tflm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* sigmoid on both sides of 0: entry 256 + k is about 65536 sigmoid(k / 24) - 32768. */
extern const int16_t el_tflm_sigmoid[513];

#ifdef __cplusplus
}
#endif

static inline int32_t el_tflm_clamp(int32_t v, int32_t low, int32_t high)
{
    return v < low ? low : v > high ? high : v;
}

static inline int32_t el_tflm_saturate16(int32_t v)
{
    return el_tflm_clamp(v, -32768L, 32767);
}

/* v / 2^bits, ties away from zero. */
static inline int32_t el_tflm_shift_right(int32_t v, uint8_t bits)
{
    return bits == 0 ? v : (v - (v < 0) + ((int32_t)1 << (bits - 1))) >> bits;
}

/* Rounded twice: in the product and in the shift. The exporter keeps |v| * 2^shift below 2^30. */
static inline int32_t el_tflm_multiply(int32_t v, const el_tflm_multiplier *by)
{
    const int32_t lifted = by->shift > 0 ? v * ((int32_t)1 << by->shift) : v;
    const int32_t high = (int32_t)(((int64_t)lifted * by->mantissa + ((int64_t)1 << 30)) >> 31);
    return el_tflm_shift_right(high, (uint8_t)(by->shift < 0 ? -by->shift : 0));
}

/* The table at v, whose low 9 bits interpolate; in 512ths. */
static inline int32_t el_tflm_interpolate(int32_t v)
{
    const int16_t *const below = el_tflm_sigmoid + 256 + (v >> 9);
    const int32_t part = v & 511;
    return (512 - part) * EL_LOAD_I16(below) + part * EL_LOAD_I16(below + 1);
}

/* z Q3.12 -> sigmoid(z) Q0.15. Below zero the half rounds down, as the mirror image of the half above. */
static inline int32_t el_tflm_sigmoid_of(int32_t z)
{
    return ((el_tflm_interpolate(3 * z) + 511 + (z >= 0)) >> 10) + 16384;
}

/* v of scale 2^(shift - 12) -> tanh(v) Q0.15. sigmoid is read at twice the argument. */
static inline int32_t el_tflm_tanh_of(int32_t v, int8_t shift)
{
    int32_t scaled = 3 * v;
    if (shift < 0)
        scaled = (scaled + ((int32_t)1 << (-shift - 1))) >> -shift;
    else
        scaled *= (int32_t)1 << shift;
    scaled = el_tflm_clamp(scaled, -65536L, 65535L);
    return (el_tflm_interpolate(2 * scaled) + 255 + (scaled >= 0)) >> 9;
}

#endif
