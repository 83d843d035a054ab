/* Pieces of an LSTM step for Cortex-M0 and M0+, in assembly; el_lstm_armv6m_<scheme>.h joins them, once a layer.
 *
 * A layer's constants are one stream, unit by unit and within a unit block by block (w8a16: over x and h; w8a8: over x,
 * then over h): three biases A U B, a word P a column, then shift and multiplier of the gates i f g o, a byte each. P
 * holds the four gates' weights, a byte each, plus 128. With v the codes, widened to words in the scratch, the sums are
 *
 *   A = sum of P v      U = sum of (P >> 16) v      B = sum of rev(P) v      (modulo 2^32)
 *
 * and since every row stays below 2^23, el_part gets the four rows from the three sums.
 *
 *   r0-r5  at work      r6  codes      r7  stream      r8 r9 r10  A U B      r11  middle of el_sigmoid_lines
 *   r12, lr            end of the looped columns of the first and the second block
 */
#ifndef EL_LSTM_ARMV6M_H
#define EL_LSTM_ARMV6M_H

#include "el_native.h"
#include "el_sigmoid_lines.h"

#ifndef __thumb__
#error "the kernel set armv6m is for Arm cores in Thumb state (Cortex-M0, M0+); export for this core's board"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* head->constants: one stream, as a layer's, of the rows four by four. */
void el_head_armv6m(const el_head *head, const int16_t *h, int16_t *y);

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
#define EL_CELL_AT     "0"  /* where the next unit's cell state is */
#define EL_HIDDEN_AT   "4"  /* what half that address, once past the unit, lacks to that of its hidden state */
#define EL_CELL_END_AT "8"
#define EL_CODES_AT    "12"
#define EL_FIRST_AT    "16" /* -128 times the sum of the block's codes, as it weighs in U, and in A and B */
#define EL_SECOND_AT   "24" /* the same of the second block */
#define EL_FRAME       "32"

/* el_widen count   codes at r2 -> words at r6, both advanced; r3 += their sum */
#define EL_WIDEN_MACROS                                                                                                \
    ".macro el_widen_pair at\n"                                                                                        \
    "ldrh r0, [r2, #\\at]\n"                                                                                           \
    "ldrh r1, [r2, #\\at+2]\n"                                                                                         \
    "sxth r0, r0\n"                                                                                                    \
    "sxth r1, r1\n"                                                                                                    \
    "adds r3, r0\n"                                                                                                    \
    "adds r3, r1\n"                                                                                                    \
    "stmia r6!, {r0, r1}\n"                                                                                            \
    ".endm\n"                                                                                                          \
    ".macro el_widen count\n"                                                                                          \
    ".if \\count >= 8\n"                                                                                               \
    "ldr r0, =2 * (\\count / 4 * 4)\n"                                                                                 \
    "adds r0, r2\n"                                                                                                    \
    "mov r12, r0\n"                                                                                                    \
    ".endif\n"                                                                                                         \
    ".if \\count >= 4\n"                                                                                               \
    "1:\n"                                                                                                             \
    "el_widen_pair 0\n"                                                                                                \
    "el_widen_pair 4\n"                                                                                                \
    "adds r2, #8\n"                                                                                                    \
    ".endif\n"                                                                                                         \
    ".if \\count >= 8\n"                                                                                               \
    "cmp r2, r12\n"                                                                                                    \
    "bne 1b\n"                                                                                                         \
    ".endif\n"                                                                                                         \
    ".if \\count % 4 / 2\n"                                                                                            \
    "el_widen_pair 0\n"                                                                                                \
    "adds r2, #4\n"                                                                                                    \
    ".endif\n"                                                                                                         \
    ".if \\count % 2\n"                                                                                                \
    "ldrh r0, [r2]\n"                                                                                                  \
    "sxth r0, r0\n"                                                                                                    \
    "adds r3, r0\n"                                                                                                    \
    "stmia r6!, {r0}\n"                                                                                                \
    ".endif\n"                                                                                                         \
    ".endm\n"

/* el_offsets at              r3, the sum of a block's codes -> minus what the 128 in every byte of P adds to the sums
 * el_end end before columns  where the loop over a block's columns ends, if there is one; its codes lie `before` words
 *                            into the scratch */
#define EL_BLOCK_MACROS                                                                                                \
    ".macro el_offsets at\n"                                                                                           \
    "lsls r0, r3, #7\n"                                                                                                \
    "lsls r1, r3, #15\n"                                                                                               \
    "adds r0, r1\n"                                                                                                    \
    "negs r0, r0\n"                                                                                                    \
    "str r0, [sp, #\\at]\n"                                                                                            \
    "lsls r1, r0, #16\n"                                                                                               \
    "adds r1, r0\n"                                                                                                    \
    "str r1, [sp, #\\at+4]\n"                                                                                          \
    ".endm\n"                                                                                                          \
    ".macro el_end end, before, columns\n"                                                                             \
    ".if (\\columns) >= 24\n"                                                                                          \
    "ldr r0, [sp, #" EL_CODES_AT "]\n"                                                                                 \
    "ldr r1, =4 * (\\before + (\\columns) / 12 * 12)\n"                                                                \
    "adds r0, r1\n"                                                                                                    \
    "mov \\end, r0\n"                                                                                                  \
    ".endif\n"                                                                                                         \
    ".endm\n"

/* el_sum columns at end   a block's sums: `at` is where the stack holds its offsets, `end` the end of its loop */
#define EL_SUM_MACROS                                                                                                  \
    ".macro el_column v, p\n"                                                                                          \
    "lsrs r5, \\p, #16\n"                                                                                              \
    "muls r5, \\v\n"                                                                                                   \
    "add r9, r5\n"                                                                                                     \
    "rev r5, \\p\n"                                                                                                    \
    "muls r5, \\v\n"                                                                                                   \
    "add r10, r5\n"                                                                                                    \
    "muls \\p, \\v\n"                                                                                                  \
    "add r8, \\p\n"                                                                                                    \
    ".endm\n"                                                                                                          \
    ".macro el_six_columns\n"                                                                                          \
    "ldmia r6!, {r0, r1, r2}\n"                                                                                        \
    "ldmia r7!, {r3, r4}\n"                                                                                            \
    "el_column r0, r3\n"                                                                                               \
    "el_column r1, r4\n"                                                                                               \
    "ldmia r7!, {r3, r4}\n"                                                                                            \
    "el_column r2, r3\n"                                                                                               \
    "ldmia r6!, {r0, r1, r2}\n"                                                                                        \
    "el_column r0, r4\n"                                                                                               \
    "ldmia r7!, {r3, r4}\n"                                                                                            \
    "el_column r1, r3\n"                                                                                               \
    "el_column r2, r4\n"                                                                                               \
    ".endm\n"                                                                                                          \
    ".macro el_sum columns, at, end\n"                                                                                 \
    "ldr r3, [sp, #\\at]\n"                                                                                            \
    "ldr r4, [sp, #\\at+4]\n"                                                                                          \
    "ldmia r7!, {r0, r1, r2}\n"                                                                                        \
    "adds r0, r4\n"                                                                                                    \
    "adds r1, r3\n"                                                                                                    \
    "adds r2, r4\n"                                                                                                    \
    "mov r8, r0\n"                                                                                                     \
    "mov r9, r1\n"                                                                                                     \
    "mov r10, r2\n"                                                                                                    \
    ".if (\\columns) >= 12\n"                                                                                          \
    "1:\n"                                                                                                             \
    "el_six_columns\n"                                                                                                 \
    "el_six_columns\n"                                                                                                 \
    ".endif\n"                                                                                                         \
    ".if (\\columns) >= 24\n"                                                                                          \
    "cmp r6, \\end\n"                                                                                                  \
    "bne 1b\n"                                                                                                         \
    ".endif\n"                                                                                                         \
    ".if (\\columns) % 12 >= 6\n"                                                                                      \
    "el_six_columns\n"                                                                                                 \
    ".endif\n"                                                                                                         \
    ".rept (\\columns) % 6 / 2\n"                                                                                      \
    "ldmia r6!, {r0, r1}\n"                                                                                            \
    "ldmia r7!, {r3, r4}\n"                                                                                            \
    "el_column r0, r3\n"                                                                                               \
    "el_column r1, r4\n"                                                                                               \
    ".endr\n"                                                                                                          \
    ".if (\\columns) % 2\n"                                                                                            \
    "ldmia r6!, {r0}\n"                                                                                                \
    "ldmia r7!, {r3}\n"                                                                                                \
    "el_column r0, r3\n"                                                                                               \
    ".endif\n"                                                                                                         \
    ".endm\n"

/* el_part   A U B -> the rows of i f g o in r4 r0 r3 r1, requantised; r6 is kept. Letters as in kernel_sets/braid.py */
#define EL_PART_MACROS                                                                                                 \
    ".macro el_requantise z, at\n"                                                                                     \
    "ldrb r2, [r7, #\\at+1]\n"                                                                                         \
    "muls \\z, r2\n"                                                                                                   \
    "ldrb r2, [r7, #\\at]\n"                                                                                           \
    "asrs \\z, r2\n"                                                                                                   \
    ".endm\n"                                                                                                          \
    ".macro el_part\n"                                                                                                 \
    "mov r0, r8\n"                                                                                                     \
    "mov r1, r9\n"                                                                                                     \
    "mov r2, r10\n"                                                                                                    \
    "lsls r3, r1, #16\n"                                                                                               \
    "subs r0, r3\n" /* T */                                                                                            \
    "lsls r3, r1, #8\n"                                                                                                \
    "subs r2, r3\n"                                                                                                    \
    "lsls r4, r0, #24\n"                                                                                               \
    "subs r2, r4\n" /* Q */                                                                                            \
    "lsls r4, r2, #16\n"                                                                                               \
    "subs r3, r4\n"                                                                                                    \
    "asrs r3, #8\n" /* S_2 */                                                                                          \
    "subs r1, r3\n"                                                                                                    \
    "asrs r1, #8\n" /* S_3 */                                                                                          \
    "subs r2, r1\n"                                                                                                    \
    "lsls r4, r1, #16\n"                                                                                               \
    "adds r2, r4\n" /* R */                                                                                            \
    "lsls r4, r0, #8\n"                                                                                                \
    "subs r4, r2\n"                                                                                                    \
    "asrs r4, #8\n" /* S_0 */                                                                                          \
    "subs r0, r4\n"                                                                                                    \
    "asrs r0, #8\n" /* S_1 */                                                                                          \
    "el_requantise r4, 0\n"                                                                                            \
    "el_requantise r0, 2\n"                                                                                            \
    "el_requantise r3, 4\n"                                                                                            \
    "el_requantise r1, 6\n"                                                                                            \
    "adds r7, #8\n"                                                                                                    \
    ".endm\n"

/* el_sigmoid z   saturates z to 16 bits first; r2 and r5 are lost */
#define EL_SIGMOID_MACROS                                                                                              \
    ".macro el_sigmoid z\n"                                                                                            \
    "sxth r2, \\z\n"                                                                                                   \
    "cmp r2, \\z\n"                                                                                                    \
    "beq 1f\n"                                                                                                         \
    "asrs \\z, #31\n"                                                                                                  \
    "ldr r2, =0x7fff\n"                                                                                                \
    "eors \\z, r2\n"                                                                                                   \
    "1:\n"                                                                                                             \
    "asrs r2, \\z, #9\n"                                                                                               \
    "lsls r2, #2\n"                                                                                                    \
    "add r2, r11\n"                                                                                                    \
    "ldrh r5, [r2, #2]\n"                                                                                              \
    "ldrh r2, [r2]\n"                                                                                                  \
    "muls \\z, r5\n"                                                                                                   \
    "asrs \\z, #9\n"                                                                                                   \
    "adds \\z, r2\n"                                                                                                   \
    ".endm\n"

#define EL_ENTER                                                                                                       \
    ".syntax unified\n"                                                                                                \
    EL_WIDEN_MACROS EL_BLOCK_MACROS EL_SUM_MACROS EL_PART_MACROS EL_SIGMOID_MACROS                                     \
    "push {r4-r7, lr}\n"                                                                                               \
    "mov r4, r8\n"                                                                                                     \
    "mov r5, r9\n"                                                                                                     \
    "mov r6, r10\n"                                                                                                    \
    "mov r7, r11\n"                                                                                                    \
    "push {r4-r7}\n"                                                                                                   \
    "sub sp, #" EL_FRAME "\n"                                                                                          \
    "ldr r7, [r0, #4]\n" /* layer->constants */                                                                        \
    "ldr r4, [r1]\n" /* state->c */                                                                                    \
    "ldr r5, [r1, #4]\n" /* state->h */                                                                                \
    "ldr r6, [r1, #8]\n" /* state->work */                                                                             \
    "str r4, [sp, #" EL_CELL_AT "]\n"                                                                                  \
    "str r6, [sp, #" EL_CODES_AT "]\n"                                                                                 \
    "lsrs r0, r4, #1\n"                                                                                                \
    "subs r0, r5, r0\n"                                                                                                \
    "subs r0, #2\n"                                                                                                    \
    "str r0, [sp, #" EL_HIDDEN_AT "]\n"                                                                                \
    "ldr r0, =4 * " EL_ASM_UNITS "\n"                                                                                  \
    "adds r0, r4\n"                                                                                                    \
    "str r0, [sp, #" EL_CELL_END_AT "]\n"                                                                              \
    "movs r3, #0\n"

/* The start of the loop over units, "2". */
#define EL_UNITS_BEGIN                                                                                                 \
    "ldr r0, =el_sigmoid_lines + 256\n"                                                                                \
    "mov r11, r0\n"                                                                                                    \
    "b 2f\n"                                                                                                           \
    ".ltorg\n"                                                                                                         \
    "2:\n"                                                                                                             \
    "ldr r6, [sp, #" EL_CODES_AT "]\n"

/* Pre-activations of i f g o in r4 r0 r3 r1 -> the unit's cell state, stored, its end in r4; h in r3.
 * tanh(y) is 2 sigmoid(2 y) - 1; here it is halved, and so one bit less is shifted out of what it multiplies. */
#define EL_UPDATE                                                                                                      \
    "el_sigmoid r4\n"                                                                                                  \
    "el_sigmoid r0\n"                                                                                                  \
    "el_sigmoid r3\n"                                                                                                  \
    "el_sigmoid r1\n"                                                                                                  \
    "ldr r6, =16384\n"                                                                                                 \
    "subs r3, r6\n"                                                                                                    \
    "muls r3, r4\n"                                                                                                    \
    "asrs r3, #7\n"                                                                                                    \
    "ldr r4, [sp, #" EL_CELL_AT "]\n"                                                                                  \
    "ldr r2, [r4]\n"                                                                                                   \
    "asrs r5, r2, #16\n"                                                                                               \
    "uxth r2, r2\n"                                                                                                    \
    "muls r5, r0\n" /* f c, 15 x 15 bits above, 15 x 16 below */                                                       \
    "muls r2, r0\n"                                                                                                    \
    "lsrs r2, #16\n"                                                                                                   \
    "adds r5, r2\n"                                                                                                    \
    "adds r5, r3\n"                                                                                                    \
    "adds r5, r5\n"                                                                                                    \
    "adds r2, r5, r5\n" /* overflows where the cell state is beyond +-2^30 */                                          \
    "bvc 1f\n"                                                                                                         \
    "asrs r5, #31\n"                                                                                                   \
    "ldr r2, =0x3fffffff\n"                                                                                            \
    "eors r5, r2\n"                                                                                                    \
    "1:\n"                                                                                                             \
    "stmia r4!, {r5}\n"                                                                                                \
    "str r4, [sp, #" EL_CELL_AT "]\n"                                                                                  \
    "asrs r3, r5, #9\n"                                                                                                \
    "adds r3, #1\n"                                                                                                    \
    "asrs r3, #1\n"                                                                                                    \
    "el_sigmoid r3\n"                                                                                                  \
    "subs r3, r6\n"                                                                                                    \
    "muls r3, r1\n"                                                                                                    \
    "asrs r3, #28 - " EL_ASM_HIDDEN_BITS "\n"                                                                          \
    "adds r3, #1\n"                                                                                                    \
    "asrs r3, #1\n"

/* h in r3, to where half the end of its cell state says. */
#define EL_UNITS_END                                                                                                   \
    "lsrs r0, r4, #1\n"                                                                                                \
    "ldr r2, [sp, #" EL_HIDDEN_AT "]\n"                                                                                \
    "strh r3, [r0, r2]\n"                                                                                              \
    "ldr r2, [sp, #" EL_CELL_END_AT "]\n"                                                                              \
    "cmp r4, r2\n"                                                                                                     \
    "beq 1f\n"                                                                                                         \
    "b 2b\n"                                                                                                           \
    "1:\n"                                                                                                             \
    "add sp, #" EL_FRAME "\n"                                                                                          \
    "pop {r0-r3}\n"                                                                                                    \
    "mov r8, r0\n"                                                                                                     \
    "mov r9, r1\n"                                                                                                     \
    "mov r10, r2\n"                                                                                                    \
    "mov r11, r3\n"                                                                                                    \
    "pop {r4-r7, pc}\n"                                                                                                \
    ".ltorg\n"                                                                                                         \
    ".purgem el_widen_pair\n"                                                                                          \
    ".purgem el_widen\n"                                                                                               \
    ".purgem el_offsets\n"                                                                                             \
    ".purgem el_end\n"                                                                                                 \
    ".purgem el_column\n"                                                                                              \
    ".purgem el_six_columns\n"                                                                                         \
    ".purgem el_sum\n"                                                                                                 \
    ".purgem el_requantise\n"                                                                                          \
    ".purgem el_part\n"                                                                                                \
    ".purgem el_sigmoid\n"

/* clang-format on */

#endif
