/* Rows of cells other than the LSTM, int8 weights and int16 codes, with SDOT where the processor has it. */
#include "el_neon_quad_rows.h"
#include "el_neon_wide_rows.h"

static void el_rows_w8a16_wide(const el_head *head, const int16_t *v, int16_t *y)
{
    const el_neon_rows16 *const rows = (const el_neon_rows16 *)head->constants;
    const el_panel_place place = {rows->wide, rows->wide_bias, rows->multiplier, NULL, y};
    el_panels(el_wide_panel16, place, v, head->units, head->outputs);
}

/* v: high bytes, low bytes a plane behind. */
EL_INLINE void el_dot_panel(el_panel_place *place, const void *v, uint32_t columns, int eights)
{
    const int8_t *const weights = (const int8_t *)place->weights, *const high = (const int8_t *)v;
    el_sums sums[EL_GATES];
    el_no_sums(sums, eights);
    el_add_dot_rows(sums, weights, high, columns, eights);
    el_raise_sums(sums, place->bias, eights);
    place->weights = el_add_dot_rows(sums, weights, high + el_plane(columns), columns, eights);
    el_keep_rows16(place, sums, eights);
}

static void el_rows_w8a16_dot(const el_head *head, const int16_t *v, int16_t *y)
{
    const el_neon_rows16 *const rows = (const el_neon_rows16 *)head->constants;
    const el_panel_place place = {rows->quads, rows->quads_bias, rows->multiplier, NULL, y};
    const uint32_t plane = el_plane(head->units), whole = head->units / EL_PLANE * EL_PLANE;
    int8_t *const high = (int8_t *)(y + head->outputs), *const low = high + plane;
    el_split_codes(high, low, v, whole);
    if (whole != plane) {
        int16_t rest[EL_PLANE];
        vst1q_s16(rest, vdupq_n_s16(0));
        vst1q_s16(rest + EL_PLANE / 2, vdupq_n_s16(0));
        el_copy_codes(rest, v + whole, head->units - whole);
        el_split_codes(high + whole, low + whole, rest, EL_PLANE);
    }
    el_panels(el_dot_panel, place, high, el_whole_columns(head->units), head->outputs);
}

/* As in el_lstm_w8a16_neon.c. */
static el_head_kernel *el_rows_w8a16_chosen = el_rows_w8a16_wide;

__attribute__((constructor)) static void el_rows_w8a16_choose(void)
{
    if (el_has_dot())
        el_rows_w8a16_chosen = el_rows_w8a16_dot;
}

void el_rows_w8a16_neon(const el_head *head, const int16_t *v, int16_t *y)
{
    el_rows_w8a16_chosen(head, v, y);
}
