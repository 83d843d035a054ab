/* GRU layer that resets after the product, on cores with the DSP extension. Included once a layer; a step takes two
 * units at a time, whose six rows share halfwords in three pairs: n n', and z r, z' r' as an LSTM's i f, g o.
 *
 *   1   n n' over h, then over x, backwards through the scratch      d, a: wait in the frame
 *   2   z r z' r' over x, then over h, forwards                      sums of rows, in r0..r3
 *   3   gates, candidates, states
 *
 * So the pointer to the codes ends where it began. Rows over few features are plain: a word holds two columns of one. */
#include "el_asm.h"
#include "el_dsp_asm.h"

#define EL_GRU_WORDS_X EL_DSP_PAIRS(EL_LAYER_FEATURES)
#define EL_GRU_WORDS_H EL_DSP_PAIRS(EL_LAYER_UNITS)

/* Frame, from sp: d d' a a', table, half of 2^15, the second frame; which is 512, -2^23, multiplier of h, c, h, end of
 * the stream, then where the codes of x begin and end and those of h end. */
#define EL_GRU_D_AT "0"
#define EL_GRU_A_AT "8"
#define EL_GRU_STATES_AT "40"
#define EL_GRU_X_AT "52"
#define EL_GRU_H_AT "56"
#define EL_GRU_END_AT "60"
#define EL_GRU_FRAME_BYTES "64"

#define EL_GRU_ENTER                                                                                                   \
    "push {r4-r11, lr}\n"                                                                                              \
    "ldm r1, {r7, r8, r10}\n"                                                                                          \
    "ldr r0, [r0, #4]\n"                                                                                               \
    "ldm r0, {r0, r1, r4-r6, r9, r12}\n" EL_DSP_END("r11", EL_GRU_WORDS_X)                                             \
        EL_DSP_END("lr", EL_GRU_WORDS_X " + " EL_GRU_WORDS_H) "push {r4-r11, lr}\n"                                    \
                                                              "mov r3, sp\n"                                           \
                                                              "push {r0, r1, r3}\n"                                    \
                                                              "sub sp, sp, #16\n"                                      \
                                                              "mov lr, r10\n"

/* Sums of two rows, r0 of the first and r1 of both; codes r2..r5, weights r6..r9 and those that wait, r10 r11. What
 * waits in the end are the multipliers.
 *
 *   el_two      two columns
 *   el_start    biases, up to eight columns that groups leave over, and what waits then
 *   el_group    eight columns
 *   el_rows     all: groups one after the other, or where that would be long, passes of 32 columns */
#define EL_GRU_MACROS                                                                                                  \
    ".macro el_two weights, codes\n"                                                                                   \
    "smlad r1, \\weights, \\codes, r1\n"                                                                               \
    "sxtb16 \\weights, \\weights\n"                                                                                    \
    "smlad r0, \\weights, \\codes, r0\n"                                                                               \
    ".endm\n"                                                                                                          \
    ".macro el_start\n"                                                                                                \
    ".if .Lwords % 4 == 1\n"                                                                                           \
    "ldr r2, [lr, #-4]!\n"                                                                                             \
    "ldm r12!, {r0, r1, r6, r10, r11}\n"                                                                               \
    ".elseif .Lwords % 4 == 2\n"                                                                                       \
    "ldmdb lr!, {r2, r3}\n"                                                                                            \
    "ldm r12!, {r0, r1, r6, r7, r10, r11}\n"                                                                           \
    ".elseif .Lwords % 4 == 3\n"                                                                                       \
    "ldmdb lr!, {r2-r4}\n"                                                                                             \
    "ldm r12!, {r0, r1, r6-r8, r10, r11}\n"                                                                            \
    ".else\n"                                                                                                          \
    "ldmdb lr!, {r2-r5}\n"                                                                                             \
    "ldm r12!, {r0, r1, r6-r11}\n"                                                                                     \
    "el_two r9, r5\n"                                                                                                  \
    ".endif\n"                                                                                                         \
    "el_two r6, r2\n"                                                                                                  \
    ".if .Lwords % 4 != 1\n"                                                                                           \
    "el_two r7, r3\n"                                                                                                  \
    ".endif\n"                                                                                                         \
    ".if .Lwords % 4 == 3 || .Lwords % 4 == 0\n"                                                                       \
    "el_two r8, r4\n"                                                                                                  \
    ".endif\n"                                                                                                         \
    ".endm\n"                                                                                                          \
    ".macro el_group\n"                                                                                                \
    "ldmdb lr!, {r2-r5}\n"                                                                                             \
    "el_two r10, r2\n"                                                                                                 \
    "el_two r11, r3\n"                                                                                                 \
    "ldm r12!, {r6, r7, r10, r11}\n"                                                                                   \
    "el_two r6, r4\n"                                                                                                  \
    "el_two r7, r5\n"                                                                                                  \
    ".endm\n"                                                                                                          \
    ".macro el_rows\n"                                                                                                 \
    ".set .Lgroups, (.Lwords - 1) / 4\n"                                                                               \
    ".set .Lpasses, .Lgroups > 6\n"                                                                                    \
    "el_start\n"                                                                                                       \
    ".if .Lpasses\n"                                                                                                   \
    ".rept .Lgroups % 4\n"                                                                                             \
    "el_group\n"                                                                                                       \
    ".endr\n"                                                                                                          \
    "2:\n"                                                                                                             \
    ".rept 4\n"                                                                                                        \
    "el_group\n"                                                                                                       \
    ".endr\n"                                                                                                          \
    "ldr r2, [sp, #.Lend]\n"                                                                                           \
    "cmp lr, r2\n"                                                                                                     \
    "bne 2b\n"                                                                                                         \
    ".else\n"                                                                                                          \
    ".rept .Lgroups\n"                                                                                                 \
    "el_group\n"                                                                                                       \
    ".endr\n"                                                                                                          \
    ".endif\n"                                                                                                         \
    ".endm\n"
#define EL_GRU_END_MACROS                                                                                              \
    ".purgem el_two\n"                                                                                                 \
    ".purgem el_start\n"                                                                                               \
    ".purgem el_group\n"                                                                                               \
    ".purgem el_rows\n"

#define EL_GRU_SATURATE(row) "ssat " row ", #16, " row "\n"

/* Sums of a pair of rows and their multipliers -> rows. */
#define EL_GRU_PAIR                                                                                                    \
    "sub r1, r1, r0\n"                                                                                                 \
    ".if " EL_DSP_TEXT(EL_LAYER_DOWN) "\n"                                                                             \
    "asr r1, r1, #" EL_DSP_TEXT(EL_LAYER_DOWN) "\n"                                                                    \
    ".endif\n"                                                                                                         \
    "smmul r0, r0, r10\n"                                                                                              \
    "smmul r1, r1, r11\n"

/* Candidates over words of the scratch that end, downwards, where [sp, end] says. */
#define EL_GRU_CANDIDATES(words, end)                                                                                  \
    ".set .Lwords, " words "\n"                                                                                        \
    ".set .Lend, " end "\n"                                                                                            \
    "el_rows\n" EL_GRU_PAIR

#if EL_LAYER_CALM_CANDIDATES
/* No hidden state takes these rows over h to where they saturate. */
#define EL_GRU_LIMIT_D
#else
#define EL_GRU_LIMIT_D EL_GRU_SATURATE("r0") EL_GRU_SATURATE("r1")
#endif

#define EL_GRU_LIMIT_FOUR                                                                                              \
    EL_GRU_SATURATE("r0") EL_GRU_SATURATE("r1") EL_GRU_SATURATE("r2") EL_GRU_SATURATE("r3")

#if EL_LAYER_CALM_GATES
#define EL_GRU_JOIN                                                                                                    \
    "pop {r4-r7}\n"                                                                                                    \
    "smmla r0, r0, r8, r4\n"                                                                                           \
    "smmla r1, r1, r9, r5\n"                                                                                           \
    "smmla r2, r2, r10, r6\n"                                                                                          \
    "smmla r3, r3, r11, r7\n"
#else
#define EL_GRU_JOIN                                                                                                    \
    EL_DSP_REQUANTISE EL_GRU_LIMIT_FOUR "pop {r4-r7}\n"                                                                \
                                        "add r0, r0, r4\n"                                                             \
                                        "add r1, r1, r5\n"                                                             \
                                        "add r2, r2, r6\n"                                                             \
                                        "add r3, r3, r7\n"
#endif

#if EL_LAYER_PLAIN
/* Up to eight features: their codes stay in r8.. from the candidates on, the weights of a row lie in r4.. */
#if EL_LAYER_FEATURES <= 2
#define EL_GRU_CODES "ldr r8, [lr, #-4]\n"
#define EL_GRU_CANDIDATE_ROW "r2"
#define EL_GRU_FIRST_ROW "r4"
#define EL_GRU_ROW "ldr r4, [r12], #4\n"
#elif EL_LAYER_FEATURES <= 4
#define EL_GRU_CODES "ldmdb lr, {r8, r9}\n"
#define EL_GRU_CANDIDATE_ROW "r2, r3"
#define EL_GRU_FIRST_ROW "r4, r5"
#define EL_GRU_ROW "ldm r12!, {r4, r5}\n"
#elif EL_LAYER_FEATURES <= 6
#define EL_GRU_CODES "ldmdb lr, {r8-r10}\n"
#define EL_GRU_CANDIDATE_ROW "r2-r4"
#define EL_GRU_FIRST_ROW "r4-r6"
#define EL_GRU_ROW "ldm r12!, {r4-r6}\n"
#else
#define EL_GRU_CODES "ldmdb lr, {r8-r11}\n"
#define EL_GRU_CANDIDATE_ROW "r2-r5"
#define EL_GRU_FIRST_ROW "r4-r7"
#define EL_GRU_ROW "ldm r12!, {r4-r7}\n"
#endif
/* sum += weights in a.. times codes */
#define EL_GRU_DOT(sum, a, b, c, d)                                                                                    \
    "smlad " sum ", " a ", r8, " sum "\n"                                                                              \
    ".if " EL_DSP_TEXT(EL_LAYER_FEATURES) " > 2\n"                                                                     \
    "smlad " sum ", " b ", r9, " sum "\n"                                                                              \
    ".endif\n"                                                                                                         \
    ".if " EL_DSP_TEXT(EL_LAYER_FEATURES) " > 4\n"                                                                     \
    "smlad " sum ", " c ", r10, " sum "\n"                                                                             \
    ".endif\n"                                                                                                         \
    ".if " EL_DSP_TEXT(EL_LAYER_FEATURES) " > 6\n"                                                                     \
    "smlad " sum ", " d ", r11, " sum "\n"                                                                             \
    ".endif\n"
#define EL_GRU_CANDIDATES_OVER_X                                                                                       \
    EL_GRU_CODES                                                                                                       \
    "ldm r12!, {r0, r1, " EL_GRU_CANDIDATE_ROW "}\n" EL_GRU_DOT("r0", "r2", "r3", "r4", "r5")                          \
    "ldm r12!, {" EL_GRU_CANDIDATE_ROW ", r6, r7}\n" EL_GRU_DOT("r1", "r2", "r3", "r4", "r5")                          \
    "smmul r0, r0, r6\n"                                                                                               \
    "smmul r1, r1, r7\n"
#define EL_GRU_GATES_OVER_X                                                                                            \
    "ldm r12!, {r0-r3, " EL_GRU_FIRST_ROW "}\n" EL_GRU_DOT("r0", "r4", "r5", "r6", "r7")                               \
    EL_GRU_ROW EL_GRU_DOT("r1", "r4", "r5", "r6", "r7")                                                                \
    EL_GRU_ROW EL_GRU_DOT("r2", "r4", "r5", "r6", "r7")                                                                \
    EL_GRU_ROW EL_GRU_DOT("r3", "r4", "r5", "r6", "r7")                                                                \
    "ldm r12!, {r4-r7}\n"                                                                                              \
    "smmul r0, r0, r4\n"                                                                                               \
    "smmul r1, r1, r5\n"                                                                                               \
    "smmul r2, r2, r6\n"                                                                                               \
    "smmul r3, r3, r7\n"
#else
#define EL_GRU_CANDIDATES_OVER_X EL_GRU_CANDIDATES(EL_GRU_WORDS_X, EL_GRU_X_AT)
#define EL_GRU_GATES_OVER_X                                                                                            \
    EL_DSP_SUM(EL_GRU_WORDS_X, EL_GRU_H_AT) EL_DSP_PART(0, EL_LAYER_DOWN) EL_DSP_REQUANTISE
#endif

/* Sums of rows -> 4 z, as EL_DSP_SATURATE leaves it; of candidates the double. */
#define EL_GRU_Z(z) "ssat " z ", #18, " z ", lsl #2 + " EL_DSP_TEXT(EL_LAYER_SCALE_BITS) "\n"
#define EL_GRU_DOUBLE_Z(z) "ssat " z ", #18, " z ", lsl #3 + " EL_DSP_TEXT(EL_LAYER_SCALE_BITS) "\n"

/* Two at a time, because a load takes two cycles to arrive; `at` and `at_too` are spare. */
#define EL_GRU_SIGMOIDS(z, y, at, at_too)                                                                              \
    "asr " at ", " z ", #11\n"                                                                                         \
    "asr " at_too ", " y ", #11\n"                                                                                     \
    "ldr " at ", [r8, " at ", lsl #2]\n"                                                                               \
    "ldr " at_too ", [r8, " at_too ", lsl #2]\n"                                                                       \
    "smlawt " z ", " z ", " at ", " at "\n"                                                                            \
    "smlawt " y ", " y ", " at_too ", " at_too "\n"

/* Sums of rows in r0..r3 -> gates z r z' r' there, candidates in r6 r7. The second frame's address is r10. */
#define EL_GRU_GATES                                                                                                   \
    "ldm sp, {r4-r10}\n" EL_GRU_Z("r1")                                                                                \
    "asr r11, r1, #11\n"                                                                                               \
    "ldr r11, [r8, r11, lsl #2]\n" EL_GRU_Z("r3") EL_GRU_Z("r0") EL_GRU_Z("r2")                                        \
    "smlawt r1, r1, r11, r11\n"                                                                                        \
    "smlabb r1, r1, r4, r9\n"                                                                                          \
    "add r6, r6, r1, asr #15\n" EL_GRU_SIGMOIDS("r3", "r0", "r4", "r11")                                               \
    "smlabb r3, r3, r5, r9\n"                                                                                          \
    "add r7, r7, r3, asr #15\n" EL_GRU_DOUBLE_Z("r6") EL_GRU_DOUBLE_Z("r7")                                            \
    EL_GRU_SIGMOIDS("r6", "r7", "r4", "r5")                                                                            \
    "asr r4, r2, #11\n"                                                                                                \
    "ldr r4, [r8, r4, lsl #2]\n"                                                                                       \
    "ldm r10, {r1, r3, r5, r8, r9, r11}\n"                                                                             \
    "smlawt r2, r2, r4, r4\n"

/* Candidates as cells, c += 2 (z (c - n) >> 16) from n, and h of it. */
#define EL_GRU_BLEND(n, c, z)                                                                                          \
    "sub " c ", " c ", " n "\n"                                                                                        \
    "smulwb " c ", " c ", " z "\n"                                                                                     \
    "add " n ", " n ", " c ", lsl #1\n"
#define EL_GRU_STATES                                                                                                  \
    "ldrd r4, r10, [r8]\n"                                                                                             \
    "smlabb r6, r6, r1, r3\n"                                                                                          \
    "smlabb r7, r7, r1, r3\n" EL_GRU_BLEND("r6", "r4", "r0") EL_GRU_BLEND("r7", "r10", "r2")
#if EL_LAYER_NARROW
#define EL_GRU_SHOW(h, c)                                                                                              \
    "smmulr " h ", " c ", r5\n"                                                                                        \
    "ssat " h ", #8, " h "\n"
#else
#define EL_GRU_SHOW(h, c) "smmulr " h ", " c ", r5\n"
#endif

#if EL_LAYER_UNITS % 2
/* The last pair is one unit, and what lies behind it belongs to others. */
#define EL_GRU_STORE                                                                                                   \
    "str r6, [r8], #4\n" EL_GRU_SHOW("r6", "r6")                                                                       \
    "strh r6, [r9], #2\n"                                                                                              \
    "cmp r12, r11\n"                                                                                                   \
    "beq 3f\n"                                                                                                         \
    "str r7, [r8], #4\n" EL_GRU_SHOW("r7", "r7")                                                                       \
    "strh r7, [r9], #2\n"                                                                                              \
    "strd r8, r9, [sp, #" EL_GRU_STATES_AT "]\n"                                                                       \
    "b 1b\n"                                                                                                           \
    "3:\n"
#else
#define EL_GRU_STORE                                                                                                   \
    "strd r6, r7, [r8], #8\n" EL_GRU_SHOW("r6", "r6") EL_GRU_SHOW("r7", "r7")                                          \
    "strh r6, [r9], #2\n"                                                                                              \
    "strh r7, [r9], #2\n"                                                                                              \
    "strd r8, r9, [sp, #" EL_GRU_STATES_AT "]\n"                                                                       \
    "cmp r12, r11\n"                                                                                                   \
    "bne 1b\n"
#endif

EL_NAKED
__attribute__((noinline)) static void EL_LAYER(step)(const el_layer *layer, const el_layer_state *state,
                                                     const int16_t *x)
{
    /* clang-format off */
    __asm__(EL_DSP_MACROS EL_GRU_MACROS
            EL_GRU_ENTER
            EL_DSP_COPY("r2", EL_LAYER_FEATURES)
            EL_DSP_COPY("r8", EL_LAYER_UNITS)
            "1:\n"
            EL_GRU_CANDIDATES(EL_GRU_WORDS_H, EL_GRU_H_AT)
            EL_GRU_LIMIT_D
            "strd r0, r1, [sp, #" EL_GRU_D_AT "]\n"
            EL_GRU_CANDIDATES_OVER_X
            EL_GRU_SATURATE("r0") EL_GRU_SATURATE("r1")
            "strd r0, r1, [sp, #" EL_GRU_A_AT "]\n"
            EL_GRU_GATES_OVER_X
            EL_GRU_LIMIT_FOUR
            "push {r0-r3}\n"
            EL_DSP_SUM(EL_GRU_WORDS_H, "16 + " EL_GRU_END_AT)
            EL_DSP_PART(0, EL_LAYER_DOWN)
            EL_GRU_JOIN
            EL_GRU_GATES
            EL_GRU_STATES
            EL_GRU_STORE
            "add sp, sp, #" EL_GRU_FRAME_BYTES "\n"
            "pop {r4-r11, pc}\n"
            EL_GRU_END_MACROS EL_DSP_END_MACROS);
    /* clang-format on */
}

#undef EL_GRU_LIMIT_D
#undef EL_GRU_JOIN
#undef EL_GRU_CODES
#undef EL_GRU_CANDIDATE_ROW
#undef EL_GRU_FIRST_ROW
#undef EL_GRU_ROW
#undef EL_GRU_CANDIDATES_OVER_X
#undef EL_GRU_GATES_OVER_X
#undef EL_GRU_SHOW
#undef EL_GRU_STORE
