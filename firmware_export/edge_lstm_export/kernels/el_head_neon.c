/* Dense head: int16 weights and codes, eight products at a time. */
#include <arm_neon.h>

#include "el_neon.h"

static inline int32_t el_sum_lanes(int32x4_t v)
{
    const int32x2_t pairs = vadd_s32(vget_low_s32(v), vget_high_s32(v));
    return vget_lane_s32(vpadd_s32(pairs, pairs), 0);
}

void el_head_neon(const el_head *head, const int16_t *h, int16_t *y)
{
    const el_neon_head *rows = (const el_neon_head *)head->constants;
    const int16_t *weights = rows->weights;
    for (uint32_t row = 0; row < head->outputs; row++) {
        int32x4_t low = vdupq_n_s32(0), high = low;
        uint32_t k = 0;
        for (; k + 8 <= head->units; k += 8, weights += 8) {
            const int16x8_t w = vld1q_s16(weights), codes = vld1q_s16(h + k);
            low = vmlal_s16(low, vget_low_s16(w), vget_low_s16(codes));
            high = vmlal_s16(high, vget_high_s16(w), vget_high_s16(codes));
        }
        int32_t sum = rows->bias[row] + el_sum_lanes(vaddq_s32(low, high));
        for (; k < head->units; k++)
            sum += *weights++ * h[k];
        const int32_t z = (sum * rows->multiplier[row]) >> rows->shift[row];
        y[row] = (int16_t)(z > 32767 ? 32767 : z < -32768 ? -32768 : z);
    }
}
