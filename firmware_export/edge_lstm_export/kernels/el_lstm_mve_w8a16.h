/* One LSTM layer, int8 weights and int16 activations, MVE. Included once a layer, see EL_LAYER in model.c.
 *
 * Scratch: x and h side by side in vectors of sixteen bytes, the columns of a group split into b, then a; what padding
 * holds meets weights of zero. Columns that are left over, eight at most, stay whole. */
#include "el_mve_asm.h"

#ifndef EL_MVE_W8A16_MACROS

#define EL_MVE_W8A16_MACROS EL_MVE_MACROS EL_MVE_WIDE_MACROS
#define EL_MVE_W8A16_END_MACROS EL_MVE_END_WIDE_MACROS EL_MVE_END_MACROS

/* x and h into the scratch, then bytes of sixteen codes at a time, the low ones less 128. */
#define EL_MVE_W8A16_COPY(features, units, split)                                                                      \
    "mov r3, r6\n" EL_MVE_COPY("r2", features, "vstrh.16", "#16")                                                      \
    "movw r7, #2 * " EL_MVE_TEXT(features) "\n"                                                                        \
    "add r3, r6, r7\n"                                                                                                 \
    "mov r7, r5\n" EL_MVE_COPY("r7", units, "vstrh.16", "#16") EL_MVE_SPLIT(split)

/* z = (m (b + 256 a)) >> s, as the high word of a product with m << 31 - s, doubled. */
#define EL_MVE_W8A16_REQUANTISE                                                                                        \
    "stm sp, {r0, r2, r4, r6, r8, r10, r12, lr}\n"                                                                     \
    "vldrw.u32 q0, [sp]\n"                                                                                             \
    "vldrw.u32 q1, [sp, #16]\n"                                                                                        \
    "vmla.s32 q0, q1, r9\n"                                                                                            \
    "vldrw.u32 q1, [r1], #16\n"                                                                                        \
    "vqdmulh.s32 q0, q0, q1\n"

#endif

__attribute__((naked, noinline)) static void EL_LAYER(step)(const el_layer *layer EL_MVE_IN_REGISTER,
                                                            const el_layer_state *state EL_MVE_IN_REGISTER,
                                                            const int16_t *x EL_MVE_IN_REGISTER)
{
    /* clang-format off */
    __asm__(EL_MVE_ENTER
            EL_MVE_W8A16_COPY(EL_LAYER_FEATURES, EL_LAYER_UNITS, EL_LAYER_SPLIT)
            EL_MVE_SETTLE(EL_LAYER_UNITS));
    /* Goes on: C promises no longer strings. */
    __asm__(EL_MVE_W8A16_MACROS
            "1: el_keep " EL_MVE_TEXT(EL_LAYER_KEPT) "\n"
            "movs r7, #4\n"
            "3:\n"
            ".rept 2\n"
            "ldm r1!, {r0, r2, r4, r6}\n"
            "el_split vmladav, q5, q4\n"
#if EL_LAYER_SPLIT > 1
            "el_split vmladava, q7, q6\n"
#endif
#if EL_LAYER_KEPT == 6
            "el_split vmladava, q3, q2\n"
#elif EL_LAYER_SPLIT > 2
            "el_times " EL_MVE_TEXT(EL_LAYER_SPLIT) "-2, el_next_split\n"
#endif
#if EL_LAYER_WHOLE && EL_LAYER_SPLIT > 2
            "vldrw.u32 q2, [r3]\n"
#endif
#if EL_LAYER_WHOLE && EL_LAYER_SPLIT == 1
            "el_whole q6\n"
#elif EL_LAYER_WHOLE
            "el_whole q2\n"
#endif
#if EL_LAYER_SPLIT > 2 && EL_LAYER_KEPT != 6
            "ldr r3, [sp, #60]\n"
#endif
            EL_MVE_W8A16_REQUANTISE
            EL_MVE_PUT_Z
            ".endr\n"
            "subs r7, r7, #1\n"
            "bne.w 3b\n"
            EL_MVE_BLOCK_END(EL_LAYER_UNITS, EL_LAYER_HIDDEN_BITS, "")
            EL_MVE_LEAVE
            EL_MVE_W8A16_END_MACROS);
    /* clang-format on */
}
