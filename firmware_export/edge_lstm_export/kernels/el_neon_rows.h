/* Rows of cells other than the LSTM, which saturate before they are joined. They come in panels of 32, as many as an LSTM
 * has of eight units, and what is left in one of 16 and one of 8. */
#ifndef EL_NEON_ROWS_H
#define EL_NEON_ROWS_H

#include "el_neon_units.h"

/* Where the constants of the next panel are, and where its rows go. */
typedef struct {
    const void *weights;
    const int32_t *bias, *multiplier, *shift;
    int16_t *y;
} el_panel_place;

/* A panel of 8 `eights` rows over v (columns); v is what the weights are for. */
typedef void el_panel(el_panel_place *place, const void *v, uint32_t columns, int eights);

/* All panels; `rows` is a multiple of 8. */
EL_INLINE void el_panels(el_panel *panel, el_panel_place place, const void *v, uint32_t columns, uint32_t rows)
{
    for (; rows >= EL_GROUP_ROWS; rows -= EL_GROUP_ROWS)
        panel(&place, v, columns, 4);
    if (rows & 16)
        panel(&place, v, columns, 2);
    if (rows & 8)
        panel(&place, v, columns, 1);
}

EL_INLINE void el_end_panel(el_panel_place *place, int eights)
{
    place->bias += EL_NEON_UNITS * eights;
    place->multiplier += EL_NEON_UNITS * eights;
    place->y += EL_NEON_UNITS * eights;
}

/* Sums of w8a16 -> rows. */
EL_INLINE void el_keep_rows16(el_panel_place *place, const el_sums *sums, int eights)
{
    int16x8_t rows[EL_GATES];
    el_requantise16(rows, sums, place->multiplier, eights);
#pragma GCC unroll 4
    for (int k = 0; k < eights; k++)
        vst1q_s16(place->y + EL_NEON_UNITS * k, rows[k]);
    el_end_panel(place, eights);
}

/* Sums of w8a8 -> rows. */
EL_INLINE void el_keep_rows8(el_panel_place *place, el_sums *sums, int eights)
{
    el_requantise8(sums, place->multiplier, place->shift, eights);
#pragma GCC unroll 4
    for (int k = 0; k < eights; k++)
        vst1q_s16(place->y + EL_NEON_UNITS * k, el_saturate16(sums[k].val[0], sums[k].val[1]));
    place->shift += EL_NEON_UNITS * eights;
    el_end_panel(place, eights);
}

#endif
