/* Dense head, MVE: int8 weights, int16 hidden state, int16 outputs of one common step. */
#include "el_mve.h"

/* acc + the sum over weights * h (units); lanes beyond the last unit do nothing, so nothing is padded. */
static inline int32_t el_mve_dot(int32_t acc, const int8_t *weights, const int16_t *h, uint32_t units)
{
    register int32_t sum __asm__("r2") = acc; /* VMLADAVA takes even registers only */
    __asm__ volatile("dlstp.16 lr, %[units]\n"
                     "1: vldrh.u16 q0, [%[h]], #16\n"
                     "vldrb.s16 q1, [%[weights]], #8\n"
                     "vmladava.s16 %[sum], q0, q1\n"
                     "letp lr, 1b\n"
                     : [sum] "+r"(sum), [weights] "+l"(weights), [h] "+r"(h)
                     : [units] "r"(units)
                     : "lr", "q0", "q1", "memory");
    return sum;
}

static inline int16_t el_mve_saturate16(int32_t v)
{
    int32_t clamped;
    __asm__("ssat %0, #16, %1" : "=r"(clamped) : "r"(v));
    return (int16_t)clamped;
}

void el_head_mve(const el_head *head, const int16_t *h, int16_t *y)
{
    const el_rows *rows = (const el_rows *)head->constants;
    const int8_t *weights = rows->weights;
    for (uint16_t row = 0; row < head->outputs; row++) {
        const int32_t acc = el_mve_dot(rows->bias[row], weights, h, head->units);
        y[row] = el_mve_saturate16(el_requantise(acc, rows, row));
        weights += head->units;
    }
}
