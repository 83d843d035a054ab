/* Rows of cells other than the LSTM over int16 codes, weights int16. */
#ifndef EL_NEON_WIDE_ROWS_H
#define EL_NEON_WIDE_ROWS_H

#include "el_neon_rows.h"
#include "el_neon_wide.h"

/* Sixteen and eight rows; operands as in el_neon_wide.h. The fewer the rows, the more columns a load brings. */
#ifdef __aarch64__

#define EL_EVEN_16(lane, next)                                                                                         \
    EL_GATE("0", "1", "v16", lane) EL_GATE("2", "3", "v17", lane)                                                      \
    EL_GATE("0", "1", "v18", next) EL_GATE("2", "3", "v19", next)
#define EL_ODD_16(lane, next)                                                                                          \
    EL_GATE("0", "1", "v20", lane) EL_GATE("2", "3", "v21", lane)                                                      \
    EL_GATE("0", "1", "v22", next) EL_GATE("2", "3", "v23", next)
#define EL_ONE_16                                                                                                      \
    "ldr h15, [%[v]], #2\n\t"                                                                                          \
    "ld1 {v16.8h-v17.8h}, [%[weights]], #32\n\t" EL_GATE("0", "1", "v16", "0") EL_GATE("2", "3", "v17", "0")
#define EL_TWO_16 "ldr s15, [%[v]], #4\n\t" EL_LOAD_EVEN EL_EVEN_16("0", "1")
#define EL_EIGHT_16                                                                                                    \
    "ldr q15, [%[v]], #16\n\t" EL_LOAD_EVEN EL_LOAD_ODD                                                                \
    EL_EVEN_16("0", "1") EL_LOAD_EVEN EL_ODD_16("2", "3") EL_LOAD_ODD EL_EVEN_16("4", "5") EL_ODD_16("6", "7")

#define EL_ONE_8                                                                                                       \
    "ldr h15, [%[v]], #2\n\t"                                                                                          \
    "ld1 {v16.8h}, [%[weights]], #16\n\t" EL_GATE("0", "1", "v16", "0")
#define EL_FOUR_8                                                                                                      \
    "ldr d15, [%[v]], #8\n\t" EL_LOAD_EVEN                                                                             \
    EL_GATE("0", "1", "v16", "0") EL_GATE("0", "1", "v17", "1")                                                        \
    EL_GATE("0", "1", "v18", "2") EL_GATE("0", "1", "v19", "3")

#else

#define EL_COLUMN_16(code)                                                                                             \
    "vld1.16 {d16-d19}, [%[weights]]!\n\t"                                                                             \
    EL_GATE("0", "1", "d16", "d17", code) EL_GATE("2", "3", "d18", "d19", code)
#define EL_ONE_16 "vld1.16 {d6[0]}, [%[v]]!\n\t" EL_COLUMN_16("d6[0]")
#define EL_TWO_16 "vld1.32 {d6[0]}, [%[v]]!\n\t" EL_COLUMN_16("d6[0]") EL_COLUMN_16("d6[1]")
#define EL_EIGHT_16                                                                                                    \
    "vld1.16 {d6-d7}, [%[v]]!\n\t"                                                                                     \
    EL_COLUMN_16("d6[0]") EL_COLUMN_16("d6[1]") EL_COLUMN_16("d6[2]") EL_COLUMN_16("d6[3]")                            \
    EL_COLUMN_16("d7[0]") EL_COLUMN_16("d7[1]") EL_COLUMN_16("d7[2]") EL_COLUMN_16("d7[3]")

#define EL_ONE_8                                                                                                       \
    "vld1.16 {d6[0]}, [%[v]]!\n\t"                                                                                     \
    "vld1.16 {d16-d17}, [%[weights]]!\n\t" EL_GATE("0", "1", "d16", "d17", "d6[0]")
#define EL_FOUR_8                                                                                                      \
    "vld1.16 {d6}, [%[v]]!\n\t" EL_LOAD                                                                                \
    EL_GATE("0", "1", "d16", "d17", "d6[0]") EL_GATE("0", "1", "d18", "d19", "d6[1]")                                  \
    EL_GATE("0", "1", "d20", "d21", "d6[2]") EL_GATE("0", "1", "d22", "d23", "d6[3]")

#endif

#define EL_COLUMNS_16(instructions)                                                                                    \
    __asm__(instructions                                                                                               \
            : "+w"(a.val[0]), "+w"(a.val[1]), "+w"(b.val[0]), "+w"(b.val[1]), [weights] "+r"(weights), [v] "+r"(v)     \
            :                                                                                                          \
            : EL_CLOBBERED, "memory")
#define EL_COLUMNS_8(instructions)                                                                                     \
    __asm__(instructions                                                                                               \
            : "+w"(a.val[0]), "+w"(a.val[1]), [weights] "+r"(weights), [v] "+r"(v)                                     \
            :                                                                                                          \
            : EL_CLOBBERED, "memory")

EL_INLINE const int16_t *el_add_wide_16(el_sums *sums, const int16_t *weights, const int16_t *v, uint32_t columns)
{
    el_sums a = sums[0], b = sums[1];
    for (; columns >= 8; columns -= 8)
        EL_COLUMNS_16(EL_EIGHT_16);
    for (; columns >= 2; columns -= 2)
        EL_COLUMNS_16(EL_TWO_16);
    if (columns != 0)
        EL_COLUMNS_16(EL_ONE_16);
    sums[0] = a;
    sums[1] = b;
    return weights;
}

EL_INLINE const int16_t *el_add_wide_8(el_sums *sums, const int16_t *weights, const int16_t *v, uint32_t columns)
{
    el_sums a = sums[0];
    for (; columns >= 4; columns -= 4)
        EL_COLUMNS_8(EL_FOUR_8);
    for (; columns != 0; columns--)
        EL_COLUMNS_8(EL_ONE_8);
    sums[0] = a;
    return weights;
}

EL_INLINE void el_sum_wide(el_sums *sums, el_panel_place *place, const void *v, uint32_t columns, int eights)
{
    const int16_t *const weights = (const int16_t *)place->weights, *const codes = (const int16_t *)v;
    el_load_gates(sums, place->bias, eights);
    place->weights = eights == 4   ? el_add_wide(sums, weights, codes, columns)
                     : eights == 2 ? el_add_wide_16(sums, weights, codes, columns)
                                   : el_add_wide_8(sums, weights, codes, columns);
}

EL_INLINE void el_wide_panel16(el_panel_place *place, const void *v, uint32_t columns, int eights)
{
    el_sums sums[EL_GATES];
    el_sum_wide(sums, place, v, columns, eights);
    el_keep_rows16(place, sums, eights);
}

EL_INLINE void el_wide_panel8(el_panel_place *place, const void *v, uint32_t columns, int eights)
{
    el_sums sums[EL_GATES];
    el_sum_wide(sums, place, v, columns, eights);
    el_keep_rows8(place, sums, eights);
}

#endif
