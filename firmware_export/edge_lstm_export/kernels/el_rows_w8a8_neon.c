/* Rows of cells other than the LSTM, int8 weights and codes, with SDOT where the processor has it. */
#include "el_neon_quad_rows.h"

EL_INLINE void el_dot_panel(el_panel_place *place, const void *v, uint32_t columns, int eights)
{
    el_sums sums[EL_GATES];
    el_load_gates(sums, place->bias, eights);
    place->weights = el_add_dot_rows(sums, (const int8_t *)place->weights, (const int8_t *)v, columns, eights);
    el_keep_rows8(place, sums, eights);
}

EL_INLINE void el_pairs_panel(el_panel_place *place, const void *v, uint32_t columns, int eights)
{
    el_sums sums[EL_GATES];
    el_load_gates(sums, place->bias, eights);
    place->weights = el_add_pair_rows(sums, (const int8_t *)place->weights, (const int8_t *)v, columns, eights);
    el_keep_rows8(place, sums, eights);
}

EL_INLINE void el_rows(const el_head *head, const int16_t *v, int16_t *y, el_panel *panel)
{
    const el_neon_rows8 *const rows = (const el_neon_rows8 *)head->constants;
    const el_panel_place place = {rows->quads, rows->bias, rows->multiplier, rows->shift, y};
    int8_t *const codes = (int8_t *)(y + head->outputs);
    el_narrow_codes(codes, v, head->units);
    el_panels(panel, place, codes, el_whole_columns(head->units), head->outputs);
}

static void el_rows_w8a8_dot(const el_head *head, const int16_t *v, int16_t *y)
{
    el_rows(head, v, y, el_dot_panel);
}

static void el_rows_w8a8_pairs(const el_head *head, const int16_t *v, int16_t *y)
{
    el_rows(head, v, y, el_pairs_panel);
}

/* As in el_lstm_w8a16_neon.c. */
static el_head_kernel *el_rows_w8a8_chosen = el_rows_w8a8_pairs;

__attribute__((constructor)) static void el_rows_w8a8_choose(void)
{
    if (el_has_dot())
        el_rows_w8a8_chosen = el_rows_w8a8_dot;
}

void el_rows_w8a8_neon(const el_head *head, const int16_t *v, int16_t *y)
{
    el_rows_w8a8_chosen(head, v, y);
}
