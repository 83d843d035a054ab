/* Rows as the portable kernels read them. */
#ifndef EL_ROWS_H
#define EL_ROWS_H

#include "el_native.h"

/* A block of rows: z = (multiplier * (weights v + bias)) >> shift. The rounding half is in the bias.
 * |weights v + bias| stays below 2^23 for any codes v within their limits. Rows run unit by unit, gates i f g o within
 * a unit. */
typedef struct {
    const int8_t *weights;
    const int32_t *bias;       /* (rows) */
    const uint8_t *multiplier; /* (rows) 128..255 */
    const uint8_t *shift;      /* (rows) 1..26 */
} el_rows;

static inline int32_t el_saturate16(int32_t v)
{
    return v > 32767 ? 32767 : v < -32768L ? -32768L : v;
}

/* |acc| < 2^23 and multiplier <= 255, so the product fits 32 bits. */
static inline int32_t el_requantise(int32_t acc, const el_rows *rows, uint16_t row)
{
    return (acc * EL_LOAD_U8(rows->multiplier + row)) >> EL_LOAD_U8(rows->shift + row);
}

#ifdef __cplusplus
extern "C" {
#endif

/* layer->constants: w8a16 one el_rows over x and h side by side; w8a8 one over x, one over h.
 * head->constants: one el_rows, weights (outputs, units). */
void el_lstm_w8a16(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_lstm_w8a8(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_head_rows(const el_head *head, const int16_t *h, int16_t *y);

#ifdef __cplusplus
}
#endif

#endif
