/* Constants of a layer as the portable kernel of the arithmetic tflm reads them. */
#ifndef EL_LSTM_TFLM_H
#define EL_LSTM_TFLM_H

#include "el_tflm.h"

/* The rows over one vector: a gate's half is multiplier * (weights v + bias), Q3.12. The zero point of v is folded into
 * the bias. Rows run unit by unit, gates i f g o within a unit. */
typedef struct {
    const int8_t *weights; /* (units, columns, 4) */
    const int32_t *bias;   /* (units, 4) */
    el_tflm_multiplier multiplier[4];
} el_tflm_rows;

typedef struct {
    el_tflm_rows over_x;
    el_tflm_rows over_h;
    el_tflm_multiplier hidden; /* o tanh(c), Q0.30 -> h */
    int8_t cell_exponent;      /* the cell has scale 2^cell_exponent */
} el_tflm_constants;

enum { EL_TFLM_I, EL_TFLM_F, EL_TFLM_G, EL_TFLM_O, EL_TFLM_GATES };

#ifdef __cplusplus
extern "C" {
#endif

/* acc (4) += the rows of one unit over v (columns); returns where the next weights are. */
const int8_t *el_tflm_sum_rows(int32_t *acc, const int8_t *weights, const int8_t *v, uint16_t columns);

/* layer->constants: an el_tflm_constants. */
void el_lstm_tflm(const el_tflm_lstm *layer, const el_tflm_lstm_state *state, const int8_t *x);

#ifdef __cplusplus
}
#endif

#endif
