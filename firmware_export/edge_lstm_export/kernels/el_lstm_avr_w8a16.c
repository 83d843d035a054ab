/* LSTM layer on AVR, int8 weights and int16 activations: x and h side by side in the scratch. */
#include "el_avr.h"

/* r25:r24 codes from X to Z, added to r10:r9:r8. */
#define COPY                                                                                                           \
    "1:\n"                                                                                                             \
    EL_ASM(ld r20, X+)                                                                                                 \
    EL_ASM(ld r21, X+)                                                                                                 \
    EL_ASM(st Z+, r20)                                                                                                 \
    EL_ASM(st Z+, r21)                                                                                                 \
    EL_AVR_SUM_CODE                                                                                                    \
    EL_ASM(sbiw r24, 1)                                                                                                \
    EL_ASM(brne 1b)

#define SIGMOID(low, middle, high, gate)                                                                               \
    EL_AVR_REQUANTISE(low, middle, high)                                                                               \
    EL_ASM(rcall 70f)                                                                                                  \
    EL_ASM(movw gate, r24)

#define CODES EL_AVR_KEPT /* in the scratch */

EL_NAKED void el_lstm_avr_w8a16(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    __asm__(
        EL_AVR_ENTER
        EL_ASM(movw r12, r24)
        EL_ASM(add r12, r18)
        EL_ASM(adc r13, r19)
        EL_ASM(movw r30, r28)
        EL_ASM(adiw r30, CODES)
        EL_ASM(clr r8)
        EL_ASM(clr r9)
        EL_ASM(clr r10)
        COPY
        EL_ASM(movw r26, r6)
        EL_ASM(movw r24, r18)
        COPY
        EL_ASM(sbrc r12, 0)
        EL_ASM(st Z+, r15)
        EL_ASM(sbrc r12, 0)
        EL_ASM(st Z, r15)
        EL_AVR_COLUMNS(EL_AVR_BLOCK)
        EL_ASM(movw r30, r4)
        "3:\n"
        EL_ASM(movw r26, r28)
        EL_ASM(adiw r26, CODES)
        EL_AVR_ROWS(EL_AVR_BLOCK, EL_AVR_COLUMN EL_AVR_COLUMN)
        SIGMOID(r2, r3, r4, r2)
        SIGMOID(r5, r6, r7, r6)
        SIGMOID(r8, r9, r10, r8)
        SIGMOID(r11, r12, r13, r12)
        EL_AVR_UPDATE
        EL_AVR_NEXT
        EL_AVR_LEAVE
        EL_AVR_CALLED
        : : [segments] "i"(el_sigmoid_segments));
}
