/* The figures are those of edge_lstm/arithmetic/softmax.py: log2(e) with 14 fraction bits, exponents with 12, 2^-x at every
 * 1/32 and straight between. */
#include "el_softmax.h"

static const uint16_t el_powers[33] EL_FLASH = {
    32768, 32066, 31379, 30706, 30048, 29405, 28774, 28158, 27554, 26964, 26386, 25821, 25268, 24726, 24196, 23678, 23170,
    22674, 22188, 21713, 21247, 20792, 20347, 19911, 19484, 19066, 18658, 18258, 17867, 17484, 17109, 16743, 16384,
};

/* 2^-t, Q0.15; t has 12 fraction bits. */
static uint16_t el_power(uint32_t t)
{
    const uint32_t whole = t >> 12;
    const uint16_t at = (uint16_t)((t >> 7) & 31U), within = (uint16_t)(t & 127U);
    const uint16_t start = EL_LOAD_U16(el_powers + at), end = EL_LOAD_U16(el_powers + at + 1);
    const uint32_t drop = ((uint32_t)(uint16_t)(start - end) * within) >> 7;
    if (whole > 15)
        return 0;
    return (uint16_t)((start - drop) >> whole);
}

void el_softmax_of(const int16_t *codes, uint16_t count, int8_t logit_bits, uint16_t *probabilities)
{
    int16_t most = codes[0];
    uint32_t total = 0;
    for (uint16_t k = 1; k < count; k++)
        most = codes[k] > most ? codes[k] : most;
    for (uint16_t k = 0; k < count; k++) {
        const uint32_t below = (uint32_t)((int32_t)most - codes[k]);
        probabilities[k] = el_power((uint32_t)(below * 23637U) >> (logit_bits + 2));
        total += probabilities[k];
    }
    for (uint16_t k = 0; k < count; k++)
        probabilities[k] = (uint16_t)((((uint32_t)probabilities[k] << 15) + (total >> 1)) / total);
}
