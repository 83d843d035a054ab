/* Rows of cells other than the LSTM over int8 codes: sums of sixteen and of eight rows, as el_neon_quads.h has those of
 * 32. */
#ifndef EL_NEON_QUAD_ROWS_H
#define EL_NEON_QUAD_ROWS_H

#include "el_neon_quads.h"
#include "el_neon_rows.h"

/* Two quads of codes; operands as in el_neon_quads.h. */
#define EL_LOAD_TWO_QUADS                                                                                              \
    "ldr d15, [%[v]], #8\n\t"                                                                                          \
    "ld1 {v16.16b-v19.16b}, [%[weights]], #64\n\t"
#define EL_SIXTEEN_ROWS                                                                                                \
    EL_LOAD_TWO_QUADS                                                                                                  \
    "ld1 {v20.16b-v23.16b}, [%[weights]], #64\n\t"                                                                     \
    EL_DOT_IF(EL_QUAD_0)                                                                                               \
    EL_SDOT("0", "20", EL_QUAD_1) EL_SDOT("1", "21", EL_QUAD_1)                                                        \
    EL_SDOT("2", "22", EL_QUAD_1) EL_SDOT("3", "23", EL_QUAD_1)
#define EL_EIGHT_ROWS                                                                                                  \
    EL_LOAD_TWO_QUADS                                                                                                  \
    EL_SDOT("0", "16", EL_QUAD_0) EL_SDOT("1", "17", EL_QUAD_0)                                                        \
    EL_SDOT("0", "18", EL_QUAD_1) EL_SDOT("1", "19", EL_QUAD_1)

#define EL_FEW_QUADS(instructions)                                                                                     \
    __asm__(instructions                                                                                               \
            : "+w"(a), "+w"(b), "+w"(c), "+w"(d), [weights] "+r"(weights), [v] "+r"(v)                                 \
            :                                                                                                          \
            : "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "memory")

/* el_add_dot of one or two eights of rows. */
EL_INLINE const int8_t *el_add_few_dot(el_sums *sums, const int8_t *weights, const int8_t *v, uint32_t columns,
                                       int eights)
{
    const int second = eights - 1;
    register int32x4_t a __asm__("v0") = sums[0].val[0], b __asm__("v1") = sums[0].val[1];
    register int32x4_t c __asm__("v2") = sums[second].val[0], d __asm__("v3") = sums[second].val[1];
    for (; columns != 0; columns -= EL_NEON_COLUMNS) {
        if (eights == 1)
            EL_FEW_QUADS(EL_EIGHT_ROWS);
        else
            EL_FEW_QUADS(EL_SIXTEEN_ROWS);
    }
    sums[second].val[0] = c, sums[second].val[1] = d;
    sums[0].val[0] = a, sums[0].val[1] = b;
    return weights;
}

#define EL_ADD_EIGHT_PAIRS(a)                                                                                          \
    __asm__("ld1 {v20.16b-v23.16b}, [%4], #64\n\t" EL_PAIR_OF("0", "1", "v20", "v22", "%5", "%6")                      \
            EL_PAIR_OF("2", "3", "v21", "v23", "%5", "%6")                                                             \
            : "+w"(a[0]), "+w"(a[1]), "+w"(a[2]), "+w"(a[3]), "+r"(weights)                                            \
            : "w"(codes), "w"(second_codes)                                                                            \
            : "v20", "v21", "v22", "v23", "v28", "v29", "memory")

/* el_add_pairs of one or two eights of rows. */
EL_INLINE const int8_t *el_add_few_pairs(el_sums *sums, const int8_t *weights, const int8_t *v, uint32_t columns,
                                         int eights)
{
    const int8_t *second = weights + 64;
    const uint64_t next_pair = 128;
    const int32x4_t zero = vdupq_n_s32(0);
    int32x4_t a[] = {zero, zero, zero, zero}, b[] = {zero, zero, zero, zero};
    for (; columns != 0; columns -= EL_NEON_COLUMNS, v += EL_NEON_COLUMNS) {
        const int8x16_t codes = el_quad(v), second_codes = el_quad(v + 4);
        if (eights == 1)
            EL_ADD_EIGHT_PAIRS(a);
        else
            EL_ADD_PAIRS(a, b, next_pair);
    }
    sums[0] = el_add_pairs_of(sums[0], a);
    if (eights != 1)
        sums[1] = el_add_pairs_of(sums[1], b);
    return weights;
}

EL_INLINE const int8_t *el_add_dot_rows(el_sums *sums, const int8_t *weights, const int8_t *v, uint32_t columns,
                                        int eights)
{
    return eights == EL_GATES ? el_add_dot(sums, weights, v, columns)
                              : el_add_few_dot(sums, weights, v, columns, eights);
}

EL_INLINE const int8_t *el_add_pair_rows(el_sums *sums, const int8_t *weights, const int8_t *v, uint32_t columns,
                                         int eights)
{
    return eights == EL_GATES ? el_add_pairs(sums, weights, v, columns)
                              : el_add_few_pairs(sums, weights, v, columns, eights);
}

#endif
