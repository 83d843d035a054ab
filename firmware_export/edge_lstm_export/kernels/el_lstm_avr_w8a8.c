/* LSTM layer on AVR, int8 weights and 8-bit activations: a block of rows over x and a block over h, both in the
 * scratch, a byte a code with 128 added, so that products are unsigned. What that adds is taken off the biases. */
#include "el_avr.h"

#define WEIGHT(low, middle, high)                                                                                      \
    EL_ASM(lpm r22, Z+)                                                                                                \
    EL_ASM(mul r22, r20)                                                                                               \
    EL_ASM(add low, r0)                                                                                                \
    EL_ASM(adc middle, r1)                                                                                             \
    EL_ASM(adc high, r15)

#define COLUMN                                                                                                         \
    EL_ASM(ld r20, X+)                                                                                                 \
    WEIGHT(r2, r3, r4)                                                                                                 \
    WEIGHT(r5, r6, r7)                                                                                                 \
    WEIGHT(r8, r9, r10)                                                                                                \
    WEIGHT(r11, r12, r13)

/* r25:r24 codes from X to Z, and behind them what makes columns even if it has to; r13:r12 their number, r10:r9:r8
 * their sum. */
#define COPY                                                                                                           \
    EL_ASM(movw r12, r24)                                                                                              \
    EL_ASM(clr r8)                                                                                                     \
    EL_ASM(clr r9)                                                                                                     \
    EL_ASM(clr r10)                                                                                                    \
    "1:\n"                                                                                                             \
    EL_ASM(ld r20, X+)                                                                                                 \
    EL_ASM(adiw r26, 1)                                                                                                \
    EL_ASM(subi r20, 0x80)                                                                                             \
    EL_ASM(st Z+, r20)                                                                                                 \
    EL_ASM(add r8, r20)                                                                                                \
    EL_ASM(adc r9, r15)                                                                                                \
    EL_ASM(adc r10, r15)                                                                                               \
    EL_ASM(sbiw r24, 1)                                                                                                \
    EL_ASM(brne 1b)                                                                                                    \
    EL_ASM(sbrc r12, 0)                                                                                                \
    EL_ASM(st Z+, r15)

/* In the scratch. */
#define OVER_H EL_AVR_KEPT     /* the other block */
#define CODES_OF_H (OVER_H + 5) /* where they begin */
#define SUMS (CODES_OF_H + 2)   /* (4) int32, what x gives */
#define CODES (SUMS + 16)

#define STORE(low, middle, high, at)                                                                                   \
    EL_AVR_REQUANTISE(low, middle, high)                                                                               \
    EL_ASM(std Y+at, r24)                                                                                              \
    EL_ASM(std Y+at+1, r25)                                                                                            \
    EL_ASM(std Y+at+2, r26)                                                                                            \
    EL_ASM(std Y+at+3, r27)

#define SIGMOID(low, middle, high, at, gate)                                                                           \
    EL_AVR_REQUANTISE(low, middle, high)                                                                               \
    EL_ASM(ldd r18, Y+at)                                                                                              \
    EL_ASM(ldd r19, Y+at+1)                                                                                            \
    EL_ASM(ldd r20, Y+at+2)                                                                                            \
    EL_ASM(ldd r21, Y+at+3)                                                                                            \
    EL_ASM(add r24, r18)                                                                                               \
    EL_ASM(adc r25, r19)                                                                                               \
    EL_ASM(adc r26, r20)                                                                                               \
    EL_ASM(adc r27, r21)                                                                                               \
    EL_ASM(rcall 70f)                                                                                                  \
    EL_ASM(movw gate, r24)

/* r23:r22 into int8. */
#define CLAMP                                                                                                          \
    EL_ASM(mov r18, r22)                                                                                               \
    EL_ASM(lsl r18)                                                                                                    \
    EL_ASM(sbc r18, r18)                                                                                               \
    EL_ASM(cp r18, r23)                                                                                                \
    EL_ASM(breq 1f)                                                                                                    \
    EL_ASM(lsl r23)                                                                                                    \
    EL_ASM(sbc r23, r23)                                                                                               \
    EL_ASM(ldi r22, 0x7f)                                                                                              \
    EL_ASM(eor r22, r23)                                                                                               \
    "1:\n"

EL_NAKED void el_lstm_avr_w8a8(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    __asm__(
        EL_AVR_ENTER
        EL_ASM(movw r30, r28)
        EL_ASM(adiw r30, CODES)
        COPY
        EL_AVR_COLUMNS(EL_AVR_BLOCK)
        EL_ASM(std Y+CODES_OF_H, r30)
        EL_ASM(std Y+CODES_OF_H+1, r31)
        EL_ASM(movw r26, r6)
        EL_ASM(movw r24, r18)
        COPY
        EL_AVR_COLUMNS(OVER_H)
        EL_ASM(movw r30, r4)
        "3:\n"
        EL_ASM(movw r26, r28)
        EL_ASM(adiw r26, CODES)
        EL_AVR_ROWS(EL_AVR_BLOCK, COLUMN COLUMN)
        STORE(r2, r3, r4, SUMS)
        STORE(r5, r6, r7, SUMS+4)
        STORE(r8, r9, r10, SUMS+8)
        STORE(r11, r12, r13, SUMS+12)
        EL_ASM(ldd r26, Y+CODES_OF_H)
        EL_ASM(ldd r27, Y+CODES_OF_H+1)
        EL_AVR_ROWS(OVER_H, COLUMN COLUMN)
        SIGMOID(r2, r3, r4, SUMS, r2)
        SIGMOID(r5, r6, r7, SUMS+4, r6)
        SIGMOID(r8, r9, r10, SUMS+8, r8)
        SIGMOID(r11, r12, r13, SUMS+12, r12)
        EL_AVR_UPDATE
        CLAMP
        EL_AVR_NEXT
        EL_AVR_LEAVE
        EL_AVR_CALLED
        : : [segments] "i"(el_sigmoid_segments));
}
