/* Kernels for 64-bit Arm with NEON, and for ARMv7 with it (el_neon32). For gcc and clang, little-endian.
 *
 * Rows lie in groups of eight units, H filled up with units of zeros. The rounding half is in every bias. */
#ifndef EL_NEON_H
#define EL_NEON_H

#include "el_native.h"

#define EL_NEON_UNITS 8

/* Rows of w8a16, over x and h side by side: z = (multiplier * (weights v + bias)) >> 31, as SQDMULH doubles and shifts.
 *
 * `wide` serves processors that multiply int16 only: weights widened offline save an instruction in four. `quads`
 * serves SDOT, which takes four columns of four units in a vector; columns are filled up with zeros to a multiple of
 * eight. SDOT takes int8 only, so v is split into bytes, the low one less 128: `quads_bias` makes up for that. */
typedef struct {
    const int16_t *wide;       /* (groups, columns, gates, 8 units) */
    const int32_t *wide_bias;  /* (groups, gates, 8 units) */
    const int32_t *multiplier; /* the same; multiplier << (31 - shift) */
    const int8_t *quads;       /* (groups, quads, gates, 8 units, 4 columns) */
    const int32_t *quads_bias; /* as wide_bias: bias + 128 times the sum of the weights */
} el_neon_rows16;

/* Rows of w8a8, over x or over h: z = (multiplier * (weights v + bias)) << shift. */
typedef struct {
    const int8_t *quads;       /* (groups, quads, gates, 8 units, 4 columns), columns up to a multiple of 8 */
    const int32_t *bias;       /* (groups, gates, 8 units) */
    const int32_t *multiplier; /* the same */
    const int32_t *shift;      /* the same; negative: to the right */
} el_neon_rows8;

/* The same for ARMv7: half the registers hold half the sums, so codes stay int16 and weights are widened. */
typedef struct {
    const int16_t *wide; /* (groups, columns, gates, 8 units) */
    const int32_t *bias, *multiplier;
} el_neon32_rows16;

typedef struct {
    const int16_t *wide;
    const int32_t *bias, *multiplier, *shift;
} el_neon32_rows8;

/* Rows of cells other than the LSTM have the same structs. Those of a gate are filled up with zeros to whole eights. Then
 * they lie in panels of 32 rows, (panels, columns, 32) or (panels, quads, 32, 4), and what is left in one of 16 and one
 * of 8. */

/* Rows of the head. */
typedef struct {
    const int16_t *weights; /* (outputs, units), widened */
    const int32_t *bias;    /* (outputs) */
    const uint8_t *multiplier, *shift;
} el_neon_head;

#ifdef __cplusplus
extern "C" {
#endif

/* layer->constants: w8a16 one el_neon_rows16 or el_neon32_rows16; w8a8 two el_neon_rows8 or el_neon32_rows8, over x
 * and over h. */
void el_lstm_w8a16_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_lstm_w8a8_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_lstm_w8a16_neon32(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_lstm_w8a8_neon32(const el_layer *layer, const el_layer_state *state, const int16_t *x);

/* head->constants: one el_neon_head. */
void el_head_neon(const el_head *head, const int16_t *h, int16_t *y);

/* Rows of cells other than the LSTM, saturated. head->constants: one el_neon_rows16, el_neon_rows8, el_neon32_rows16 or
 * el_neon32_rows8; head->outputs counts the rows filled up. Behind y is scratch, in bytes: of w8a16 twice the columns up
 * to a multiple of 16, of w8a8 the columns up to a multiple of 8, of neon32 none. */
void el_rows_w8a16_neon(const el_head *head, const int16_t *v, int16_t *y);
void el_rows_w8a8_neon(const el_head *head, const int16_t *v, int16_t *y);
void el_rows_w8a16_neon32(const el_head *head, const int16_t *v, int16_t *y);
void el_rows_w8a8_neon32(const el_head *head, const int16_t *v, int16_t *y);

/* layer->constants: an el_gated over such rows. Scratch: the rows over x, those over h, of el_gru_before_neon the codes
 * of r h and the rows over them, and behind the last what their kernel takes; of el_conv_neon first what the rows are
 * over. */
void el_gru_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_gru_before_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_rnn_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_rnn_relu_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_fastgrnn_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_dense_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_conv_neon(const el_layer *layer, const el_layer_state *state, const int16_t *x);

#ifdef __cplusplus
}
#endif

#endif
