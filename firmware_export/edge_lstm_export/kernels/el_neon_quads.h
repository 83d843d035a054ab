/* Sums of eight units by four gates over int8 codes, in two ways that read the same weights: with SDOT where the
 * processor has it, with widening multiplies where it has not. */
#ifndef EL_NEON_QUADS_H
#define EL_NEON_QUADS_H

#include "el_neon_units.h"

/* Codes that are read together; `columns` below is a multiple of it. */
#define EL_NEON_COLUMNS 8

static inline uint32_t el_whole_columns(uint32_t columns)
{
    return (columns + EL_NEON_COLUMNS - 1) / EL_NEON_COLUMNS * EL_NEON_COLUMNS;
}

enum { EL_PLANE = 16 };

/* Bytes of a plane: the high bytes of codes, or the low ones. */
static inline uint32_t el_plane(uint32_t columns)
{
    return (columns + EL_PLANE - 1) / EL_PLANE * EL_PLANE;
}

/* Codes (a multiple of 16) -> their high bytes, and from `low` on their low bytes less 128. */
static inline void el_split_codes(int8_t *high, int8_t *low, const int16_t *codes, uint32_t count)
{
#pragma GCC unroll 1
    for (uint32_t k = 0; k < count; k += EL_PLANE) {
        const int8x16x2_t bytes = vld2q_s8((const int8_t *)(codes + k));
        vst1q_s8(low + k, veorq_s8(bytes.val[0], vdupq_n_s8(-128)));
        vst1q_s8(high + k, bytes.val[1]);
    }
}

EL_INLINE void el_no_sums(el_sums *sums, int gates)
{
#pragma GCC unroll 4
    for (int gate = 0; gate < gates; gate++)
        sums[gate].val[0] = sums[gate].val[1] = vdupq_n_s32(0);
}

/* Sums over high bytes, for those over low bytes to be added. */
EL_INLINE void el_raise_sums(el_sums *sums, const int32_t *bias, int gates)
{
#pragma GCC unroll 4
    for (int gate = 0; gate < gates; gate++) {
        const el_sums b = el_load_sums(bias + EL_NEON_UNITS * gate);
        sums[gate].val[0] = vaddq_s32(b.val[0], vshlq_n_s32(sums[gate].val[0], 8));
        sums[gate].val[1] = vaddq_s32(b.val[1], vshlq_n_s32(sums[gate].val[1], 8));
    }
}

/* Codes as int8, filled up with zeros to whole columns. */
static inline void el_narrow_codes(int8_t *to, const int16_t *from, uint32_t count)
{
#pragma GCC unroll 1
    for (; count >= EL_NEON_COLUMNS; count -= EL_NEON_COLUMNS, from += EL_NEON_COLUMNS, to += EL_NEON_COLUMNS)
        vst1_s8(to, vmovn_s16(vld1q_s16(from)));
    if (count != 0) {
        vst1_s8(to, vdup_n_s8(0));
        for (uint32_t k = 0; k < count; k++)
            to[k] = (int8_t)from[k];
    }
}

/* sums (gates) += weights v; returns where the next weights are. */
typedef const int8_t *el_add(el_sums *sums, const int8_t *weights, const int8_t *v, uint32_t columns);

/* In assembly, because compilers do without the post-increment. The next weights are on their way while some are used.
 * SDOT in numbers (Arm ARM, C7.2), sums 0 to 7 += weights 16 to 23 times a quad of codes in 15, because an assembler
 * that is told of processors without it refuses its name. Operands: 8 weights, 9 where the codes are. */
#define EL_SDOT(sum, weights, quad) ".inst 0x4f8fe000 + " quad " + " weights " * 32 + " sum "\n\t"
#define EL_QUAD_0 "0x000000"
#define EL_QUAD_1 "0x200000"
#define EL_QUAD_2 "0x000800"
#define EL_QUAD_3 "0x200800"

#define EL_LOAD_IF "ld1 {v16.16b-v19.16b}, [%8], #64\n\t"
#define EL_LOAD_GO "ld1 {v20.16b-v23.16b}, [%8], #64\n\t"
#define EL_DOT_IF(quad)                                                                                                \
    EL_SDOT("0", "16", quad) EL_SDOT("1", "17", quad) EL_SDOT("2", "18", quad) EL_SDOT("3", "19", quad)
#define EL_DOT_GO(quad)                                                                                                \
    EL_SDOT("4", "20", quad) EL_SDOT("5", "21", quad) EL_SDOT("6", "22", quad) EL_SDOT("7", "23", quad)
#define EL_DOT_AND_LOAD(quad) EL_DOT_IF(quad) EL_LOAD_IF EL_DOT_GO(quad) EL_LOAD_GO
#define EL_TWO_QUADS                                                                                                   \
    "ldr d15, [%9], #8\n\t" EL_LOAD_IF EL_LOAD_GO                                                                      \
    EL_DOT_AND_LOAD(EL_QUAD_0) EL_DOT_IF(EL_QUAD_1) EL_DOT_GO(EL_QUAD_1)
#define EL_FOUR_QUADS                                                                                                  \
    "ldr q15, [%9], #16\n\t" EL_LOAD_IF EL_LOAD_GO                                                                     \
    EL_DOT_AND_LOAD(EL_QUAD_0) EL_DOT_AND_LOAD(EL_QUAD_1) EL_DOT_AND_LOAD(EL_QUAD_2)                                   \
    EL_DOT_IF(EL_QUAD_3) EL_DOT_GO(EL_QUAD_3)

#define EL_QUADS(instructions)                                                                                         \
    __asm__(instructions                                                                                               \
            : "+w"(i0), "+w"(i1), "+w"(f0), "+w"(f1), "+w"(g0), "+w"(g1), "+w"(o0), "+w"(o1), "+r"(weights), "+r"(v)   \
            :                                                                                                          \
            : "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "memory")

EL_INLINE const int8_t *el_add_dot(el_sums *sums, const int8_t *weights, const int8_t *v, uint32_t columns)
{
    register int32x4_t i0 __asm__("v0") = sums[EL_I].val[0], i1 __asm__("v1") = sums[EL_I].val[1];
    register int32x4_t f0 __asm__("v2") = sums[EL_F].val[0], f1 __asm__("v3") = sums[EL_F].val[1];
    register int32x4_t g0 __asm__("v4") = sums[EL_G].val[0], g1 __asm__("v5") = sums[EL_G].val[1];
    register int32x4_t o0 __asm__("v6") = sums[EL_O].val[0], o1 __asm__("v7") = sums[EL_O].val[1];
    for (; columns >= 16; columns -= 16)
        EL_QUADS(EL_FOUR_QUADS);
    if (columns != 0)
        EL_QUADS(EL_TWO_QUADS);
    sums[EL_I].val[0] = i0, sums[EL_I].val[1] = i1;
    sums[EL_F].val[0] = f0, sums[EL_F].val[1] = f1;
    sums[EL_G].val[0] = g0, sums[EL_G].val[1] = g1;
    sums[EL_O].val[0] = o0, sums[EL_O].val[1] = o1;
    return weights;
}

/* Two gates over a pair of quads. Two products of int8 fit 16 bits: 2 * 127 * 128 < 2^15; they are added in pairs of
 * columns, so a vector of four rows needs two sums of two rows each. Operands: 0 to 7 sums, 8 and 9 the weights of the
 * first quad and of the second, 10 and 11 their codes, 12 the way to the next weights. */
#define EL_PAIR_OF(low, high, first, second, codes, second_codes)                                                      \
    "smull v28.8h, " first ".8b, " codes ".8b\n\t"                                                                     \
    "smull2 v29.8h, " first ".16b, " codes ".16b\n\t"                                                                  \
    "smlal v28.8h, " second ".8b, " second_codes ".8b\n\t"                                                             \
    "smlal2 v29.8h, " second ".16b, " second_codes ".16b\n\t"                                                          \
    "sadalp %" low ".4s, v28.8h\n\t"                                                                                   \
    "sadalp %" high ".4s, v29.8h\n\t"
#define EL_PAIR(low, high, first, second) EL_PAIR_OF(low, high, first, second, "%10", "%11")
#define EL_ADD_PAIRS(a, b, skip)                                                                                       \
    __asm__("ld1 {v20.16b-v23.16b}, [%8], %12\n\t"                                                                     \
            "ld1 {v24.16b-v27.16b}, [%9], %12\n\t" EL_PAIR("0", "1", "v20", "v24") EL_PAIR("2", "3", "v21", "v25")     \
            EL_PAIR("4", "5", "v22", "v26") EL_PAIR("6", "7", "v23", "v27")                                            \
            : "+w"(a[0]), "+w"(a[1]), "+w"(a[2]), "+w"(a[3]), "+w"(b[0]), "+w"(b[1]), "+w"(b[2]), "+w"(b[3]),          \
              "+r"(weights), "+r"(second)                                                                              \
            : "w"(codes), "w"(second_codes), "r"(skip)                                                                 \
            : "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "memory")

EL_INLINE int8x16_t el_quad(const int8_t *v)
{
    return vreinterpretq_s8_s32(vld1q_dup_s32((const int32_t *)(const void *)v));
}

EL_INLINE el_sums el_add_pairs_of(el_sums sums, const int32x4_t *pairs)
{
    sums.val[0] = vaddq_s32(sums.val[0], vpaddq_s32(pairs[0], pairs[1]));
    sums.val[1] = vaddq_s32(sums.val[1], vpaddq_s32(pairs[2], pairs[3]));
    return sums;
}

EL_INLINE const int8_t *el_add_pairs(el_sums *sums, const int8_t *weights, const int8_t *v, uint32_t columns)
{
    const int8_t *second = weights + 4 * EL_GROUP_ROWS;
    const uint64_t two_gates = 2 * EL_GROUP_ROWS, next_pair = 6 * EL_GROUP_ROWS;
    const int32x4_t zero = vdupq_n_s32(0);
    int32x4_t i[] = {zero, zero, zero, zero}, f[] = {zero, zero, zero, zero};
    int32x4_t g[] = {zero, zero, zero, zero}, o[] = {zero, zero, zero, zero};
    for (; columns != 0; columns -= EL_NEON_COLUMNS, v += EL_NEON_COLUMNS) {
        const int8x16_t codes = el_quad(v), second_codes = el_quad(v + 4);
        EL_ADD_PAIRS(i, f, two_gates);
        EL_ADD_PAIRS(g, o, next_pair);
    }
    sums[EL_I] = el_add_pairs_of(sums[EL_I], i);
    sums[EL_F] = el_add_pairs_of(sums[EL_F], f);
    sums[EL_G] = el_add_pairs_of(sums[EL_G], g);
    sums[EL_O] = el_add_pairs_of(sums[EL_O], o);
    return weights;
}

/* Linux lets programs read this register since 4.11, at the cost of a trap (Documentation/arch/arm64/
 * cpu-feature-registers.rst). Elsewhere nobody asks. */
static inline int el_has_dot(void)
{
#ifdef __linux__
    uint64_t features;
    __asm__("mrs %0, ID_AA64ISAR0_EL1" : "=r"(features));
    return (features >> 44 & 15) != 0;
#else
    return 0;
#endif
}

#endif
