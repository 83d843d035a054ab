/* One LSTM layer, int8 weights and 8-bit activations, MVE. Included once a layer, see EL_LAYER in model.c.
 *
 * Scratch: the low bytes of x, padded to whole vectors of sixteen, then those of h. What padding holds meets weights of
 * zero. */
#include "el_mve_asm.h"

#ifndef EL_MVE_W8A8_MACROS

/* el_x, el_h: of x, of h; el_next_x, el_next_h: the next of the scratch.
 * el_kept: over a vector that stays in a register, if there are that many, of x or of h.
 * el_requantise: (m sum) >> s; as the high word of a product with m << 31 - up - s, doubled, where there is an `up`. */
#define EL_MVE_W8A8_MACROS                                                                                             \
    EL_MVE_MACROS EL_MVE_NARROW_MACROS                                                                                 \
    ".macro el_x codes\nel_bytes \\codes, r0, r2, r4, r6\n.endm\n"                                                     \
    ".macro el_h codes\nel_bytes \\codes, r8, r10, r12, lr\n.endm\n"                                                   \
    ".macro el_next_x\nvldrw.u32 q2, [r3], #16\nel_x q2\n.endm\n"                                                      \
    ".macro el_next_h\nvldrw.u32 q2, [r3], #16\nel_h q2\n.endm\n"                                                      \
    ".macro el_kept number, of_x, kept, codes\n"                                                                       \
    ".if \\number < \\of_x\nel_x \\codes\n.elseif \\number < \\kept\nel_h \\codes\n.endif\n"                           \
    ".endm\n"                                                                                                          \
    ".macro el_requantise sum, up\n"                                                                                   \
    ".if \\up < 0\n"                                                                                                   \
    "vldrb.u32 q3, [r1], #4\n"                                                                                         \
    "vmul.i32 \\sum, \\sum, q3\n"                                                                                      \
    "vldrb.s32 q3, [r1], #4\n"                                                                                         \
    "vshl.s32 \\sum, \\sum, q3\n"                                                                                      \
    ".else\n"                                                                                                          \
    ".if \\up\nvshl.i32 \\sum, \\sum, #\\up\n.endif\n"                                                                 \
    "vldrw.u32 q3, [r1], #16\n"                                                                                        \
    "vqdmulh.s32 \\sum, \\sum, q3\n"                                                                                   \
    ".endif\n"                                                                                                         \
    ".endm\n"
#define EL_MVE_W8A8_END_MACROS                                                                                         \
    ".purgem el_x\n"                                                                                                   \
    ".purgem el_h\n"                                                                                                   \
    ".purgem el_next_x\n"                                                                                              \
    ".purgem el_next_h\n"                                                                                              \
    ".purgem el_kept\n"                                                                                                \
    ".purgem el_requantise\n" EL_MVE_END_NARROW_MACROS EL_MVE_END_MACROS

/* Low bytes of x and h into the scratch. */
#define EL_MVE_W8A8_COPY(features, units, of_x)                                                                        \
    "mov r3, r6\n" EL_MVE_COPY("r2", features, "vstrb.16", "#8")                                                       \
    "movw r7, #16 * " EL_MVE_TEXT(of_x) "\n"                                                                           \
    "add r3, r6, r7\n"                                                                                                 \
    "mov r7, r5\n" EL_MVE_COPY("r7", units, "vstrb.16", "#8")

#endif

#define EL_OF_X EL_MVE_TEXT(EL_LAYER_OF_X)
#define EL_OF_H EL_MVE_TEXT(EL_LAYER_OF_H)
#define EL_KEPT(number, codes) "el_kept " #number ", " EL_OF_X ", " EL_MVE_TEXT(EL_LAYER_KEPT) ", " codes "\n"

__attribute__((naked, noinline)) static void EL_LAYER(step)(const el_layer *layer EL_MVE_IN_REGISTER,
                                                            const el_layer_state *state EL_MVE_IN_REGISTER,
                                                            const int16_t *x EL_MVE_IN_REGISTER)
{
    /* clang-format off */
    __asm__(EL_MVE_ENTER
            EL_MVE_W8A8_COPY(EL_LAYER_FEATURES, EL_LAYER_UNITS, EL_LAYER_OF_X)
            EL_MVE_SETTLE(EL_LAYER_UNITS));
    /* Goes on: C promises no longer strings. */
    __asm__(EL_MVE_W8A8_MACROS
            "1: el_keep " EL_MVE_TEXT(EL_LAYER_KEPT) "\n"
            "movs r7, #4\n"
            "3:\n"
            ".rept 2\n"
            "ldm r1!, {r0, r2, r4, r6, r8, r10, r12, lr}\n"
            EL_KEPT(0, "q4")
            EL_KEPT(1, "q5")
            EL_KEPT(2, "q6")
            EL_KEPT(3, "q7")
#if EL_LAYER_KEPT == 5
            EL_KEPT(4, "q2")
#elif EL_LAYER_OF_X > 4
            "el_times " EL_OF_X "-4, el_next_x\n"
            "el_times " EL_OF_H ", el_next_h\n"
            "ldr r3, [sp, #60]\n"
#elif EL_LAYER_OF_X + EL_LAYER_OF_H > 4
            "el_times " EL_OF_X "+" EL_OF_H "-4, el_next_h\n"
            "ldr r3, [sp, #60]\n"
#endif
            "stm sp, {r0, r2, r4, r6, r8, r10, r12, lr}\n"
            "vldrw.u32 q0, [sp]\n"
            "vldrw.u32 q1, [sp, #16]\n"
            "el_requantise q0, " EL_MVE_TEXT(EL_LAYER_UP_X) "\n"
            "el_requantise q1, " EL_MVE_TEXT(EL_LAYER_UP_H) "\n"
            "vadd.i32 q0, q0, q1\n"
            EL_MVE_PUT_Z
            ".endr\n"
            "subs r7, r7, #1\n"
            "bne.w 3b\n"
            EL_MVE_BLOCK_END(EL_LAYER_UNITS, EL_LAYER_HIDDEN_BITS, EL_MVE_NARROW_H)
            EL_MVE_LEAVE
            EL_MVE_W8A8_END_MACROS);
    /* clang-format on */
}

#undef EL_OF_X
#undef EL_OF_H
#undef EL_KEPT
