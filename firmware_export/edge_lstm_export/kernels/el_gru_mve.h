/* GRU layer that resets after the product, MVE. Included once a layer, see EL_LAYER in model.c.
 *
 * Scratch: x, then h, each in vectors of sixteen bytes as the LSTM's kernels have them: int16 codes split into b and a,
 * but for eight columns that are left over; or low bytes. Of a block of eight units the rows over x come first, then
 * those over h, each saturated; what follows takes eight units an instruction. The frame, from sp, in bytes:
 *
 *   0    sums (8) int32
 *   32   c, h, end of c, -16384, slopes, bases; 56: x in the scratch, then h, each from its 5th vector
 *   64   rows (x h, z r n, 8 units) int16
 */
#include "el_asm.h"
#include "el_mve_asm.h"

#ifndef EL_GRU_MVE_MACROS

#define EL_GRU_MVE_FRAME "160"
#define EL_GRU_MVE_X_AT "56"
#define EL_GRU_MVE_H_AT "60"

/* el_put: four rows of q0, saturated.
 * el_wide, el_narrow: the 24 rows of a block over a part of the scratch, which begins four vectors before [sp, at]: so
 * many groups of split columns and one of whole ones, or so many vectors of bytes; `kept` vectors stay in registers. */
#define EL_GRU_MVE_MACROS                                                                                              \
    EL_MVE_MACROS EL_MVE_WIDE_MACROS EL_MVE_NARROW_MACROS                                                              \
    ".macro el_put\n"                                                                                                  \
    "vldrw.u32 q1, [r1], #16\n"                                                                                        \
    "vqdmulh.s32 q0, q0, q1\n"                                                                                         \
    "vqmovnb.s32 q0, q0\n"                                                                                             \
    "vstrh.32 q0, [r5], #8\n"                                                                                          \
    ".endm\n"                                                                                                          \
    ".macro el_wide split, whole, kept, at\n"                                                                          \
    "ldr r3, [sp, #\\at]\n"                                                                                            \
    "el_keep \\kept\n"                                                                                                 \
    "movs r7, #3\n"                                                                                                    \
    "3:\n"                                                                                                             \
    ".rept 2\n"                                                                                                        \
    "ldm r1!, {r0, r2, r4, r6}\n"                                                                                      \
    ".if \\split\nel_split vmladav, q5, q4\n.endif\n"                                                                  \
    ".if \\split > 1\nel_split vmladava, q7, q6\n.endif\n"                                                             \
    ".if \\kept == 6\nel_split vmladava, q3, q2\n"                                                                     \
    ".elseif \\split > 2\nel_times \\split-2, el_next_split\n.endif\n"                                                 \
    ".if \\whole && \\split > 2\nvldrw.u32 q2, [r3]\n.endif\n"                                                         \
    ".if \\whole && \\split == 0\nel_whole q4\n"                                                                       \
    ".elseif \\whole && \\split == 1\nel_whole q6\n"                                                                   \
    ".elseif \\whole\nel_whole q2\n.endif\n"                                                                           \
    ".if \\split > 2 && \\kept != 6\nldr r3, [sp, #\\at]\n.endif\n"                                                    \
    ".if \\split\n"                                                                                                    \
    "stm sp, {r0, r2, r4, r6, r8, r10, r12, lr}\n"                                                                     \
    "vldrw.u32 q0, [sp]\n"                                                                                             \
    "vldrw.u32 q1, [sp, #16]\n"                                                                                        \
    "vmla.s32 q0, q1, r9\n"                                                                                            \
    ".else\n"                                                                                                          \
    "stm sp, {r0, r2, r4, r6}\n"                                                                                       \
    "vldrw.u32 q0, [sp]\n"                                                                                             \
    ".endif\n"                                                                                                         \
    "el_put\n"                                                                                                         \
    ".endr\n"                                                                                                          \
    "subs r7, r7, #1\n"                                                                                                \
    "bne.w 3b\n"                                                                                                       \
    ".endm\n"                                                                                                          \
    ".macro el_bytes_of codes\nel_bytes \\codes, r0, r2, r4, r6\n.endm\n"                                              \
    ".macro el_next_bytes\nvldrw.u32 q2, [r3], #16\nel_bytes_of q2\n.endm\n"                                           \
    ".macro el_narrow vectors, kept, at\n"                                                                             \
    "ldr r3, [sp, #\\at]\n"                                                                                            \
    "el_keep \\kept\n"                                                                                                 \
    "movs r7, #3\n"                                                                                                    \
    "3:\n"                                                                                                             \
    ".rept 2\n"                                                                                                        \
    "ldm r1!, {r0, r2, r4, r6}\n"                                                                                      \
    "el_bytes_of q4\n"                                                                                                 \
    ".if \\kept > 1\nel_bytes_of q5\n.endif\n"                                                                         \
    ".if \\kept > 2\nel_bytes_of q6\n.endif\n"                                                                         \
    ".if \\kept > 3\nel_bytes_of q7\n.endif\n"                                                                         \
    ".if \\kept > 4\nel_bytes_of q2\n.endif\n"                                                                         \
    ".if \\kept > 5\nel_bytes_of q3\n.endif\n"                                                                         \
    ".if \\vectors > \\kept\n"                                                                                         \
    "el_times \\vectors-\\kept, el_next_bytes\n"                                                                       \
    "ldr r3, [sp, #\\at]\n"                                                                                            \
    ".endif\n"                                                                                                         \
    "stm sp, {r0, r2, r4, r6}\n"                                                                                       \
    "vldrw.u32 q0, [sp]\n"                                                                                             \
    "el_put\n"                                                                                                         \
    ".endr\n"                                                                                                          \
    "subs r7, r7, #1\n"                                                                                                \
    "bne.w 3b\n"                                                                                                       \
    ".endm\n"
#define EL_GRU_MVE_END_MACROS                                                                                          \
    ".purgem el_put\n"                                                                                                 \
    ".purgem el_wide\n"                                                                                                \
    ".purgem el_bytes_of\n"                                                                                            \
    ".purgem el_next_bytes\n"                                                                                          \
    ".purgem el_narrow\n" EL_MVE_END_NARROW_MACROS EL_MVE_END_WIDE_MACROS EL_MVE_END_MACROS

/* In: layer r0, state r1, x r2. Out: c r4, h r5, scratch r6, stream r1. */
#define EL_GRU_MVE_ENTER                                                                                               \
    "push {r3-r11, lr}\n"                                                                                              \
    "vpush {d8-d15}\n"                                                                                                 \
    "sub sp, sp, #" EL_GRU_MVE_FRAME "\n"                                                                              \
    "ldm r1, {r4, r5, r6}\n"                                                                                           \
    "ldr r1, [r0, #4]\n"

/* Codes from where a register points into the part of the scratch at r6, the bytes of split ones apart. */
#define EL_GRU_MVE_PART(from, count, split, at)                                                                        \
    "add r3, r6, #64\n"                                                                                                \
    "str r3, [sp, #" at "]\n"                                                                                          \
    "mov r3, r6\n" EL_GRU_MVE_COPY(from, count)                                                                        \
    ".if " EL_MVE_TEXT(split) "\n" EL_MVE_SPLIT(split)                                                                 \
    ".endif\n"

#define EL_GRU_MVE_SETTLE(units)                                                                                       \
    "mov r0, r4\n"                                                                                                     \
    "mov r2, r5\n"                                                                                                     \
    "movw r4, #4 * " EL_MVE_TEXT(units) "\n"                                                                           \
    "add r4, r4, r0\n"                                                                                                 \
    "movw r6, #0xc000\n"                                                                                               \
    "movw r10, #:lower16:el_mve_sigmoid\n"                                                                             \
    "movt r10, #:upper16:el_mve_sigmoid\n"                                                                             \
    "add.w r8, r10, #256\n"                                                                                            \
    "add r5, sp, #32\n"                                                                                                \
    "stm r5, {r0, r2, r4, r6, r8, r10}\n"                                                                              \
    "add r5, sp, #64\n"                                                                                                \
    "mov.w r9, #256\n"

/* Rows of eight units -> new states. Sums saturate at 16 bits before they are scaled, which changes nothing: what
 * saturates there would do so afterwards. VQRDMULH is (r d + 2^14) >> 15. */
#define EL_GRU_MVE_BLOCK_END(units, hidden_bits, scale_bits, saturate)                                                 \
    "add r0, sp, #32\n"                                                                                                \
    "ldm r0, {r0, r2, r4, r6, r10, r12}\n"                                                                             \
    "subs r5, r5, #96\n"                                                                                               \
    "vldrh.u16 q0, [r5]\n"                                                                                             \
    "vldrh.u16 q4, [r5, #48]\n"                                                                                        \
    "vqadd.s16 q0, q0, q4\n"                                                                                           \
    "vldrh.u16 q1, [r5, #16]\n"                                                                                        \
    "vldrh.u16 q5, [r5, #64]\n"                                                                                        \
    "vqadd.s16 q1, q1, q5\n"                                                                                           \
    ".if " EL_MVE_TEXT(scale_bits) "\n"                                                                                \
    "vqshl.s16 q0, q0, #" EL_MVE_TEXT(scale_bits) "\n"                                                                 \
    "vqshl.s16 q1, q1, #" EL_MVE_TEXT(scale_bits) "\n"                                                                 \
    ".endif\n"                                                                                                         \
    "el_two_sigmas q0, q1\n"                                                                                           \
    "vldrh.u16 q2, [r5, #80]\n"                                                                                        \
    "vqrdmulh.s16 q1, q1, q2\n"                                                                                        \
    "vldrh.u16 q2, [r5, #32]\n"                                                                                        \
    "vqadd.s16 q1, q1, q2\n"                                                                                           \
    "vqshl.s16 q1, q1, #1 + " EL_MVE_TEXT(scale_bits) "\n"                                                             \
    "el_sigma q1, q2, q3\n"                                                                                            \
    "vldrw.u32 q4, [r0]\n"                                                                                             \
    "vadd.i16 q1, q1, r6\n"                                                                                            \
    "vldrw.u32 q5, [r0, #16]\n"                                                                                        \
    "vshllb.s16 q2, q1, #9\n" /* candidates, Q8.23 */                                                                  \
    "vshllt.s16 q3, q1, #9\n"                                                                                          \
    "vsub.i32 q4, q4, q2\n"                                                                                            \
    "vshllb.s16 q6, q0, #15\n"                                                                                         \
    "vsub.i32 q5, q5, q3\n"                                                                                            \
    "vshllt.s16 q7, q0, #15\n"                                                                                         \
    "vqdmulh.s32 q4, q4, q6\n" /* z (c - n) >> 16 */                                                                   \
    "vqdmulh.s32 q5, q5, q7\n"                                                                                         \
    "vshl.i32 q4, q4, #1\n"                                                                                            \
    "vshl.i32 q5, q5, #1\n"                                                                                            \
    "vadd.i32 q4, q4, q2\n"                                                                                            \
    "vadd.i32 q5, q5, q3\n"                                                                                            \
    "vrshr.s32 q1, q4, #23 - " EL_MVE_TEXT(hidden_bits) "\n"                                                           \
    "vrshr.s32 q2, q5, #23 - " EL_MVE_TEXT(hidden_bits) "\n" saturate EL_MVE_STORE(units)

#endif

#if EL_LAYER_NARROW
#define EL_GRU_MVE_COPY(from, count) EL_MVE_COPY(from, count, "vstrb.16", "#8")
#define EL_GRU_MVE_ROWS(part, at)                                                                                      \
    "el_narrow " EL_MVE_TEXT(EL_LAYER_VECTORS_##part) ", " EL_MVE_TEXT(EL_LAYER_KEPT_##part) ", " at "\n"
#define EL_GRU_MVE_H EL_MVE_NARROW_H
#else
#define EL_GRU_MVE_COPY(from, count) EL_MVE_COPY(from, count, "vstrh.16", "#16")
#define EL_GRU_MVE_ROWS(part, at)                                                                                      \
    "el_wide " EL_MVE_TEXT(EL_LAYER_SPLIT_##part) ", " EL_MVE_TEXT(EL_LAYER_WHOLE_##part) ", " EL_MVE_TEXT(            \
        EL_LAYER_KEPT_##part) ", " at "\n"
#define EL_GRU_MVE_H ""
#endif

EL_NAKED
__attribute__((noinline)) static void EL_LAYER(step)(const el_layer *layer, const el_layer_state *state,
                                                     const int16_t *x)
{
    /* clang-format off */
    __asm__(EL_GRU_MVE_MACROS
            EL_GRU_MVE_ENTER
            EL_GRU_MVE_PART("r2", EL_LAYER_FEATURES, EL_LAYER_SPLIT_X, EL_GRU_MVE_X_AT)
            "movw r7, #16 * " EL_MVE_TEXT(EL_LAYER_VECTORS_X) "\n"
            "add r6, r6, r7\n"
            "mov r2, r5\n"
            EL_GRU_MVE_PART("r2", EL_LAYER_UNITS, EL_LAYER_SPLIT_H, EL_GRU_MVE_H_AT)
            EL_GRU_MVE_SETTLE(EL_LAYER_UNITS)
            "1:\n"
            EL_GRU_MVE_ROWS(X, EL_GRU_MVE_X_AT)
            EL_GRU_MVE_ROWS(H, EL_GRU_MVE_H_AT)
            EL_GRU_MVE_BLOCK_END(EL_LAYER_UNITS, EL_LAYER_HIDDEN_BITS, EL_LAYER_SCALE_BITS, EL_GRU_MVE_H)
            "add sp, sp, #" EL_GRU_MVE_FRAME "\n"
            "vpop {d8-d15}\n"
            "pop {r3-r11, pc}\n"
            EL_GRU_MVE_END_MACROS);
    /* clang-format on */
}

#undef EL_GRU_MVE_COPY
#undef EL_GRU_MVE_ROWS
#undef EL_GRU_MVE_H
