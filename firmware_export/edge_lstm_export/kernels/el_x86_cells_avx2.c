/* Cells other than the LSTM with AVX2. */
#include "el_x86_avx2.h"
#include "el_x86_cell_steps.h"

const el_x86_cells el_x86_cells_avx2 = {
    el_gru_of, el_gru_before_of, el_rnn_of, el_rnn_relu_of, el_fastgrnn_of, el_dense_of, el_conv_of,
};
