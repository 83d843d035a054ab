/* Pieces of an LSTM step for Cortex-M3, in assembly; el_lstm_armv7m_<scheme>.h joins them, once a layer.
 *
 * A layer's constants are one stream, unit by unit and within a unit block by block (w8a16: over x and h; w8a8: over x,
 * then over h): three biases A U B, a word rev(P) a column, then shift and multiplier of the gates i f g o, a byte
 * each. P holds the four gates' weights, a byte each, plus 128. With v the codes, widened to words in the scratch, the
 * sums are
 *
 *   A = sum of P v      U = sum of (P >> 16) v      B = sum of rev(P) v      (modulo 2^32)
 *
 * and since every row stays below 2^23, el_part gets the four rows from the three sums. There is no long multiply: on
 * this core its time depends on the data.
 *
 *   r0-r7  at work      r8 r9 r10  A U B      r11  codes      r12  stream      lr  end of the looped columns
 */
#ifndef EL_LSTM_ARMV7M_H
#define EL_LSTM_ARMV7M_H

#include "el_native.h"
#include "el_sigmoid_lines.h"

#ifndef __thumb2__
#error "the kernel set armv7m is for Arm cores with Thumb-2 (Cortex-M3); export for this core's board"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* head->constants: one stream, as a layer's, of the rows four by four. */
void el_head_armv7m(const el_head *head, const int16_t *h, int16_t *y);

#ifdef __cplusplus
}
#endif

/* clang-format off */

#define EL_TEXT(...) EL_TEXT_OF(__VA_ARGS__)
#define EL_TEXT_OF(...) #__VA_ARGS__

#define EL_ASM_FEATURES EL_TEXT(EL_LAYER_FEATURES)
#define EL_ASM_UNITS EL_TEXT(EL_LAYER_UNITS)
#define EL_ASM_HIDDEN_BITS EL_TEXT(EL_LAYER_HIDDEN_BITS)

/* Stack, while a step runs. */
#define EL_UNIT_AT       "0"  /* next cell and hidden state, at_zero and slope of z = 0, end of the cell states */
#define EL_FIRST_AT      "20" /* -128 times the sum of the block's codes, as it weighs in A and B, and in U */
#define EL_CODES_AT      "28"
#define EL_FIRST_END_AT  "32" /* end of the loop over the block's columns */
#define EL_SECOND_AT     "36" /* both of the second block */
#define EL_SECOND_END_AT "44"
#define EL_FRAME         "48"

/* el_widen count   codes at r2 -> words at r11, both advanced; r3 += their sum */
#define EL_WIDEN_MACROS                                                                                                \
    ".macro el_widen count\n"                                                                                          \
    ".if \\count >= 8\n"                                                                                               \
    "movw lr, #2 * (\\count / 4 * 4)\n"                                                                                \
    "add lr, lr, r2\n"                                                                                                 \
    ".endif\n"                                                                                                         \
    ".if \\count >= 4\n"                                                                                               \
    "1:\n"                                                                                                             \
    "ldrsh r0, [r2], #2\n"                                                                                             \
    "ldrsh r1, [r2], #2\n"                                                                                             \
    "ldrsh r6, [r2], #2\n"                                                                                             \
    "ldrsh r7, [r2], #2\n"                                                                                             \
    "adds r3, r3, r0\n"                                                                                                \
    "adds r3, r3, r1\n"                                                                                                \
    "adds r3, r3, r6\n"                                                                                                \
    "adds r3, r3, r7\n"                                                                                                \
    "stmia r11!, {r0, r1, r6, r7}\n"                                                                                   \
    ".endif\n"                                                                                                         \
    ".if \\count >= 8\n"                                                                                               \
    "cmp r2, lr\n"                                                                                                     \
    "bne 1b\n"                                                                                                         \
    ".endif\n"                                                                                                         \
    ".rept \\count % 4\n"                                                                                              \
    "ldrsh r0, [r2], #2\n"                                                                                             \
    "adds r3, r3, r0\n"                                                                                                \
    "str r0, [r11], #4\n"                                                                                              \
    ".endr\n"                                                                                                          \
    ".endm\n"

/* el_offsets at             r3, the sum of a block's codes -> minus what the 128 in every byte of P adds to the sums
 * el_end at before columns  where the loop over a block's columns ends, if there is one; its codes lie `before` words
 *                           into the scratch */
#define EL_BLOCK_MACROS                                                                                                \
    ".macro el_offsets at\n"                                                                                           \
    "lsls r1, r3, #7\n"                                                                                                \
    "add r1, r1, r3, lsl #15\n"                                                                                        \
    "negs r1, r1\n"                                                                                                    \
    "add r0, r1, r1, lsl #16\n"                                                                                        \
    "strd r0, r1, [sp, #\\at]\n"                                                                                       \
    ".endm\n"                                                                                                          \
    ".macro el_end at, before, columns\n"                                                                              \
    ".if (\\columns) >= 32\n"                                                                                          \
    "ldr r0, [sp, #" EL_CODES_AT "]\n"                                                                                 \
    "movw r1, #4 * (\\before + (\\columns) / 16 * 16)\n"                                                               \
    "adds r0, r0, r1\n"                                                                                                \
    "str r0, [sp, #\\at]\n"                                                                                            \
    ".endif\n"                                                                                                         \
    ".endm\n"

/* el_sum columns at   a block's sums: `at` is where the stack holds its offsets */
#define EL_SUM_MACROS                                                                                                  \
    ".macro el_column v, p\n"                                                                                          \
    "mla r10, \\p, \\v, r10\n"                                                                                         \
    "rev \\p, \\p\n"                                                                                                   \
    "mla r8, \\p, \\v, r8\n"                                                                                           \
    "lsrs \\p, \\p, #16\n"                                                                                             \
    "mla r9, \\p, \\v, r9\n"                                                                                           \
    ".endm\n"                                                                                                          \
    ".macro el_four_columns\n"                                                                                         \
    "ldmia r11!, {r4, r5, r6, r7}\n"                                                                                   \
    "ldmia r12!, {r0, r1, r2, r3}\n"                                                                                   \
    "el_column r4, r0\n"                                                                                               \
    "el_column r5, r1\n"                                                                                               \
    "el_column r6, r2\n"                                                                                               \
    "el_column r7, r3\n"                                                                                               \
    ".endm\n"                                                                                                          \
    ".macro el_sum columns, at\n"                                                                                      \
    "ldrd r0, r1, [sp, #\\at]\n"                                                                                       \
    "ldmia r12!, {r8, r9, r10}\n"                                                                                      \
    "add r8, r8, r0\n"                                                                                                 \
    "add r9, r9, r1\n"                                                                                                 \
    "add r10, r10, r0\n"                                                                                               \
    ".if (\\columns) >= 16\n"                                                                                          \
    "1:\n"                                                                                                             \
    ".rept 4\n"                                                                                                        \
    "el_four_columns\n"                                                                                                \
    ".endr\n"                                                                                                          \
    ".endif\n"                                                                                                         \
    ".if (\\columns) >= 32\n"                                                                                          \
    "cmp r11, lr\n"                                                                                                    \
    "bne 1b\n"                                                                                                         \
    ".endif\n"                                                                                                         \
    ".rept (\\columns) % 16 / 4\n"                                                                                     \
    "el_four_columns\n"                                                                                                \
    ".endr\n"                                                                                                          \
    ".if (\\columns) % 4 / 2\n"                                                                                        \
    "ldmia r11!, {r4, r5}\n"                                                                                           \
    "ldmia r12!, {r0, r1}\n"                                                                                           \
    "el_column r4, r0\n"                                                                                               \
    "el_column r5, r1\n"                                                                                               \
    ".endif\n"                                                                                                         \
    ".if (\\columns) % 2\n"                                                                                            \
    "ldr r4, [r11], #4\n"                                                                                              \
    "ldr r0, [r12], #4\n"                                                                                              \
    "el_column r4, r0\n"                                                                                               \
    ".endif\n"                                                                                                         \
    ".endm\n"

/* el_part   A U B -> the rows of i f g o in r0 r1 r2 r3, requantised; r11 is kept. Letters as in kernel_sets/braid.py;
 *           a shift by a register takes its lowest byte. */
#define EL_PART_MACROS                                                                                                 \
    ".macro el_requantise even, odd, rows\n"                                                                           \
    "ubfx r10, \\rows, #8, #8\n"                                                                                       \
    "mul \\even, \\even, r10\n"                                                                                        \
    "asr \\even, \\even, \\rows\n"                                                                                     \
    "lsr r10, \\rows, #24\n"                                                                                           \
    "mul \\odd, \\odd, r10\n"                                                                                          \
    "lsr \\rows, \\rows, #16\n"                                                                                        \
    "asr \\odd, \\odd, \\rows\n"                                                                                       \
    ".endm\n"                                                                                                          \
    ".macro el_part\n"                                                                                                 \
    "sub r8, r8, r9, lsl #16\n" /* T */                                                                                \
    "sub r10, r10, r9, lsl #8\n"                                                                                       \
    "sub r10, r10, r8, lsl #24\n" /* Q */                                                                              \
    "sub r2, r9, r10, lsl #8\n"                                                                                        \
    "sbfx r2, r2, #0, #24\n" /* S_2 */                                                                                 \
    "sub r3, r9, r2\n"                                                                                                 \
    "asrs r3, r3, #8\n" /* S_3 */                                                                                      \
    "sub r10, r10, r3\n"                                                                                               \
    "add r10, r10, r3, lsl #16\n" /* R */                                                                              \
    "sub r0, r8, r10, lsr #8\n"                                                                                        \
    "sbfx r0, r0, #0, #24\n" /* S_0 */                                                                                 \
    "sub r1, r8, r0\n"                                                                                                 \
    "asrs r1, r1, #8\n" /* S_1 */                                                                                      \
    "ldmia r12!, {r8, r9}\n"                                                                                           \
    "el_requantise r0, r1, r8\n"                                                                                       \
    "el_requantise r2, r3, r9\n"                                                                                       \
    ".endm\n"

/* el_sigmoid z   z within 16 bits; r8 and r9 are lost */
#define EL_SIGMOID_MACROS                                                                                              \
    ".macro el_sigmoid z\n"                                                                                            \
    "asr r8, \\z, #9\n"                                                                                                \
    "ldrh r9, [r6, r8, lsl #2]\n"                                                                                      \
    "ldrh r8, [r7, r8, lsl #2]\n"                                                                                      \
    "mul \\z, \\z, r8\n"                                                                                               \
    "add \\z, r9, \\z, asr #9\n"                                                                                       \
    ".endm\n"

#define EL_ENTER                                                                                                       \
    ".syntax unified\n"                                                                                                \
    EL_WIDEN_MACROS EL_BLOCK_MACROS EL_SUM_MACROS EL_PART_MACROS EL_SIGMOID_MACROS                                     \
    "push {r4-r11, lr}\n"                                                                                              \
    "sub sp, sp, #" EL_FRAME "\n"                                                                                      \
    "ldr r12, [r0, #4]\n" /* layer->constants */                                                                       \
    "ldm r1, {r4, r5, r11}\n" /* state->c, ->h, ->work */                                                              \
    "movw r6, #:lower16:el_sigmoid_lines + 256\n"                                                                      \
    "movt r6, #:upper16:el_sigmoid_lines + 256\n"                                                                      \
    "adds r7, r6, #2\n"                                                                                                \
    "movw r8, #4 * " EL_ASM_UNITS "\n"                                                                                 \
    "add r8, r8, r4\n"                                                                                                 \
    "stm sp, {r4, r5, r6, r7, r8}\n"                                                                                   \
    "str r11, [sp, #" EL_CODES_AT "]\n"                                                                                \
    "movs r3, #0\n"

/* The start of the loop over units, "2". */
#define EL_UNITS_BEGIN                                                                                                 \
    "2:\n"                                                                                                             \
    "ldrd r11, lr, [sp, #" EL_CODES_AT "]\n"

/* Pre-activations of i f g o in r0 r1 r2 r3 -> the unit's cell state, stored; h in r2, not yet shifted down to
 * hidden_bits. tanh(y) is 2 sigmoid(2 y) - 1; here it is halved, and so one bit less is shifted out of what it
 * multiplies. */
#define EL_UPDATE                                                                                                      \
    "ldm sp, {r4, r5, r6, r7, r11}\n"                                                                                  \
    "ssat r0, #16, r0\n"                                                                                               \
    "ssat r1, #16, r1\n"                                                                                               \
    "ssat r2, #16, r2\n"                                                                                               \
    "ssat r3, #16, r3\n"                                                                                               \
    "el_sigmoid r0\n"                                                                                                  \
    "el_sigmoid r1\n"                                                                                                  \
    "el_sigmoid r2\n"                                                                                                  \
    "el_sigmoid r3\n"                                                                                                  \
    "sub r2, r2, #16384\n"                                                                                             \
    "mul r2, r0, r2\n"                                                                                                 \
    "ldr r0, [r4]\n"                                                                                                   \
    "asr r8, r0, #16\n"                                                                                                \
    "uxth r0, r0\n"                                                                                                    \
    "mul r8, r1, r8\n" /* f c, 15 x 15 bits above, 15 x 16 below */                                                    \
    "mul r0, r1, r0\n"                                                                                                 \
    "add r0, r8, r0, lsr #16\n"                                                                                        \
    "add r0, r0, r2, asr #7\n"                                                                                         \
    "ssat r0, #31, r0, lsl #1\n"                                                                                       \
    "str r0, [r4], #4\n"                                                                                               \
    "add r2, r0, #512\n"                                                                                               \
    "ssat r2, #16, r2, asr #10\n"                                                                                      \
    "el_sigmoid r2\n"                                                                                                  \
    "sub r2, r2, #16384\n"                                                                                             \
    "mul r2, r3, r2\n"                                                                                                 \
    "add r2, r2, #1 << (28 - " EL_ASM_HIDDEN_BITS ")\n"

/* h in r2. */
#define EL_UNITS_END                                                                                                   \
    "strh r2, [r5], #2\n"                                                                                              \
    "strd r4, r5, [sp, #" EL_UNIT_AT "]\n"                                                                             \
    "cmp r4, r11\n"                                                                                                    \
    "bne 2b\n"                                                                                                         \
    "add sp, sp, #" EL_FRAME "\n"                                                                                      \
    "pop {r4-r11, pc}\n"                                                                                               \
    ".purgem el_widen\n"                                                                                               \
    ".purgem el_offsets\n"                                                                                             \
    ".purgem el_end\n"                                                                                                 \
    ".purgem el_column\n"                                                                                              \
    ".purgem el_four_columns\n"                                                                                        \
    ".purgem el_sum\n"                                                                                                 \
    ".purgem el_requantise\n"                                                                                          \
    ".purgem el_part\n"                                                                                                \
    ".purgem el_sigmoid\n"

/* clang-format on */

#endif
