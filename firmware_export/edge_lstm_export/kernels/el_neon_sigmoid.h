/* sigmoid and tanh of the native arithmetic for eight or sixteen lanes at once; the numbers of el_sigmoid.h. */
#ifndef EL_NEON_SIGMOID_H
#define EL_NEON_SIGMOID_H

#include <arm_neon.h>

#include "el_sigmoid.h"

#ifdef __aarch64__

/* The segments of el_sigmoid_segments byte by byte, as TBL looks them up: 64 entries in four registers. */
static const uint8_t el_base_low[128] = { /* z >= 0, then z < 0 */
    1, 0, 248, 223, 176, 99, 243, 91, 152, 166, 131, 48, 171, 245, 17, 255,
    194, 92, 207, 31, 77, 93, 82, 44, 240, 159, 59, 198, 65, 175, 16, 103,
    180, 248, 52, 106, 153, 195, 232, 9, 37, 63, 86, 106, 123, 139, 153, 165,
    176, 185, 193, 201, 207, 213, 218, 223, 227, 230, 233, 236, 238, 241, 242, 244,
    11, 13, 15, 16, 19, 21, 24, 27, 30, 34, 39, 44, 50, 56, 64, 72,
    81, 92, 104, 118, 134, 151, 171, 194, 220, 248, 25, 62, 104, 151, 205, 9,
    77, 154, 240, 82, 192, 59, 198, 98, 17, 212, 175, 163, 180, 226, 50, 165,
    63, 2, 240, 11, 86, 209, 126, 91, 105, 166, 14, 158, 82, 34, 10, 1,
};
static const uint8_t el_base_high[128] = { /* the same */
    64, 68, 71, 75, 79, 83, 86, 90, 93, 96, 99, 102, 104, 106, 109, 110,
    112, 114, 115, 117, 118, 119, 120, 121, 121, 122, 123, 123, 124, 124, 125, 125,
    125, 125, 126, 126, 126, 126, 126, 127, 127, 127, 127, 127, 127, 127, 127, 127,
    127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2,
    2, 2, 2, 3, 3, 4, 4, 5, 6, 6, 7, 8, 9, 10, 12, 13,
    15, 17, 18, 21, 23, 25, 28, 31, 34, 37, 41, 44, 48, 52, 56, 60,
};
static const uint8_t el_slope_low[64] = { /* z >= 0; z < 0 is its mirror image */
    255, 247, 231, 208, 179, 144, 104, 60, 14, 222, 172, 123, 75, 28, 238, 195,
    154, 116, 80, 47, 16, 244, 219, 196, 175, 156, 139, 124, 110, 98, 87, 77,
    68, 60, 53, 47, 42, 37, 33, 29, 26, 23, 20, 18, 16, 14, 12, 11,
    9, 8, 7, 7, 6, 5, 4, 4, 4, 3, 3, 2, 2, 2, 2, 1,
};
static const uint8_t el_slope_high[64] = { /* the same */
    3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 1, 1,
    1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};

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
