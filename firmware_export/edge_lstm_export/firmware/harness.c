/* What an emulated core is asked to do. Every function is called from outside; none returns a value. */
#include "model.h"

#ifdef EL_TFLM_H
typedef el_tflm_lstm el_layer;
typedef el_tflm_lstm_state el_layer_state;
#endif

/* Called by nobody in the program, so the linker is told to keep them. */
#define BOARD __attribute__((used, noinline, section(".text.board")))

el_state board_state;
float board_sample[EL_CHANNELS];
el_code board_x[EL_CHANNELS];
el_code board_y[EL_OUTPUTS];

BOARD void board_reset(void)
{
    el_init(&board_state);
}

BOARD void board_encode(void)
{
    el_encode(board_sample, board_x);
}

BOARD void board_step(void)
{
    el_step(&board_state, board_x, board_y);
}

/* The first layer alone, as the network calls it; for counting. */
BOARD void board_layer(void)
{
    const el_layer *const layer = el_model.layers;
    const el_layer_state state = {board_state.cell, board_state.hidden, board_state.work};
    layer->step(layer, &state, board_x);
}
