/* sigmoid and tanh of the native arithmetic for eight or sixteen lanes at once; the numbers of el_sigmoid.h. */
#ifndef EL_NEON_SIGMOID_H
#define EL_NEON_SIGMOID_H

#include <arm_neon.h>

#include "el_sigmoid.h"

#ifdef __aarch64__

/* The segments of el_sigmoid_segments byte by byte, as TBL looks them up: 64 entries in four registers. z >= 0, then
 * z < 0; slopes of z < 0 are the mirror image. */
#ifdef __cplusplus
extern "C" {
#endif

extern const uint8_t el_base_low[128];
extern const uint8_t el_base_high[128];
extern const uint8_t el_slope_low[64];
extern const uint8_t el_slope_high[64];

#ifdef __cplusplus
}
#endif

static inline uint8x16_t el_look_up(const uint8_t *table, uint8x16_t index)
{
    return vqtbl4q_u8(vld1q_u8_x4(table), index);
}

/* Of 128 entries: `upper` is 0..63 for the first half, `lower` for the second; each is out of range for the other. */
static inline uint8x16_t el_look_up_long(const uint8_t *table, uint8x16_t upper, uint8x16_t lower)
{
    return vqtbx4q_u8(el_look_up(table, upper), vld1q_u8_x4(table + 64), lower);
}

/* base + (slope * (z & 511) >> 9), z's low bits being moved to where SQDMULH shifts by that. */
static inline int16x8_t el_along(uint8x16_t base, uint8x16_t slope, int16x8_t z)
{
    const int16x8_t fraction = vbicq_s16(vshlq_n_s16(z, 6), vdupq_n_s16(-32768));
    return vaddq_s16(vreinterpretq_s16_u8(base), vqdmulhq_s16(vreinterpretq_s16_u8(slope), fraction));
}

/* z Q3.12 -> sigmoid(z) Q0.15, in place. A segment is 512 codes of z wide: its number is in the high byte. */
static inline void el_sigmoid_twice(int16x8_t *a, int16x8_t *b)
{
    const int8x16_t high = vuzp2q_s8(vreinterpretq_s8_s16(*a), vreinterpretq_s8_s16(*b));
    const int8x16_t signed_index = vshrq_n_s8(high, 1);
    const uint8x16_t upper = vreinterpretq_u8_s8(signed_index), lower = vaddq_u8(upper, vdupq_n_u8(64));
    const uint8x16_t mirrored = vreinterpretq_u8_s8(veorq_s8(signed_index, vshrq_n_s8(high, 7)));
    const uint8x16_t base_low = el_look_up_long(el_base_low, upper, lower);
    const uint8x16_t base_high = el_look_up_long(el_base_high, upper, lower);
    const uint8x16_t slope_low = el_look_up(el_slope_low, mirrored), slope_high = el_look_up(el_slope_high, mirrored);
    *a = el_along(vzip1q_u8(base_low, base_high), vzip1q_u8(slope_low, slope_high), *a);
    *b = el_along(vzip2q_u8(base_low, base_high), vzip2q_u8(slope_low, slope_high), *b);
}

static inline int16x8_t el_sigmoid_once(int16x8_t z)
{
    int16x8_t unused = z;
    el_sigmoid_twice(&z, &unused);
    return z;
}

#else

/* Segment k of each lane, a word: base below, slope above. */
static inline int16x8x2_t el_segments(int16x8_t k)
{
    const uint32_t *const table = (const uint32_t *)(const void *)el_sigmoid_segments + 64;
    uint32x4_t a = vld1q_dup_u32(table + vgetq_lane_s16(k, 0)), b = vld1q_dup_u32(table + vgetq_lane_s16(k, 4));
    a = vld1q_lane_u32(table + vgetq_lane_s16(k, 1), a, 1);
    a = vld1q_lane_u32(table + vgetq_lane_s16(k, 2), a, 2);
    a = vld1q_lane_u32(table + vgetq_lane_s16(k, 3), a, 3);
    b = vld1q_lane_u32(table + vgetq_lane_s16(k, 5), b, 1);
    b = vld1q_lane_u32(table + vgetq_lane_s16(k, 6), b, 2);
    b = vld1q_lane_u32(table + vgetq_lane_s16(k, 7), b, 3);
    return vuzpq_s16(vreinterpretq_s16_u32(a), vreinterpretq_s16_u32(b));
}

static inline int16x8_t el_sigmoid_once(int16x8_t z)
{
    const int16x8x2_t segment = el_segments(vshrq_n_s16(z, 9));
    const int16x8_t fraction = vbicq_s16(vshlq_n_s16(z, 6), vdupq_n_s16(-32768));
    return vaddq_s16(segment.val[0], vqdmulhq_s16(segment.val[1], fraction));
}

/* z Q3.12 -> sigmoid(z) Q0.15, in place. */
static inline void el_sigmoid_twice(int16x8_t *a, int16x8_t *b)
{
    *a = el_sigmoid_once(*a);
    *b = el_sigmoid_once(*b);
}

#endif

#endif
