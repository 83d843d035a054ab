/* The assembly that the kernels for cores with the DSP extension are made of, as text of C.
 *
 * What asks for a shape is decided by the assembler (.if, .rept), so the instructions of a step are the same from every
 * compiler at every level. Sums need all registers, so pointers wait on the stack meanwhile.
 *
 *   r0 r1 r2 r3   sums, then pre-activations, then gates: i f g o
 *   r4..r7        codes, weights   after the sums: c, h, end of the stream, table of sigma
 *   r8..r11       weights          after the sums: multipliers, then the two rounding constants and two spare
 *   r12 lr        next word of the stream, next word of codes
 *
 * Loads and stores of words may be unaligned on these cores, LDM, STM and LDRD may not. */
#ifndef EL_DSP_ASM_H
#define EL_DSP_ASM_H

#include "el_dsp.h"

#define EL_DSP_TEXT(x) EL_DSP_TEXT_(x)
#define EL_DSP_TEXT_(x) #x

/* The scratch of a layer: h, then x, each padded to words. What the padding holds meets weights of zero. */
#define EL_DSP_PAIRS(codes) "((" EL_DSP_TEXT(codes) " + 1) / 2)"

/* Frame, from sp: c, h, end of stream, table, two rounding constants, scratch, end of the codes a sum runs over. */
#define EL_DSP_FRAME "{r4-r11}"
#define EL_DSP_UNIT_FRAME "{r4-r9, lr}"
#define EL_DSP_SCRATCH_AT "24"
#define EL_DSP_END_AT "28"

/* In: layer, state. Out: the frame's registers, r10 being the scratch. */
#define EL_DSP_ENTER                                                                                                   \
    "push {r4-r11, lr}\n"                                                                                              \
    "ldm r1, {r4, r5, r10}\n"                                                                                          \
    "ldr r0, [r0, #4]\n"                                                                                               \
    "ldm r0, {r6-r9, r12}\n"

/* Where sums over so many words of the scratch end. */
#define EL_DSP_END(to, words)                                                                                          \
    "movw " to ", #4 * (" words ")\n"                                                                                  \
    "add " to ", " to ", r10\n"

/* Copy `count` codes to where lr points, and move lr behind them. */
#define EL_DSP_COPY_QUAD(from)                                                                                         \
    "ldr r0, [" from "], #4\n"                                                                                         \
    "ldr r1, [" from "], #4\n"                                                                                         \
    "ldr r3, [" from "], #4\n"                                                                                         \
    "ldr r4, [" from "], #4\n"                                                                                         \
    "stm lr!, {r0, r1, r3, r4}\n"
#define EL_DSP_COPY(from, count)                                                                                       \
    ".if " EL_DSP_TEXT(count) " / 8 > 4\n"                                                                             \
    "movw r11, #" EL_DSP_TEXT(count) " / 8\n"                                                                          \
    "7:\n" EL_DSP_COPY_QUAD(from)                                                                                      \
    "subs r11, r11, #1\n"                                                                                              \
    "bne 7b\n"                                                                                                         \
    ".else\n"                                                                                                          \
    ".rept " EL_DSP_TEXT(count) " / 8\n" EL_DSP_COPY_QUAD(from) ".endr\n"                                              \
    ".endif\n"                                                                                                         \
    ".rept " EL_DSP_TEXT(count) " % 8 / 2\n"                                                                           \
    "ldr r0, [" from "], #4\n"                                                                                         \
    "str r0, [lr], #4\n"                                                                                               \
    ".endr\n"                                                                                                          \
    ".if " EL_DSP_TEXT(count) " % 2\n"                                                                                 \
    "ldrh r0, [" from "]\n"                                                                                            \
    "str r0, [lr], #4\n"                                                                                               \
    ".endif\n"

/* Macros of the assembler: C99 compilers need not take strings as long as what they stand for. They end with the
 * function. A load fills the registers that are free, so weights may wait for their codes: those of two columns in
 * r10 r11, or of four in r8..r11.
 *
 *   el_pair      two columns of four rows: a word of rows i and f, a word of rows g and o, a word of codes
 *   el_first     biases, columns that are too few for a group of eight, and the weights that wait then, into `ahead`
 *   el_eight     eight columns; weights of two wait before, of four after it
 *   el_sixteen   sixteen columns; weights of four wait before and after it
 *   el_sum       all columns: groups one after the other, or where that would be long, passes of 64 columns; what waits
 *                in the end is no weights but the four words behind them */
#define EL_DSP_MACROS                                                                                                  \
    ".macro el_pair i_f, g_o, codes\n"                                                                                 \
    "smlad r1, \\i_f, \\codes, r1\n"                                                                                   \
    "smlad r3, \\g_o, \\codes, r3\n"                                                                                   \
    "sxtb16 \\i_f, \\i_f\n"                                                                                            \
    "sxtb16 \\g_o, \\g_o\n"                                                                                            \
    "smlad r0, \\i_f, \\codes, r0\n"                                                                                   \
    "smlad r2, \\g_o, \\codes, r2\n"                                                                                   \
    ".endm\n"                                                                                                          \
    ".macro el_first ahead\n"                                                                                          \
    ".if .Lwords % 4 == 0\n"                                                                                           \
    "ldm r12!, {r0-r3, \\ahead}\n"                                                                                     \
    ".elseif .Lwords % 4 == 1\n"                                                                                       \
    "ldr r4, [lr], #4\n"                                                                                               \
    "ldm r12!, {r0-r3, r6, r7, \\ahead}\n"                                                                             \
    "el_pair r6, r7, r4\n"                                                                                             \
    ".elseif .Lwords % 4 == 2\n"                                                                                       \
    "ldm lr!, {r4, r5}\n"                                                                                              \
    "ldm r12!, {r0-r3, r6-r9}\n"                                                                                       \
    "el_pair r6, r7, r4\n"                                                                                             \
    "el_pair r8, r9, r5\n"                                                                                             \
    "ldm r12!, {\\ahead}\n"                                                                                            \
    ".else\n"                                                                                                          \
    "ldm lr!, {r4-r6}\n"                                                                                               \
    "ldm r12!, {r0-r3, r8-r11}\n"                                                                                      \
    "el_pair r8, r9, r4\n"                                                                                             \
    "el_pair r10, r11, r5\n"                                                                                           \
    "ldm r12!, {r4, r5, \\ahead}\n"                                                                                    \
    "el_pair r4, r5, r6\n"                                                                                             \
    ".endif\n"                                                                                                         \
    ".endm\n"                                                                                                          \
    ".macro el_eight\n"                                                                                                \
    "ldm lr!, {r4-r7}\n"                                                                                               \
    "el_pair r10, r11, r4\n"                                                                                           \
    "ldm r12!, {r8-r11}\n"                                                                                             \
    "el_pair r8, r9, r5\n"                                                                                             \
    "el_pair r10, r11, r6\n"                                                                                           \
    "ldm r12!, {r4, r5, r8-r11}\n"                                                                                     \
    "el_pair r4, r5, r7\n"                                                                                             \
    ".endm\n"                                                                                                          \
    ".macro el_sixteen\n"                                                                                              \
    "ldm lr!, {r4-r7}\n"                                                                                               \
    "el_pair r8, r9, r4\n"                                                                                             \
    "el_pair r10, r11, r5\n"                                                                                           \
    "ldm r12!, {r4, r5, r8-r11}\n"                                                                                     \
    "el_pair r4, r5, r6\n"                                                                                             \
    "el_pair r8, r9, r7\n"                                                                                             \
    "el_eight\n"                                                                                                       \
    ".endm\n"                                                                                                          \
    ".macro el_sum\n"                                                                                                  \
    ".set .Lpasses, .Lwords / 4 > 13\n"                                                                                \
    ".set .Lgroups, .Lwords / 4\n"                                                                                     \
    ".if .Lpasses\n"                                                                                                   \
    ".set .Lgroups, .Lwords / 4 % 8\n"                                                                                 \
    ".endif\n"                                                                                                         \
    ".if .Lgroups % 2\n"                                                                                               \
    "el_first r10-r11\n"                                                                                               \
    "el_eight\n"                                                                                                       \
    ".else\n"                                                                                                          \
    "el_first r8-r11\n"                                                                                                \
    ".endif\n"                                                                                                         \
    ".rept .Lgroups / 2\n"                                                                                             \
    "el_sixteen\n"                                                                                                     \
    ".endr\n"                                                                                                          \
    ".if .Lpasses\n"                                                                                                   \
    "2:\n"                                                                                                             \
    ".rept 4\n"                                                                                                        \
    "el_sixteen\n"                                                                                                     \
    ".endr\n"                                                                                                          \
    "ldr r4, [sp, #.Lend]\n"                                                                                           \
    "cmp lr, r4\n"                                                                                                     \
    "bne 2b\n"                                                                                                         \
    ".endif\n"                                                                                                         \
    ".endm\n"
#define EL_DSP_END_MACROS                                                                                              \
    ".purgem el_pair\n"                                                                                                \
    ".purgem el_first\n"                                                                                               \
    ".purgem el_eight\n"                                                                                               \
    ".purgem el_sixteen\n"                                                                                             \
    ".purgem el_sum\n"

/* Sums over `words` words of codes, which end where [sp, end] says; multipliers in r8..r11. */
#define EL_DSP_SUM(words, end)                                                                                         \
    ".set .Lwords, " words "\n"                                                                                        \
    ".set .Lend, " end "\n"                                                                                            \
    "el_sum\n"

/* Sums of pairs -> sums of rows times a power of two, so that m << k with k in 0..23 requantises each: i and g times
 * 2^up, f and o times 2^(8 - down). */
#define EL_DSP_PART(up, down)                                                                                          \
    "sub r1, r1, r0\n"                                                                                                 \
    "sub r3, r3, r2\n"                                                                                                 \
    ".if " EL_DSP_TEXT(up) "\n"                                                                                        \
    "lsl r0, r0, #" EL_DSP_TEXT(up) "\n"                                                                               \
    "lsl r2, r2, #" EL_DSP_TEXT(up) "\n"                                                                               \
    ".endif\n"                                                                                                         \
    ".if " EL_DSP_TEXT(down) "\n"                                                                                      \
    "asr r1, r1, #" EL_DSP_TEXT(down) "\n"                                                                             \
    "asr r3, r3, #" EL_DSP_TEXT(down) "\n"                                                                             \
    ".endif\n"

/* Sums and multipliers -> pre-activations, not yet saturated. */
#define EL_DSP_REQUANTISE                                                                                              \
    "smmul r0, r0, r8\n"                                                                                               \
    "smmul r1, r1, r9\n"                                                                                               \
    "smmul r2, r2, r10\n"                                                                                              \
    "smmul r3, r3, r11\n"

/* z -> 4 sat16(z), which leaves 3 more at the upper limit: too little to matter to the slope of 1 there. |z| < 2^29. */
#define EL_DSP_SATURATE                                                                                                \
    "ssat r0, #18, r0, lsl #2\n"                                                                                       \
    "ssat r1, #18, r1, lsl #2\n"                                                                                       \
    "ssat r2, #18, r2, lsl #2\n"                                                                                       \
    "ssat r3, #18, r3, lsl #2\n"

/* 4 z -> sigma(z) in the low half, anything in the high half. In pairs, for a load takes two cycles to arrive. */
#define EL_DSP_SIGMOID(z)                                                                                              \
    "asr r10, " z ", #11\n"                                                                                            \
    "ldr r10, [r7, r10, lsl #2]\n"                                                                                     \
    "smlawt " z ", " z ", r10, r10\n"
#define EL_DSP_SIGMOIDS(z, y)                                                                                          \
    "asr r10, " z ", #11\n"                                                                                            \
    "asr r11, " y ", #11\n"                                                                                            \
    "ldr r10, [r7, r10, lsl #2]\n"                                                                                     \
    "ldr r11, [r7, r11, lsl #2]\n"                                                                                     \
    "smlawt " z ", " z ", r10, r10\n"                                                                                  \
    "smlawt " y ", " y ", r11, r11\n"

/* The rest of a unit: 4 z in r0..r3 -> c and h, stored. Then back to label 1 for the next unit. tanh y is
 * 2 (sigma(2 y) - 1/2); the doubling is one bit less of the shift that follows. `to_hidden` takes o t in r0 to h. */
#define EL_DSP_UNIT(to_hidden)                                                                                         \
    "ldm sp, " EL_DSP_UNIT_FRAME "\n" EL_DSP_SIGMOIDS("r0", "r2") EL_DSP_SIGMOIDS("r1", "r3")                          \
    "ldr r10, [r4]\n"                                                                                                  \
    "sub r2, r2, #16384\n"                                                                                             \
    "smulbb r0, r0, r2\n"                                                                                              \
    "smulwb r10, r10, r1\n"                                                                                            \
    "add r0, r10, r0, asr #7\n"                                                                                        \
    "ssat r0, #31, r0, lsl #1\n"                                                                                       \
    "str r0, [r4], #4\n"                                                                                               \
    "smmulr r0, r0, r8\n"                                                                                              \
    "ssat r0, #18, r0, lsl #2\n" EL_DSP_SIGMOID("r0")                                                                  \
    "sub r0, r0, #16384\n"                                                                                             \
    "smlabb r0, r3, r0, r9\n" to_hidden "strh r0, [r5], #2\n"                                                          \
    "strd r4, r5, [sp]\n"                                                                                              \
    "cmp r12, r6\n"                                                                                                    \
    "bne 1b\n"

#endif
