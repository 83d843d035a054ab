/* AVR cores that multiply: what the kernels have in common, as assembly.
 *
 * Constants of a layer are one stream of bytes in program memory, unit by unit: for each block of four rows 4 biases of
 * 3 bytes, (columns, 4) weights, 4 requantisations of 3 bytes; gates i f g o. A kernel reads it from end to end. The
 * stream of a head is the same, four outputs at a time.
 *
 *   accumulator      3 bytes: |weights v + bias| < 2^23, and what wraps on the way comes back
 *   weight           + 128: so its product with the low byte of a code is unsigned, and no sign is to be extended. The
 *                    128 v that this adds to every row are summed once a step and taken off the biases
 *   requantisation   multiplier << k in 2 bytes, and how many bytes to drop besides the lowest: (m acc) >> s is
 *                    ((m << k) acc) >> 8 n, so nothing is shifted bit by bit
 *   columns          of a layer: an even number, the last one of zeros if need be */
#ifndef EL_AVR_H
#define EL_AVR_H

#include "el_asm.h"
#include "el_native.h"
#include "el_sigmoid.h"

#ifdef __cplusplus
extern "C" {
#endif

void el_lstm_avr_w8a16(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_lstm_avr_w8a8(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_head_avr(const el_head *head, const int16_t *h, int16_t *y);

#ifdef __cplusplus
}
#endif

/* Members as the assembly finds them. */
#define EL_AVR_CONSTANTS 2 /* el_layer */
#define EL_AVR_FEATURES 4
#define EL_AVR_UNITS 6
#define EL_AVR_HIDDEN_BITS 8
#define EL_AVR_STATE_C 0 /* el_layer_state */
#define EL_AVR_STATE_H 2
#define EL_AVR_WORK 4

typedef char el_avr_needs_members[offsetof(el_layer, constants) == EL_AVR_CONSTANTS &&
                                          offsetof(el_layer, features) == EL_AVR_FEATURES &&
                                          offsetof(el_layer, units) == EL_AVR_UNITS &&
                                          offsetof(el_layer, hidden_bits) == EL_AVR_HIDDEN_BITS &&
                                          offsetof(el_layer_state, c) == EL_AVR_STATE_C &&
                                          offsetof(el_layer_state, h) == EL_AVR_STATE_H &&
                                          offsetof(el_layer_state, work) == EL_AVR_WORK
                                      ? 1
                                      : -1];

/* What a step keeps at the beginning of the scratch, where Y points. */
#define EL_AVR_BLOCK 0  /* of columns: -128 x sum of codes in 3 bytes, turns of the loop in 2 */
#define EL_AVR_END 5    /* behind the cell state of the last unit */
#define EL_AVR_HIDDEN 7 /* hidden state of the unit */
#define EL_AVR_DROP 9   /* bits that h drops of (o tanh c) >> 16, and half a step of h */
#define EL_AVR_HALF 10
#define EL_AVR_KEPT 11

/* Registers:
 *
 *   r4:r3:r2  r7:r6:r5  r10:r9:r8  r13:r12:r11   accumulators of i f g o
 *   r3:r2     r7:r6     r9:r8      r13:r12       then the gates
 *   r15 zero      r17:r16 cell state of the unit
 *   X codes       Y scratch       Z constants not yet read */

#define EL_AVR_EACH(move, a, b, c, d, e, f)                                                                            \
    EL_ASM(move a) EL_ASM(move b) EL_ASM(move c) EL_ASM(move d) EL_ASM(move e) EL_ASM(move f)

#define EL_AVR_SAVE                                                                                                    \
    EL_AVR_EACH(push, r2, r3, r4, r5, r6, r7)                                                                          \
    EL_AVR_EACH(push, r8, r9, r10, r11, r12, r13)                                                                      \
    EL_AVR_EACH(push, r14, r15, r16, r17, r28, r29)                                                                    \
    EL_ASM(clr r15)

/* In: r25:r24 layer, r23:r22 state, r21:r20 x. Out: the registers and the scratch above but for blocks;
 * r25:r24 features, r19:r18 units, r5:r4 constants, r27:r26 x, r7:r6 hidden state. */
#define EL_AVR_ENTER                                                                                                   \
    EL_AVR_SAVE                                                                                                        \
    EL_ASM(movw r26, r20)                                                                                              \
    EL_ASM(movw r30, r24)                                                                                              \
    EL_ASM(ldd r4, Z+EL_AVR_CONSTANTS)                                                                                 \
    EL_ASM(ldd r5, Z+EL_AVR_CONSTANTS+1)                                                                               \
    EL_ASM(ldd r24, Z+EL_AVR_FEATURES)                                                                                 \
    EL_ASM(ldd r25, Z+EL_AVR_FEATURES+1)                                                                               \
    EL_ASM(ldd r18, Z+EL_AVR_UNITS)                                                                                    \
    EL_ASM(ldd r19, Z+EL_AVR_UNITS+1)                                                                                  \
    EL_ASM(ldd r2, Z+EL_AVR_HIDDEN_BITS)                                                                               \
    EL_ASM(movw r30, r22)                                                                                              \
    EL_ASM(ldd r16, Z+EL_AVR_STATE_C)                                                                                  \
    EL_ASM(ldd r17, Z+EL_AVR_STATE_C+1)                                                                                \
    EL_ASM(ldd r6, Z+EL_AVR_STATE_H)                                                                                   \
    EL_ASM(ldd r7, Z+EL_AVR_STATE_H+1)                                                                                 \
    EL_ASM(ldd r28, Z+EL_AVR_WORK)                                                                                     \
    EL_ASM(ldd r29, Z+EL_AVR_WORK+1)                                                                                   \
    EL_ASM(std Y+EL_AVR_HIDDEN, r6)                                                                                    \
    EL_ASM(std Y+EL_AVR_HIDDEN+1, r7)                                                                                  \
    EL_ASM(movw r20, r18)                                                                                              \
    EL_ASM(lsl r20)                                                                                                    \
    EL_ASM(rol r21)                                                                                                    \
    EL_ASM(lsl r20)                                                                                                    \
    EL_ASM(rol r21)                                                                                                    \
    EL_ASM(add r20, r16)                                                                                               \
    EL_ASM(adc r21, r17)                                                                                               \
    EL_ASM(std Y+EL_AVR_END, r20)                                                                                      \
    EL_ASM(std Y+EL_AVR_END+1, r21)                                                                                    \
    EL_ASM(ldi r20, 14)                                                                                                \
    EL_ASM(sub r20, r2)                                                                                                \
    EL_ASM(std Y+EL_AVR_DROP, r20)                                                                                     \
    EL_ASM(ldi r21, 1)                                                                                                 \
    "1:\n"                                                                                                             \
    EL_ASM(dec r20)                                                                                                    \
    EL_ASM(breq 1f)                                                                                                    \
    EL_ASM(lsl r21)                                                                                                    \
    EL_ASM(rjmp 1b)                                                                                                    \
    "1:\n"                                                                                                             \
    EL_ASM(std Y+EL_AVR_HALF, r21)

#define EL_AVR_LEAVE                                                                                                   \
    EL_ASM(clr r1)                                                                                                     \
    EL_AVR_EACH(pop, r29, r28, r17, r16, r15, r14)                                                                     \
    EL_AVR_EACH(pop, r13, r12, r11, r10, r9, r8)                                                                       \
    EL_AVR_EACH(pop, r7, r6, r5, r4, r3, r2)                                                                           \
    EL_ASM(ret)

/* r22:r21:r20 = -128 x r10:r9:r8. */
#define EL_AVR_EXCESS                                                                                                  \
    EL_ASM(clr r14)                                                                                                    \
    EL_ASM(lsr r10)                                                                                                    \
    EL_ASM(ror r9)                                                                                                     \
    EL_ASM(ror r8)                                                                                                     \
    EL_ASM(ror r14)                                                                                                    \
    EL_ASM(clr r20)                                                                                                    \
    EL_ASM(clr r21)                                                                                                    \
    EL_ASM(clr r22)                                                                                                    \
    EL_ASM(sub r20, r14)                                                                                               \
    EL_ASM(sbc r21, r8)                                                                                                \
    EL_ASM(sbc r22, r9)

/* The block `at` of r13:r12 columns whose codes sum to r10:r9:r8, two columns a turn. */
#define EL_AVR_COLUMNS(at)                                                                                             \
    EL_ASM(movw r24, r12)                                                                                              \
    EL_ASM(adiw r24, 1)                                                                                                \
    EL_ASM(lsr r25)                                                                                                    \
    EL_ASM(ror r24)                                                                                                    \
    EL_ASM(std Y+at+3, r24)                                                                                            \
    EL_ASM(std Y+at+4, r25)                                                                                            \
    EL_AVR_EXCESS                                                                                                      \
    EL_ASM(std Y+at, r20)                                                                                              \
    EL_ASM(std Y+at+1, r21)                                                                                            \
    EL_ASM(std Y+at+2, r22)

/* Add the code r21:r20 to r10:r9:r8. */
#define EL_AVR_SUM_CODE                                                                                                \
    EL_ASM(mov r22, r21)                                                                                               \
    EL_ASM(lsl r22)                                                                                                    \
    EL_ASM(sbc r22, r22)                                                                                               \
    EL_ASM(add r8, r20)                                                                                                \
    EL_ASM(adc r9, r21)                                                                                                \
    EL_ASM(adc r10, r22)

/* A weight times the code r21:r20, in 12 cycles. */
#define EL_AVR_WEIGHT(low, middle, high)                                                                               \
    EL_ASM(lpm r22, Z+)                                                                                                \
    EL_ASM(mul r22, r20)                                                                                               \
    EL_ASM(add low, r0)                                                                                                \
    EL_ASM(adc middle, r1)                                                                                             \
    EL_ASM(adc high, r15)                                                                                              \
    EL_ASM(mulsu r21, r22)                                                                                             \
    EL_ASM(add middle, r0)                                                                                             \
    EL_ASM(adc high, r1)

#define EL_AVR_COLUMN                                                                                                  \
    EL_ASM(ld r20, X+)                                                                                                 \
    EL_ASM(ld r21, X+)                                                                                                 \
    EL_AVR_WEIGHT(r2, r3, r4)                                                                                          \
    EL_AVR_WEIGHT(r5, r6, r7)                                                                                          \
    EL_AVR_WEIGHT(r8, r9, r10)                                                                                         \
    EL_AVR_WEIGHT(r11, r12, r13)

#define EL_AVR_BIAS(low, middle, high)                                                                                 \
    EL_ASM(lpm low, Z+)                                                                                                \
    EL_ASM(lpm middle, Z+)                                                                                             \
    EL_ASM(lpm high, Z+)                                                                                               \
    EL_ASM(add low, r20)                                                                                               \
    EL_ASM(adc middle, r21)                                                                                            \
    EL_ASM(adc high, r22)

/* Accumulators of the next four rows of the stream over the block `at`, whose codes X points to; `turn` is one or two
 * columns. */
#define EL_AVR_ROWS(at, turn)                                                                                          \
    EL_ASM(ldd r20, Y+at)                                                                                              \
    EL_ASM(ldd r21, Y+at+1)                                                                                            \
    EL_ASM(ldd r22, Y+at+2)                                                                                            \
    EL_AVR_BIAS(r2, r3, r4)                                                                                            \
    EL_AVR_BIAS(r5, r6, r7)                                                                                            \
    EL_AVR_BIAS(r8, r9, r10)                                                                                           \
    EL_AVR_BIAS(r11, r12, r13)                                                                                         \
    EL_ASM(ldd r24, Y+at+3)                                                                                            \
    EL_ASM(ldd r25, Y+at+4)                                                                                            \
    "1:\n"                                                                                                             \
    turn                                                                                                               \
    EL_ASM(sbiw r24, 1)                                                                                                \
    EL_ASM(breq 1f)                                                                                                    \
    EL_ASM(rjmp 1b)                                                                                                    \
    "1:\n"

/* r27..r24 = the accumulator, requantised by the next row of the stream. */
#define EL_AVR_REQUANTISE(low, middle, high)                                                                           \
    EL_ASM(mov r18, low)                                                                                               \
    EL_ASM(mov r19, middle)                                                                                            \
    EL_ASM(mov r20, high)                                                                                              \
    EL_ASM(rcall 60f)

/* Gates -> cell state, stored, r17:r16 moved on, and r23:r22 = h. */
#define EL_AVR_UPDATE                                                                                                  \
    EL_AVR_KEEP_CELL                                                                                                   \
    EL_AVR_ADD_INPUT                                                                                                   \
    EL_AVR_STORE_CELL                                                                                                  \
    EL_AVR_HIDDEN_STATE

/* r27..r24 = (f c) >> 16. Columns of the product by bytes: r14 is byte 1, r27..r24 are 5..2. */
#define EL_AVR_KEEP_CELL                                                                                               \
    EL_ASM(movw r26, r16)                                                                                              \
    EL_ASM(ld r18, X+)                                                                                                 \
    EL_ASM(ld r19, X+)                                                                                                 \
    EL_ASM(ld r20, X+)                                                                                                 \
    EL_ASM(ld r21, X)                                                                                                  \
    EL_ASM(movw r22, r6)                                                                                               \
    EL_ASM(mul r19, r23)                                                                                               \
    EL_ASM(movw r24, r0)                                                                                               \
    EL_ASM(mulsu r21, r23)                                                                                             \
    EL_ASM(movw r26, r0)                                                                                               \
    EL_ASM(mul r18, r22)                                                                                               \
    EL_ASM(mov r14, r1)                                                                                                \
    EL_ASM(mul r19, r22)                                                                                               \
    EL_ASM(add r14, r0)                                                                                                \
    EL_ASM(adc r24, r1)                                                                                                \
    EL_ASM(adc r25, r15)                                                                                               \
    EL_ASM(adc r26, r15)                                                                                               \
    EL_ASM(adc r27, r15)                                                                                               \
    EL_ASM(mul r18, r23)                                                                                               \
    EL_ASM(add r14, r0)                                                                                                \
    EL_ASM(adc r24, r1)                                                                                                \
    EL_ASM(adc r25, r15)                                                                                               \
    EL_ASM(adc r26, r15)                                                                                               \
    EL_ASM(adc r27, r15)                                                                                               \
    EL_ASM(mul r20, r22)                                                                                               \
    EL_ASM(add r24, r0)                                                                                                \
    EL_ASM(adc r25, r1)                                                                                                \
    EL_ASM(adc r26, r15)                                                                                               \
    EL_ASM(adc r27, r15)                                                                                               \
    EL_ASM(mul r20, r23)                                                                                               \
    EL_ASM(add r25, r0)                                                                                                \
    EL_ASM(adc r26, r1)                                                                                                \
    EL_ASM(adc r27, r15)                                                                                               \
    EL_ASM(mulsu r21, r22)                                                                                             \
    EL_ASM(sbc r27, r15)                                                                                               \
    EL_ASM(add r25, r0)                                                                                                \
    EL_ASM(adc r26, r1)                                                                                                \
    EL_ASM(adc r27, r15)

/* r21:r20 = 2 sigma - 1. */
#define EL_AVR_TANH(sigma)                                                                                             \
    EL_ASM(movw r20, sigma)                                                                                            \
    EL_ASM(lsl r20)                                                                                                    \
    EL_ASM(rol r21)                                                                                                    \
    EL_ASM(subi r21, 0x80)

/* r27..r24 = clamp((r27..r24 + (i g >> 8)) << 1). */
#define EL_AVR_ADD_INPUT                                                                                               \
    EL_ASM(movw r18, r2)                                                                                               \
    EL_AVR_TANH(r8)                                                                                                    \
    EL_ASM(rcall 80f)                                                                                                  \
    EL_ASM(mov r18, r23)                                                                                               \
    EL_ASM(lsl r18)                                                                                                    \
    EL_ASM(sbc r18, r18)                                                                                               \
    EL_ASM(add r24, r14)                                                                                               \
    EL_ASM(adc r25, r22)                                                                                               \
    EL_ASM(adc r26, r23)                                                                                               \
    EL_ASM(adc r27, r18)                                                                                               \
    EL_ASM(lsl r24)                                                                                                    \
    EL_ASM(rol r25)                                                                                                    \
    EL_ASM(rol r26)                                                                                                    \
    EL_ASM(rol r27)                                                                                                    \
    EL_ASM(cpi r27, 0x40)                                                                                              \
    EL_ASM(brlt 1f)                                                                                                    \
    EL_ASM(ldi r24, 0xff)                                                                                              \
    EL_ASM(ldi r25, 0xff)                                                                                              \
    EL_ASM(ldi r26, 0xff)                                                                                              \
    EL_ASM(ldi r27, 0x3f)                                                                                              \
    "1:\n"                                                                                                             \
    EL_ASM(cpi r27, 0xc0)                                                                                              \
    EL_ASM(brge 1f)                                                                                                    \
    EL_ASM(clr r24)                                                                                                    \
    EL_ASM(clr r25)                                                                                                    \
    EL_ASM(clr r26)                                                                                                    \
    EL_ASM(ldi r27, 0xc0)                                                                                              \
    "1:\n"

/* c = r27..r24; then r27..r24 = (c + 512) >> 10. */
#define EL_AVR_STORE_CELL                                                                                              \
    EL_ASM(movw r18, r26)                                                                                              \
    EL_ASM(movw r26, r16)                                                                                              \
    EL_ASM(st X+, r24)                                                                                                 \
    EL_ASM(st X+, r25)                                                                                                 \
    EL_ASM(st X+, r18)                                                                                                 \
    EL_ASM(st X+, r19)                                                                                                 \
    EL_ASM(movw r16, r26)                                                                                              \
    EL_ASM(ldi r20, 2)                                                                                                 \
    EL_ASM(add r25, r20)                                                                                               \
    EL_ASM(adc r18, r15)                                                                                               \
    EL_ASM(adc r19, r15)                                                                                               \
    EL_ASM(asr r19)                                                                                                    \
    EL_ASM(ror r18)                                                                                                    \
    EL_ASM(ror r25)                                                                                                    \
    EL_ASM(asr r19)                                                                                                    \
    EL_ASM(ror r18)                                                                                                    \
    EL_ASM(ror r25)                                                                                                    \
    EL_ASM(mov r24, r25)                                                                                               \
    EL_ASM(mov r25, r18)                                                                                               \
    EL_ASM(mov r26, r19)                                                                                               \
    EL_ASM(mov r27, r19)                                                                                               \
    EL_ASM(lsl r27)                                                                                                    \
    EL_ASM(sbc r27, r27)

/* r23:r22 = (o tanh(c) + half) >> drop. */
#define EL_AVR_HIDDEN_STATE                                                                                            \
    EL_ASM(rcall 70f)                                                                                                  \
    EL_AVR_TANH(r24)                                                                                                   \
    EL_ASM(movw r18, r12)                                                                                              \
    EL_ASM(rcall 80f)                                                                                                  \
    EL_ASM(ldd r20, Y+EL_AVR_HALF)                                                                                     \
    EL_ASM(add r22, r20)                                                                                               \
    EL_ASM(adc r23, r15)                                                                                               \
    EL_ASM(ldd r20, Y+EL_AVR_DROP)                                                                                     \
    "1:\n"                                                                                                             \
    EL_ASM(asr r23)                                                                                                    \
    EL_ASM(ror r22)                                                                                                    \
    EL_ASM(dec r20)                                                                                                    \
    EL_ASM(brne 1b)

/* Store h = r23:r22, and go back to label 3 for the next unit. */
#define EL_AVR_NEXT                                                                                                    \
    EL_ASM(ldd r26, Y+EL_AVR_HIDDEN)                                                                                   \
    EL_ASM(ldd r27, Y+EL_AVR_HIDDEN+1)                                                                                 \
    EL_ASM(st X+, r22)                                                                                                 \
    EL_ASM(st X+, r23)                                                                                                 \
    EL_ASM(std Y+EL_AVR_HIDDEN, r26)                                                                                   \
    EL_ASM(std Y+EL_AVR_HIDDEN+1, r27)                                                                                 \
    EL_ASM(ldd r24, Y+EL_AVR_END)                                                                                      \
    EL_ASM(ldd r25, Y+EL_AVR_END+1)                                                                                    \
    EL_ASM(cp r16, r24)                                                                                                \
    EL_ASM(cpc r17, r25)                                                                                               \
    EL_ASM(breq 1f)                                                                                                    \
    EL_ASM(rjmp 3b)                                                                                                    \
    "1:\n"

/* What kernels call, behind their own end. None touches r2..r13, r15..r17 or Y; Z moves where the stream is read.
 *
 *   60   r20..r18 accumulator -> r27..r24 requantised by the next three bytes of the stream
 *   70   r27..r24 -> r25:r24 = sigmoid(sat16(r27..r24))
 *   80   r19:r18 unsigned, r21:r20 signed -> r23:r22:r14 = product >> 8; leaves r24..r27 alone */
#define EL_AVR_CALLED                                                                                                  \
    EL_AVR_REQUANTISE_HERE                                                                                             \
    EL_AVR_SIGMOID_HERE                                                                                                \
    EL_AVR_PRODUCT_HERE

#define EL_AVR_REQUANTISE_HERE                                                                                         \
    "60:\n"                                                                                                            \
    EL_ASM(lpm r21, Z+)                                                                                                \
    EL_ASM(lpm r22, Z+)                                                                                                \
    EL_ASM(lpm r23, Z+)                                                                                                \
    EL_ASM(mul r19, r21)                                                                                               \
    EL_ASM(movw r24, r0)                                                                                               \
    EL_ASM(mulsu r20, r22)                                                                                             \
    EL_ASM(movw r26, r0)                                                                                               \
    EL_ASM(mul r18, r21)                                                                                               \
    EL_ASM(add r24, r1)                                                                                                \
    EL_ASM(adc r25, r15)                                                                                               \
    EL_ASM(adc r26, r15)                                                                                               \
    EL_ASM(adc r27, r15)                                                                                               \
    EL_ASM(mul r18, r22)                                                                                               \
    EL_ASM(add r24, r0)                                                                                                \
    EL_ASM(adc r25, r1)                                                                                                \
    EL_ASM(adc r26, r15)                                                                                               \
    EL_ASM(adc r27, r15)                                                                                               \
    EL_ASM(mul r19, r22)                                                                                               \
    EL_ASM(add r25, r0)                                                                                                \
    EL_ASM(adc r26, r1)                                                                                                \
    EL_ASM(adc r27, r15)                                                                                               \
    EL_ASM(mulsu r20, r21)                                                                                             \
    EL_ASM(sbc r27, r15)                                                                                               \
    EL_ASM(add r25, r0)                                                                                                \
    EL_ASM(adc r26, r1)                                                                                                \
    EL_ASM(adc r27, r15)                                                                                               \
    "61:\n"                                                                                                            \
    EL_ASM(subi r23, 1)                                                                                                \
    EL_ASM(brcs 62f)                                                                                                   \
    EL_ASM(mov r24, r25)                                                                                               \
    EL_ASM(mov r25, r26)                                                                                               \
    EL_ASM(mov r26, r27)                                                                                               \
    EL_ASM(lsl r27)                                                                                                    \
    EL_ASM(sbc r27, r27)                                                                                               \
    EL_ASM(rjmp 61b)                                                                                                   \
    "62:\n"                                                                                                            \
    EL_ASM(ret)

/* r25:r24 = sat16(r27..r24). */
#define EL_AVR_SATURATE                                                                                                \
    EL_ASM(mov r18, r25)                                                                                               \
    EL_ASM(lsl r18)                                                                                                    \
    EL_ASM(sbc r18, r18)                                                                                               \
    EL_ASM(cp r26, r18)                                                                                                \
    EL_ASM(brne 1f)                                                                                                    \
    EL_ASM(cp r27, r18)                                                                                                \
    EL_ASM(breq 2f)                                                                                                    \
    "1:\n"                                                                                                             \
    EL_ASM(lsl r27)                                                                                                    \
    EL_ASM(sbc r24, r24)                                                                                               \
    EL_ASM(com r24)                                                                                                    \
    EL_ASM(ldi r25, 0x80)                                                                                              \
    EL_ASM(eor r25, r24)                                                                                               \
    "2:\n"

#define EL_AVR_SIGMOID_HERE                                                                                            \
    "70:\n"                                                                                                            \
    EL_AVR_SATURATE                                                                                                    \
    EL_ASM(subi r25, 0x80)                                                                                             \
    EL_ASM(movw r18, r30)                                                                                              \
    EL_ASM(mov r30, r25)                                                                                               \
    EL_ASM(andi r30, 0xfe)                                                                                             \
    EL_ASM(clr r31)                                                                                                    \
    EL_ASM(lsl r30)                                                                                                    \
    EL_ASM(rol r31)                                                                                                    \
    EL_ASM(subi r30, lo8(-(%[segments])))                                                                              \
    EL_ASM(sbci r31, hi8(-(%[segments])))                                                                              \
    EL_ASM(lpm r20, Z+)                                                                                                \
    EL_ASM(lpm r21, Z+)                                                                                                \
    EL_ASM(lpm r22, Z+)                                                                                                \
    EL_ASM(lpm r23, Z)                                                                                                 \
    EL_ASM(movw r30, r18)                                                                                              \
    EL_ASM(mul r24, r22)                                                                                               \
    EL_ASM(mov r26, r1)                                                                                                \
    EL_ASM(clr r27)                                                                                                    \
    EL_ASM(mul r24, r23)                                                                                               \
    EL_ASM(add r26, r0)                                                                                                \
    EL_ASM(adc r27, r1)                                                                                                \
    EL_ASM(sbrs r25, 0)                                                                                                \
    EL_ASM(rjmp 73f)                                                                                                   \
    EL_ASM(add r26, r22)                                                                                               \
    EL_ASM(adc r27, r23)                                                                                               \
    "73:\n"                                                                                                            \
    EL_ASM(lsr r27)                                                                                                    \
    EL_ASM(ror r26)                                                                                                    \
    EL_ASM(add r26, r20)                                                                                               \
    EL_ASM(adc r27, r21)                                                                                               \
    EL_ASM(movw r24, r26)                                                                                              \
    EL_ASM(ret)

#define EL_AVR_PRODUCT_HERE                                                                                            \
    "80:\n"                                                                                                            \
    EL_ASM(mulsu r21, r19)                                                                                             \
    EL_ASM(movw r22, r0)                                                                                               \
    EL_ASM(mul r18, r20)                                                                                               \
    EL_ASM(mov r14, r1)                                                                                                \
    EL_ASM(mul r19, r20)                                                                                               \
    EL_ASM(add r14, r0)                                                                                                \
    EL_ASM(adc r22, r1)                                                                                                \
    EL_ASM(adc r23, r15)                                                                                               \
    EL_ASM(mulsu r21, r18)                                                                                             \
    EL_ASM(sbc r23, r15)                                                                                               \
    EL_ASM(add r14, r0)                                                                                                \
    EL_ASM(adc r22, r1)                                                                                                \
    EL_ASM(adc r23, r15)                                                                                               \
    EL_ASM(ret)

#endif
