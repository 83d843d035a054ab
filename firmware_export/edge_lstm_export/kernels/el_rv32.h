/* RV32IM(C): what the kernels have in common, as assembly.
 *
 * Constants of a layer are one stream of words, unit by unit: for each block of four rows 4 biases, (columns) words of
 * 4 int8 weights, a word of 4 multipliers, a word of 4 shifts; gates i f g o. A kernel reads it from end to end. The
 * stream of a head is the same, four outputs at a time.
 *
 * Weights are loaded one by one: a load is as short as a shift that would take one out of a word, and of the arithmetic
 * there is nothing to share. So a column is one code, and 4 x (load, multiply, add). */
#ifndef EL_RV32_H
#define EL_RV32_H

#include "el_asm.h"
#include "el_native.h"
#include "el_sigmoid.h"

#ifdef __cplusplus
extern "C" {
#endif

void el_lstm_rv32_w8a16(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_lstm_rv32_w8a8(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_head_rv32(const el_head *head, const int16_t *h, int16_t *y);

#ifdef __cplusplus
}
#endif

/* Members as the assembly finds them. */
#define EL_RV32_CONSTANTS 4 /* el_layer */
#define EL_RV32_FEATURES 8
#define EL_RV32_UNITS 10
#define EL_RV32_HIDDEN_BITS 12
#define EL_RV32_STATE_C 0 /* el_layer_state */
#define EL_RV32_STATE_H 4
#define EL_RV32_WORK 8

typedef char el_rv32_needs_members[offsetof(el_layer, constants) == EL_RV32_CONSTANTS &&
                                           offsetof(el_layer, features) == EL_RV32_FEATURES &&
                                           offsetof(el_layer, units) == EL_RV32_UNITS &&
                                           offsetof(el_layer, hidden_bits) == EL_RV32_HIDDEN_BITS &&
                                           offsetof(el_layer_state, c) == EL_RV32_STATE_C &&
                                           offsetof(el_layer_state, h) == EL_RV32_STATE_H &&
                                           offsetof(el_layer_state, work) == EL_RV32_WORK
                                       ? 1
                                       : -1];

/* Registers. Arguments arrive in a0 (layer), a1 (state), a2 (x). */
#define rv_stream a0 /* constants not yet read */
#define rv_code a1
#define rv_i a2 /* sums, then pre-activations, then gates */
#define rv_f a3
#define rv_g a4
#define rv_o a5
#define rv_c s0       /* cell state of the unit */
#define rv_column s1  /* next code */
#define rv_first s2   /* where columns begin, less what the first pass skips */
#define rv_end s3     /* behind the last code */
#define rv_entry s4   /* where the first pass begins */
#define rv_skipped s5 /* bytes of weights that the first pass skips */
#define rv_cell s6    /* state of this unit */
#define rv_hidden s7
#define rv_last s8  /* behind the cell state of the last unit */
#define rv_table s9 /* segment of z = 0 */
#define rv_drop s10 /* bits of o t that h drops, and half a step of h */
#define rv_half s11
#define rv_most t4 /* 32767, -32768 */
#define rv_least t5
#define rv_one_half t6 /* 1/2 in Q0.15 */
#define rv_over a6     /* cell limits, before the doubling */
#define rv_under a7

/* Registers that the caller keeps, and its return address. */
#define EL_RV32_FRAME 64
#define EL_RV32_SAVED(move)                                                                                            \
    EL_ASM(move s0, 0(sp))                                                                                             \
    EL_ASM(move s1, 4(sp))                                                                                             \
    EL_ASM(move s2, 8(sp))                                                                                             \
    EL_ASM(move s3, 12(sp))                                                                                            \
    EL_ASM(move s4, 16(sp))                                                                                            \
    EL_ASM(move s5, 20(sp))                                                                                            \
    EL_ASM(move s6, 24(sp))                                                                                            \
    EL_ASM(move s7, 28(sp))                                                                                            \
    EL_ASM(move s8, 32(sp))                                                                                            \
    EL_ASM(move s9, 36(sp))                                                                                            \
    EL_ASM(move s10, 40(sp))                                                                                           \
    EL_ASM(move s11, 44(sp))                                                                                           \
    EL_ASM(move ra, 48(sp))

/* A kernel begins and ends. `norelax`: what a linker may shorten would not be what was counted. */
#define EL_RV32_BEGIN                                                                                                  \
    EL_ASM(.option push)                                                                                               \
    EL_ASM(.option norelax)                                                                                            \
    EL_ASM(addi sp, sp, -EL_RV32_FRAME)                                                                                \
    EL_RV32_SAVED(sw)                                                                                                  \
    EL_ASM(li rv_most, 32767)                                                                                          \
    EL_ASM(li rv_least, -32768)

#define EL_RV32_RETURN                                                                                                 \
    EL_RV32_SAVED(lw)                                                                                                  \
    EL_ASM(addi sp, sp, EL_RV32_FRAME)                                                                                 \
    EL_ASM(ret)

#define EL_RV32_END EL_ASM(.option pop)

/* In: layer, state. Out: the registers above but those of columns; t0 units, t1 features, t3 scratch. */
#define EL_RV32_LAYER                                                                                                  \
    EL_ASM(lhu t0, EL_RV32_UNITS(a0))                                                                                  \
    EL_ASM(lhu t1, EL_RV32_FEATURES(a0))                                                                               \
    EL_ASM(lbu t2, EL_RV32_HIDDEN_BITS(a0))                                                                            \
    EL_ASM(lw rv_cell, EL_RV32_STATE_C(a1))                                                                            \
    EL_ASM(lw rv_hidden, EL_RV32_STATE_H(a1))                                                                          \
    EL_ASM(lw t3, EL_RV32_WORK(a1))                                                                                    \
    EL_ASM(lw rv_stream, EL_RV32_CONSTANTS(a0))                                                                        \
    EL_ASM(slli rv_last, t0, 2)                                                                                        \
    EL_ASM(add rv_last, rv_last, rv_cell)                                                                              \
    EL_ASM(li rv_drop, 29)                                                                                             \
    EL_ASM(sub rv_drop, rv_drop, t2)                                                                                   \
    EL_ASM(li rv_half, 1)                                                                                              \
    EL_ASM(sll rv_half, rv_half, rv_drop)                                                                              \
    EL_ASM(srli rv_half, rv_half, 1)                                                                                   \
    EL_ASM(li rv_one_half, 16384)                                                                                      \
    EL_ASM(li rv_over, 1 << 29)                                                                                        \
    EL_ASM(neg rv_under, rv_over)                                                                                      \
    EL_ASM(lla rv_table, %[segments] + 256)

/* Copy `count` codes, at least one; `from` and `to` move behind them. */
#define EL_RV32_COPY(to, from, count)                                                                                  \
    EL_ASM(slli t2, count, 1)                                                                                          \
    EL_ASM(add t2, t2, from)                                                                                           \
    "1:\n"                                                                                                             \
    EL_ASM(lh rv_code, 0(from))                                                                                        \
    EL_ASM(addi from, from, 2)                                                                                         \
    EL_ASM(sh rv_code, 0(to))                                                                                          \
    EL_ASM(addi to, to, 2)                                                                                             \
    EL_ASM(bne from, t2, 1b)

/* Registers of columns for `count` codes from `codes` on. Eight columns a pass: the first pass is entered where as many
 * are left as do not fill a pass. Spoils t2 and rv_code. */
#define EL_RV32_COLUMNS(codes, count)                                                                                  \
    EL_ASM(slli rv_end, count, 1)                                                                                      \
    EL_ASM(add rv_end, rv_end, codes)                                                                                  \
    EL_ASM(neg t2, count)                                                                                              \
    EL_ASM(andi t2, t2, 7)                                                                                             \
    EL_ASM(slli rv_skipped, t2, 1)                                                                                     \
    EL_ASM(sub rv_first, codes, rv_skipped)                                                                            \
    EL_ASM(slli rv_skipped, t2, 2)                                                                                     \
    EL_ASM(lla rv_entry, 70f)                                                                                          \
    EL_ASM(lla rv_code, 71f)                                                                                           \
    EL_ASM(sub rv_code, rv_code, rv_entry)                                                                             \
    EL_ASM(mul rv_code, rv_code, t2)                                                                                   \
    EL_ASM(add rv_entry, rv_entry, rv_code)

#define EL_RV32_COLUMN(k)                                                                                              \
    EL_ASM(lh rv_code, 2*k(rv_column))                                                                                 \
    EL_ASM(lb t0, 16+4*k(rv_stream))                                                                                   \
    EL_ASM(lb t1, 17+4*k(rv_stream))                                                                                   \
    EL_ASM(lb t2, 18+4*k(rv_stream))                                                                                   \
    EL_ASM(lb t3, 19+4*k(rv_stream))                                                                                   \
    EL_ASM(mul t0, t0, rv_code)                                                                                        \
    EL_ASM(mul t1, t1, rv_code)                                                                                        \
    EL_ASM(mul t2, t2, rv_code)                                                                                        \
    EL_ASM(mul t3, t3, rv_code)                                                                                        \
    EL_ASM(add rv_i, rv_i, t0)                                                                                         \
    EL_ASM(add rv_f, rv_f, t1)                                                                                         \
    EL_ASM(add rv_g, rv_g, t2)                                                                                         \
    EL_ASM(add rv_o, rv_o, t3)

/* rv_i..rv_o = (multiplier * (weights v + bias)) >> shift of the next four rows of the stream. Spoils t0..t3. */
#define EL_RV32_ROWS                                                                                                   \
    EL_ASM(lw rv_i, 0(rv_stream))                                                                                      \
    EL_ASM(lw rv_f, 4(rv_stream))                                                                                      \
    EL_ASM(lw rv_g, 8(rv_stream))                                                                                      \
    EL_ASM(lw rv_o, 12(rv_stream))                                                                                     \
    EL_ASM(mv rv_column, rv_first)                                                                                     \
    EL_ASM(sub rv_stream, rv_stream, rv_skipped)                                                                       \
    EL_ASM(jr rv_entry)                                                                                                \
    "70:\n" EL_RV32_COLUMN(0)                                                                                          \
    "71:\n" EL_RV32_COLUMN(1)                                                                                          \
    EL_RV32_COLUMN(2)                                                                                                  \
    EL_RV32_COLUMN(3)                                                                                                  \
    EL_RV32_COLUMN(4)                                                                                                  \
    EL_RV32_COLUMN(5)                                                                                                  \
    EL_RV32_COLUMN(6)                                                                                                  \
    EL_RV32_COLUMN(7)                                                                                                  \
    EL_ASM(addi rv_column, rv_column, 16)                                                                              \
    EL_ASM(addi rv_stream, rv_stream, 32)                                                                              \
    EL_ASM(bne rv_column, rv_end, 70b)                                                                                 \
    EL_ASM(lbu t0, 16(rv_stream))                                                                                      \
    EL_ASM(lbu t1, 17(rv_stream))                                                                                      \
    EL_ASM(lbu t2, 18(rv_stream))                                                                                      \
    EL_ASM(lbu t3, 19(rv_stream))                                                                                      \
    EL_ASM(mul rv_i, rv_i, t0)                                                                                         \
    EL_ASM(mul rv_f, rv_f, t1)                                                                                         \
    EL_ASM(mul rv_g, rv_g, t2)                                                                                         \
    EL_ASM(mul rv_o, rv_o, t3)                                                                                         \
    EL_ASM(lbu t0, 20(rv_stream))                                                                                      \
    EL_ASM(lbu t1, 21(rv_stream))                                                                                      \
    EL_ASM(lbu t2, 22(rv_stream))                                                                                      \
    EL_ASM(lbu t3, 23(rv_stream))                                                                                      \
    EL_ASM(sra rv_i, rv_i, t0)                                                                                         \
    EL_ASM(sra rv_f, rv_f, t1)                                                                                         \
    EL_ASM(sra rv_g, rv_g, t2)                                                                                         \
    EL_ASM(sra rv_o, rv_o, t3)                                                                                         \
    EL_ASM(addi rv_stream, rv_stream, 24)

#define EL_RV32_CLAMP(v, most, least)                                                                                  \
    EL_ASM(ble v, most, 1f)                                                                                            \
    EL_ASM(mv v, most)                                                                                                 \
    "1:\n"                                                                                                             \
    EL_ASM(bge v, least, 1f)                                                                                           \
    EL_ASM(mv v, least)                                                                                                \
    "1:\n"

/* v = sigmoid(sat16(v)). */
#define EL_RV32_SIGMOID(v)                                                                                             \
    EL_RV32_CLAMP(v, rv_most, rv_least)                                                                                \
    EL_ASM(srai t0, v, 9)                                                                                              \
    EL_ASM(slli t0, t0, 2)                                                                                             \
    EL_ASM(add t0, t0, rv_table)                                                                                       \
    EL_ASM(lhu t1, 2(t0))                                                                                              \
    EL_ASM(lhu t0, 0(t0))                                                                                              \
    EL_ASM(andi v, v, 511)                                                                                             \
    EL_ASM(mul v, v, t1)                                                                                               \
    EL_ASM(srli v, v, 9)                                                                                               \
    EL_ASM(add v, v, t0)

/* Pre-activations -> cell state, stored, and rv_o = h. The halves of g and tanh c are what is kept: 2 sigma - 1 is
 * doubled by one bit less of the shift that follows. (f << 16) c >> 32 is (f c) >> 16. */
#define EL_RV32_UNIT                                                                                                   \
    EL_ASM(lw rv_c, 0(rv_cell))                                                                                        \
    EL_RV32_SIGMOID(rv_i)                                                                                              \
    EL_RV32_SIGMOID(rv_f)                                                                                              \
    EL_RV32_SIGMOID(rv_g)                                                                                              \
    EL_RV32_SIGMOID(rv_o)                                                                                              \
    EL_ASM(slli rv_f, rv_f, 16)                                                                                        \
    EL_ASM(mulh rv_c, rv_c, rv_f)                                                                                      \
    EL_ASM(sub rv_g, rv_g, rv_one_half)                                                                                \
    EL_ASM(mul rv_i, rv_i, rv_g)                                                                                       \
    EL_ASM(srai rv_i, rv_i, 7)                                                                                         \
    EL_ASM(add rv_i, rv_i, rv_c)                                                                                       \
    EL_ASM(slli rv_c, rv_i, 1)                                                                                         \
    EL_ASM(blt rv_i, rv_over, 1f)                                                                                      \
    EL_ASM(slli rv_c, rv_over, 1)                                                                                      \
    EL_ASM(addi rv_c, rv_c, -1)                                                                                        \
    "1:\n"                                                                                                             \
    EL_ASM(bge rv_i, rv_under, 1f)                                                                                     \
    EL_ASM(slli rv_c, rv_under, 1)                                                                                     \
    "1:\n"                                                                                                             \
    EL_ASM(sw rv_c, 0(rv_cell))                                                                                        \
    EL_ASM(addi rv_c, rv_c, 512)                                                                                       \
    EL_ASM(srai rv_c, rv_c, 10)                                                                                        \
    EL_RV32_SIGMOID(rv_c)                                                                                              \
    EL_ASM(sub rv_c, rv_c, rv_one_half)                                                                                \
    EL_ASM(mul rv_o, rv_o, rv_c)                                                                                       \
    EL_ASM(add rv_o, rv_o, rv_half)                                                                                    \
    EL_ASM(sra rv_o, rv_o, rv_drop)

/* Store rv_o and go back to label 2 for the next unit. */
#define EL_RV32_NEXT                                                                                                   \
    EL_ASM(sh rv_o, 0(rv_hidden))                                                                                      \
    EL_ASM(addi rv_hidden, rv_hidden, 2)                                                                               \
    EL_ASM(addi rv_cell, rv_cell, 4)                                                                                   \
    EL_ASM(bne rv_cell, rv_last, 2b)

#endif
