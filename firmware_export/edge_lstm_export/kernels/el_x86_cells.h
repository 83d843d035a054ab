/* Cells other than the LSTM for x86-64. layer->constants: an el_gated, whose heads have an el_x86_rows each, of as many
 * gates as there are rows a unit; the kernels here read it without asking the head. */
#ifndef EL_X86_CELLS_H
#define EL_X86_CELLS_H

#include "el_gated.h"
#include "el_x86.h"

/* What a processor can do. */
typedef struct {
    el_layer_kernel *gru, *gru_before, *rnn, *rnn_relu, *fastgrnn, *dense, *conv;
} el_x86_cells;

extern const el_x86_cells el_x86_cells_sse2, el_x86_cells_avx2, el_x86_cells_avx512;

#ifdef __cplusplus
extern "C" {
#endif

/* Scratch: words of two codes of x, and of h filled up to 16 units; of el_gru_before_x86 four halfwords a unit more, of
 * el_conv_x86 first a halfword a column. */
void el_gru_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_gru_before_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_rnn_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_rnn_relu_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_fastgrnn_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_dense_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_conv_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x);

#ifdef __cplusplus
}
#endif

#endif
