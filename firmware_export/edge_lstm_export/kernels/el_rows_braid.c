#include "el_rows_braid.h"

static inline int32_t el_braid_low24(uint32_t word)
{
    return (int32_t)(word << 8) >> 8;
}

static inline int16_t el_braid_row(int32_t sum, uint32_t multiplier, uint32_t shift)
{
    const int32_t row = (sum * (int32_t)(multiplier & 255)) >> (shift & 255);
    return (int16_t)(row > 32767 ? 32767 : row < -32768 ? -32768 : row);
}

void el_rows_braid(const el_head *head, const int16_t *v, int16_t *y)
{
    const uint32_t *word = (const uint32_t *)head->constants;
    const int16_t *const end = v + head->units;
    uint32_t sum = 0;
    for (const int16_t *code = v; code != end; code++)
        sum += (uint32_t)(int32_t)*code;
    const uint32_t in_u = sum * (128U * 257U), in_a = in_u * 65537U; /* what the 128 in every byte adds */
    for (uint16_t left = head->outputs; left != 0;) {
        uint32_t a = word[0] - in_a, u = word[1] - in_u, b = word[2] - in_a;
        word += 3;
        for (const int16_t *code = v; code != end; code++) {
            const uint32_t p = *word++, c = (uint32_t)(int32_t)*code;
            a += p * c;
            u += (p >> 16) * c;
            b += __builtin_bswap32(p) * c;
        }
        const uint32_t t = a - (u << 16), q = b - (u << 8) - (t << 24);
        const int32_t s2 = el_braid_low24(u - (q << 8));
        const int32_t s3 = (int32_t)(u - (uint32_t)s2) >> 8;
        const uint32_t r = q - (uint32_t)s3 + ((uint32_t)s3 << 16);
        const int32_t s0 = el_braid_low24(t - (r >> 8));
        const int32_t s1 = (int32_t)(t - (uint32_t)s0) >> 8;
        const uint32_t multiplier = word[0], shift = word[1];
        const int16_t rows[4] = {el_braid_row(s0, multiplier, shift), el_braid_row(s1, multiplier >> 8, shift >> 8),
                                 el_braid_row(s2, multiplier >> 16, shift >> 16),
                                 el_braid_row(s3, multiplier >> 24, shift >> 24)};
        word += 2;
        for (const int16_t *row = rows; row != rows + 4 && left != 0; left--)
            *y++ = *row++;
    }
}
