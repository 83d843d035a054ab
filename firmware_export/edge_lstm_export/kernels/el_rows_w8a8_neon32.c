/* Rows of cells other than the LSTM, int8 weights widened to int16 and int8 codes in int16. */
#include "el_neon_wide_rows.h"

void el_rows_w8a8_neon32(const el_head *head, const int16_t *v, int16_t *y)
{
    const el_neon32_rows8 *const rows = (const el_neon32_rows8 *)head->constants;
    const el_panel_place place = {rows->wide, rows->bias, rows->multiplier, rows->shift, y};
    el_panels(el_wide_panel8, place, v, head->units, head->outputs);
}
