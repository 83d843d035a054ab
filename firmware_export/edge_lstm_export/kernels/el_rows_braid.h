/* Rows of cells other than the LSTM, on cores with one 32-bit multiplier (Cortex-M0+, M3): four rows in three sums. */
#ifndef EL_ROWS_BRAID_H
#define EL_ROWS_BRAID_H

#include "el_native.h"

#ifdef __cplusplus
extern "C" {
#endif

/* head->constants: words, four rows after four rows, padded with rows of zeros: biases as they are in A, U and B; a word
 * P a column, the weights of the four rows plus 128, the first in the lowest byte; multipliers, then shifts, a byte each.
 *
 *   A = sum of P v      U = sum of (P >> 16) v      B = sum of rev(P) v      (modulo 2^32)
 *
 * and since every row stays below 2^23, the four follow from the three; edge_lstm_export/c_source/kernel_sets/braid.py
 * says how. */
void el_rows_braid(const el_head *head, const int16_t *v, int16_t *y);

#ifdef __cplusplus
}
#endif

#endif
