/* The least program around a model: what a linker keeps for its calls is what the model takes. It is linked and measured,
 * never run. EL_FOOTPRINT_LABELS: the prediction is a name, not values.
 */
#include "model.h"

el_state board_state;
float board_sample[EL_CHANNELS];
el_code board_x[EL_CHANNELS], board_y[EL_OUTPUTS];

#ifdef EL_FOOTPRINT_LABELS
const char *board_label;
#else
float board_values[EL_OUTPUTS];
#endif

void board_start(void);

__attribute__((used, section(".text.board"))) void board_start(void)
{
    el_init(&board_state);
    el_encode(board_sample, board_x);
    el_step(&board_state, board_x, board_y);
#ifdef EL_FOOTPRINT_LABELS
    board_label = el_outputs[el_argmax(board_y)];
#else
    el_decode(board_y, board_values);
#endif
}
