/* Dense head: int8 weights, int16 hidden state, int16 outputs of one common step. */
#include "el_rows.h"

void el_head_rows(const el_head *head, const int16_t *h, int16_t *y)
{
    const el_rows *rows = (const el_rows *)head->constants;
    const int8_t *weights = rows->weights;
    for (uint16_t row = 0; row < head->outputs; row++) {
        int32_t acc = EL_LOAD_I32(rows->bias + row);
        for (uint16_t k = 0; k < head->units; k++, weights++)
            acc += (int32_t)h[k] * EL_LOAD_I8(weights);
        y[row] = (int16_t)el_saturate16(el_requantise(acc, rows, row));
    }
}
