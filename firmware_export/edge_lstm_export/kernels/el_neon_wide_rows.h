/* Rows of cells other than the LSTM over int16 codes, weights int16. */
#ifndef EL_NEON_WIDE_ROWS_H
#define EL_NEON_WIDE_ROWS_H

#include "el_neon_rows.h"
#include "el_neon_wide.h"

/* el_add_wide of one or two eights of rows. */
EL_INLINE const int16_t *el_add_few_wide(el_sums *sums, const int16_t *weights, const int16_t *v, uint32_t columns,
                                         int eights)
{
#define EL_LANE(lane)                                                                                                  \
    for (int k = 0; k < eights; k++, weights += EL_NEON_UNITS) {                                               \
        const int16x8_t w = vld1q_s16(weights);                                                                        \
        sums[k].val[0] = vmlal_lane_s16(sums[k].val[0], vget_low_s16(w), codes, lane);                           \
        sums[k].val[1] = vmlal_lane_s16(sums[k].val[1], vget_high_s16(w), codes, lane);                          \
    }
    for (; columns >= 4; columns -= 4, v += 4) {
        const int16x4_t codes = vld1_s16(v);
        EL_LANE(0)
        EL_LANE(1)
        EL_LANE(2)
        EL_LANE(3)
    }
    for (; columns != 0; columns--, v++) {
        const int16x4_t codes = vld1_dup_s16(v);
        EL_LANE(0)
    }
#undef EL_LANE
    return weights;
}

EL_INLINE void el_sum_wide(el_sums *sums, el_panel_place *place, const void *v, uint32_t columns, int eights)
{
    const int16_t *const weights = (const int16_t *)place->weights, *const codes = (const int16_t *)v;
    el_load_gates(sums, place->bias, eights);
    place->weights = eights == EL_GATES ? el_add_wide(sums, weights, codes, columns)
                                        : el_add_few_wide(sums, weights, codes, columns, eights);
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
