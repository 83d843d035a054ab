/* The assembly that MVE kernels are made of, as text of C.
 *
 *   r1   next byte of the stream         r0 r2 r4 r6      sums of gates i f g o
 *   r3   scratch, from its 5th vector    r8 r10 r12 lr    more sums of i f g o: of high bytes, or over h
 *   r5   where the next z goes           q0 q1            weights
 *   r7   pairs of units to do            q4-q7 q2 q3      codes: the first vectors of the scratch stay in registers for
 *   r9   256                                              a block of units, all if they are few, else those in q4-q7
 *   r11  count of a loop
 *
 * Sums are in even registers because VMLADAVA takes no others. It takes all eight of them, so loops count with SUBS and
 * not with LE. Shapes are told by the preprocessor and the assembler, so a step has the same instructions from every
 * compiler at every level. The frame, from sp, in bytes:
 *
 *   0    sums (8) int32
 *   32   c, h, end of c, -16384, 2^24, slopes, bases; 60: scratch, from its 5th vector
 *   64   z (8 units, 4) int16
 */
#ifndef EL_MVE_ASM_H
#define EL_MVE_ASM_H

#include "el_mve.h"

#define EL_MVE_TEXT(x) EL_MVE_TEXT_(x)
#define EL_MVE_TEXT_(x) #x

#define EL_MVE_IN_REGISTER __attribute__((unused)) /* by C: assembly finds them in r0, r1, r2 */

typedef char el_mve_layer_layout[offsetof(el_layer, constants) == 4 ? 1 : -1];
typedef char el_mve_state_layout
    [offsetof(el_layer_state, c) == 0 && offsetof(el_layer_state, h) == 4 && offsetof(el_layer_state, work) == 8 ? 1
                                                                                                                 : -1];

/* In: layer r0, state r1, x r2. Out: c r4, h r5, scratch r6, stream r1. */
#define EL_MVE_ENTER                                                                                                   \
    "push {r3-r11, lr}\n"                                                                                              \
    "vpush {d8-d15}\n"                                                                                                 \
    "sub sp, sp, #128\n"                                                                                               \
    "ldm r1, {r4, r5, r6}\n"                                                                                           \
    "ldr r1, [r0, #4]\n"
#define EL_MVE_LEAVE                                                                                                   \
    "add sp, sp, #128\n"                                                                                               \
    "vpop {d8-d15}\n"                                                                                                  \
    "pop {r3-r11, pc}\n"

/* Copy codes to where r3 points: the halfwords "vstrh.16", "#16", or their low bytes "vstrb.16", "#8". */
#define EL_MVE_COPY(from, count, store, step)                                                                          \
    "movw r8, #" EL_MVE_TEXT(count) "\n"                                                                               \
    "dlstp.16 lr, r8\n"                                                                                                \
    "7: vldrh.u16 q0, [" from "], #16\n" store " q0, [r3], " step "\n"                                                 \
    "letp lr, 7b\n"

/* Sixteen codes at a time from r6 on, so many times, to their bytes: the low ones less 128, then the high ones. */
#define EL_MVE_SPLIT(split)                                                                                            \
    "mov r3, r6\n"                                                                                                     \
    "movs r7, #128\n"                                                                                                  \
    "movw lr, #" EL_MVE_TEXT(split) "\n"                                                                               \
    "dls lr, lr\n"                                                                                                     \
    "7: vld20.8 {q0, q1}, [r3]\n"                                                                                      \
    "vld21.8 {q0, q1}, [r3]\n"                                                                                         \
    "vadd.i8 q0, q0, r7\n"                                                                                             \
    "vstrb.8 q0, [r3], #16\n"                                                                                          \
    "vstrb.8 q1, [r3], #16\n"                                                                                          \
    "le lr, 7b\n"

/* What stays the same from block to block. */
#define EL_MVE_SETTLE(units)                                                                                           \
    "add.w r3, r6, #64\n"                                                                                              \
    "mov r0, r4\n"                                                                                                     \
    "mov r2, r5\n"                                                                                                     \
    "movw r4, #4 * " EL_MVE_TEXT(units) "\n"                                                                           \
    "add r4, r4, r0\n"                                                                                                 \
    "movw r6, #0xc000\n"                                                                                               \
    "mov.w r8, #0x1000000\n"                                                                                           \
    "movw r12, #:lower16:el_mve_sigmoid\n"                                                                             \
    "movt r12, #:upper16:el_mve_sigmoid\n"                                                                             \
    "add.w r10, r12, #256\n"                                                                                           \
    "add r5, sp, #32\n"                                                                                                \
    "stm r5!, {r0, r2, r4, r6, r8, r10, r12}\n"                                                                        \
    "str r3, [sp, #60]\n"                                                                                              \
    "add r5, sp, #64\n"                                                                                                \
    "mov.w r9, #256\n"

/* el_keep: the first vectors of codes into registers.
 * el_times: something so many times; eight are one after the other, more are a loop.
 * el_two_sigmas: of two vectors of pre-activations, in place; loads wait beside arithmetic.
 * el_sigma: of one vector. */
#define EL_MVE_MACROS                                                                                                  \
    ".macro el_keep count\n"                                                                                           \
    "vldrw.u32 q4, [r3, #-64]\n"                                                                                       \
    ".if \\count > 1\nvldrw.u32 q5, [r3, #-48]\n.endif\n"                                                              \
    ".if \\count > 2\nvldrw.u32 q6, [r3, #-32]\n.endif\n"                                                              \
    ".if \\count > 3\nvldrw.u32 q7, [r3, #-16]\n.endif\n"                                                              \
    ".if \\count > 4\nvldrw.u32 q2, [r3]\n.endif\n"                                                                    \
    ".if \\count > 5\nvldrw.u32 q3, [r3, #16]\n.endif\n"                                                               \
    ".endm\n"                                                                                                          \
    ".macro el_times count, what\n"                                                                                    \
    ".if (\\count) > 15\n"                                                                                             \
    "movw r11, #(\\count) / 8\n"                                                                                       \
    "2:\n"                                                                                                             \
    ".rept 8\n\\what\n.endr\n"                                                                                         \
    "subs r11, r11, #1\n"                                                                                              \
    "bne.w 2b\n"                                                                                                       \
    ".rept (\\count) % 8\n\\what\n.endr\n"                                                                             \
    ".else\n"                                                                                                          \
    ".rept (\\count)\n\\what\n.endr\n"                                                                                 \
    ".endif\n"                                                                                                         \
    ".endm\n"                                                                                                          \
    ".macro el_sigma z, k, y\n"                                                                                        \
    "vshr.u16 \\k, \\z, #9\n"                                                                                          \
    "vldrh.u16 \\y, [r10, \\k, uxtw #1]\n"                                                                             \
    "vshl.i16 \\z, \\z, #7\n"                                                                                          \
    "vmulh.u16 \\z, \\z, \\y\n"                                                                                        \
    "vldrh.u16 \\y, [r12, \\k, uxtw #1]\n"                                                                             \
    "vadd.i16 \\z, \\z, \\y\n"                                                                                         \
    ".endm\n"                                                                                                          \
    ".macro el_two_sigmas z, w\n"                                                                                      \
    "vshr.u16 q4, \\z, #9\n"                                                                                           \
    "vldrh.u16 q5, [r10, q4, uxtw #1]\n"                                                                               \
    "vshl.i16 \\z, \\z, #7\n"                                                                                          \
    "vshr.u16 q6, \\w, #9\n"                                                                                           \
    "vldrh.u16 q7, [r10, q6, uxtw #1]\n"                                                                               \
    "vmulh.u16 \\z, \\z, q5\n"                                                                                         \
    "vldrh.u16 q5, [r12, q4, uxtw #1]\n"                                                                               \
    "vshl.i16 \\w, \\w, #7\n"                                                                                          \
    "vadd.i16 \\z, \\z, q5\n"                                                                                          \
    "vmulh.u16 \\w, \\w, q7\n"                                                                                         \
    "vldrh.u16 q7, [r12, q6, uxtw #1]\n"                                                                               \
    "vadd.i16 \\w, \\w, q7\n"                                                                                          \
    ".endm\n"
#define EL_MVE_END_MACROS                                                                                              \
    ".purgem el_keep\n"                                                                                                \
    ".purgem el_times\n"                                                                                               \
    ".purgem el_sigma\n"                                                                                               \
    ".purgem el_two_sigmas\n"

/* Over int16 codes. el_split: sums over sixteen columns; the first of a begin with vmladav, from nothing.
 * el_next_split: the same with the next codes of the scratch.
 * el_whole: sums over eight columns. */
#define EL_MVE_WIDE_MACROS                                                                                             \
    ".macro el_split mac, a, b\n"                                                                                      \
    "vldrb.u8 q0, [r1], #16\n"                                                                                         \
    "\\mac\\().s8 r8, q0, \\a\n"                                                                                       \
    "vldrb.u8 q1, [r1], #16\n"                                                                                         \
    "vmladava.s8 r0, q0, \\b\n"                                                                                        \
    "\\mac\\().s8 r10, q1, \\a\n"                                                                                      \
    "vldrb.u8 q0, [r1], #16\n"                                                                                         \
    "vmladava.s8 r2, q1, \\b\n"                                                                                        \
    "\\mac\\().s8 r12, q0, \\a\n"                                                                                      \
    "vldrb.u8 q1, [r1], #16\n"                                                                                         \
    "vmladava.s8 r4, q0, \\b\n"                                                                                        \
    "\\mac\\().s8 lr, q1, \\a\n"                                                                                       \
    "vmladava.s8 r6, q1, \\b\n"                                                                                        \
    ".endm\n"                                                                                                          \
    ".macro el_next_split\n"                                                                                           \
    "vldrw.u32 q2, [r3], #16\n"                                                                                        \
    "vldrw.u32 q3, [r3], #16\n"                                                                                        \
    "el_split vmladava, q3, q2\n"                                                                                      \
    ".endm\n"                                                                                                          \
    ".macro el_whole codes\n"                                                                                          \
    "vldrb.s16 q0, [r1], #8\n"                                                                                         \
    "vldrb.s16 q1, [r1], #8\n"                                                                                         \
    "vmladava.s16 r0, q0, \\codes\n"                                                                                   \
    "vldrb.s16 q0, [r1], #8\n"                                                                                         \
    "vmladava.s16 r2, q1, \\codes\n"                                                                                   \
    "vldrb.s16 q1, [r1], #8\n"                                                                                         \
    "vmladava.s16 r4, q0, \\codes\n"                                                                                   \
    "vmladava.s16 r6, q1, \\codes\n"                                                                                   \
    ".endm\n"
#define EL_MVE_END_WIDE_MACROS                                                                                         \
    ".purgem el_split\n"                                                                                               \
    ".purgem el_next_split\n"                                                                                          \
    ".purgem el_whole\n"

/* Over int8 codes: sums over sixteen columns. */
#define EL_MVE_NARROW_MACROS                                                                                           \
    ".macro el_bytes codes, i, f, g, o\n"                                                                              \
    "vldrb.u8 q0, [r1], #16\n"                                                                                         \
    "vldrb.u8 q1, [r1], #16\n"                                                                                         \
    "vmladava.s8 \\i, q0, \\codes\n"                                                                                   \
    "vldrb.u8 q0, [r1], #16\n"                                                                                         \
    "vmladava.s8 \\f, q1, \\codes\n"                                                                                   \
    "vldrb.u8 q1, [r1], #16\n"                                                                                         \
    "vmladava.s8 \\g, q0, \\codes\n"                                                                                   \
    "vmladava.s8 \\o, q1, \\codes\n"                                                                                   \
    ".endm\n"
#define EL_MVE_END_NARROW_MACROS ".purgem el_bytes\n"

/* q0, pre-activations of a unit, saturated to where z goes. */
#define EL_MVE_PUT_Z                                                                                                   \
    "vqmovnb.s32 q0, q0\n"                                                                                             \
    "vstrh.32 q0, [r5], #8\n"

/* Cells q4 q5 and hidden states q1 q2 of eight units, to r0 and r2; then on to the next block, at 1, if c is not at its
 * end in r4. Of a last block that is not whole nothing is written beyond. */
#define EL_MVE_STORE(units)                                                                                            \
    ".if " EL_MVE_TEXT(units) " % 8\n"                                                                                 \
    "subs r10, r4, r0\n"                                                                                               \
    "asrs r10, r10, #2\n"                                                                                              \
    "vctp.32 r10\n"                                                                                                    \
    "vpstt\n"                                                                                                          \
    "vstrwt.32 q4, [r0], #16\n"                                                                                        \
    "vstrht.32 q1, [r2], #8\n"                                                                                         \
    "sub.w r10, r10, #4\n"                                                                                             \
    "usat r10, #16, r10\n"                                                                                             \
    "vctp.32 r10\n"                                                                                                    \
    "vpstt\n"                                                                                                          \
    "vstrwt.32 q5, [r0], #16\n"                                                                                        \
    "vstrht.32 q2, [r2], #8\n"                                                                                         \
    ".else\n"                                                                                                          \
    "vstrw.32 q4, [r0], #16\n"                                                                                         \
    "vstrh.32 q1, [r2], #8\n"                                                                                          \
    "vstrw.32 q5, [r0], #16\n"                                                                                         \
    "vstrh.32 q2, [r2], #8\n"                                                                                          \
    ".endif\n"                                                                                                         \
    "strd r0, r2, [sp, #32]\n"                                                                                         \
    "cmp r0, r4\n"                                                                                                     \
    "blo.w 1b\n"

/* h to eight bits. */
#define EL_MVE_NARROW_H                                                                                                \
    "vqshl.s32 q1, q1, #24\n"                                                                                          \
    "vqshl.s32 q2, q2, #24\n"                                                                                          \
    "vshr.s32 q1, q1, #24\n"                                                                                           \
    "vshr.s32 q2, q2, #24\n"

/* Eight units, from z to the new cell and hidden state, stored. i g is of g / 2, and so is o t: tanh(y) / 2 =
 * sigma(2 y) - 1/2. Of a last block that is not whole, c is read beyond its end, where h and the scratch are. */
#define EL_MVE_BLOCK_END(units, hidden_bits, saturate)                                                                 \
    "add r0, sp, #32\n"                                                                                                \
    "ldm r0, {r0, r2, r4, r6, r8, r10, r12}\n"                                                                         \
    "subs r5, r5, #64\n"                                                                                               \
    "vld40.16 {q0, q1, q2, q3}, [r5]\n"                                                                                \
    "vld41.16 {q0, q1, q2, q3}, [r5]\n"                                                                                \
    "vld42.16 {q0, q1, q2, q3}, [r5]\n"                                                                                \
    "vld43.16 {q0, q1, q2, q3}, [r5]\n"                                                                                \
    "el_two_sigmas q0, q2\n"                                                                                           \
    "el_two_sigmas q1, q3\n"                                                                                           \
    "vldrw.u32 q4, [r0]\n"                                                                                             \
    "vshllb.s16 q6, q1, #15\n"                                                                                         \
    "vldrw.u32 q5, [r0, #16]\n"                                                                                        \
    "vshllt.s16 q7, q1, #15\n"                                                                                         \
    "vqdmulh.s32 q4, q4, q6\n" /* f c >> 16 */                                                                         \
    "vadd.i16 q2, q2, r6\n"                                                                                            \
    "vqdmulh.s32 q5, q5, q7\n"                                                                                         \
    "vmullb.s16 q6, q0, q2\n"                                                                                          \
    "vmullt.s16 q7, q0, q2\n"                                                                                          \
    "vqdmlah.s32 q4, q6, r8\n" /* + (i g >> 7) */                                                                      \
    "vqdmlah.s32 q5, q7, r8\n"                                                                                         \
    "vqshl.s32 q4, q4, #2\n" /* twice that, clamped to 31 bits */                                                      \
    "vqshl.s32 q5, q5, #2\n"                                                                                           \
    "vshr.s32 q4, q4, #1\n"                                                                                            \
    "vshr.s32 q5, q5, #1\n"                                                                                            \
    "vqrshrnb.s32 q0, q4, #10\n"                                                                                       \
    "vqrshrnt.s32 q0, q5, #10\n"                                                                                       \
    "el_sigma q0, q1, q2\n"                                                                                            \
    "vadd.i16 q0, q0, r6\n"                                                                                            \
    "vmullb.s16 q1, q3, q0\n"                                                                                          \
    "vmullt.s16 q2, q3, q0\n"                                                                                          \
    "vrshr.s32 q1, q1, #29 - " EL_MVE_TEXT(hidden_bits) "\n"                                                           \
    "vrshr.s32 q2, q2, #29 - " EL_MVE_TEXT(hidden_bits) "\n" saturate EL_MVE_STORE(units)

#endif
