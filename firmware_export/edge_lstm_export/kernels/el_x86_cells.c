/* Which of the kernels of other cells this processor runs. */
#include "el_x86_cells.h"

static const el_x86_cells *el_cells(void)
{
    static const el_x86_cells *const levels[] = {
        [EL_SSE2] = &el_x86_cells_sse2,
        [EL_AVX2] = &el_x86_cells_avx2,
        [EL_AVX512] = &el_x86_cells_avx512,
    };
    return levels[el_x86()->level];
}

void el_gru_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    el_cells()->gru(layer, state, x);
}

void el_gru_before_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    el_cells()->gru_before(layer, state, x);
}

void el_rnn_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    el_cells()->rnn(layer, state, x);
}

void el_rnn_relu_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    el_cells()->rnn_relu(layer, state, x);
}

void el_fastgrnn_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    el_cells()->fastgrnn(layer, state, x);
}

void el_dense_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    el_cells()->dense(layer, state, x);
}

void el_conv_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    el_cells()->conv(layer, state, x);
}
