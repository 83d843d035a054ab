/* In place of the driver of a network: every call of a step runs one kernel, layer after layer and then head after head,
 * each on a state of its own, so that one program tells what each of many shapes takes. */
#include "model.h"
#include "fit_shapes.h"

extern const el_layer fit_layers[FIT_LAYERS];
extern const el_head fit_heads[FIT_HEADS];

static int32_t cell[FIT_UNITS], work[FIT_WORDS];
static int16_t hidden[FIT_UNITS], x[FIT_FEATURES], y[FIT_OUTPUTS];
static uint16_t next;

/* Called before every step. Codes of a usual size, so that kernels with branches take the usual ones. */
void el_net_reset(const el_net *net, void *state)
{
    (void)net, (void)state;
    for (int k = 0; k < FIT_UNITS; k++) {
        cell[k] = (int32_t)(k % 7 - 3) * 1000000;
        hidden[k] = (int16_t)(k % 11 - 5) * 8;
    }
    for (int k = 0; k < FIT_FEATURES; k++)
        x[k] = (int16_t)(k % 13 - 6) * 8;
}

void el_net_step(const el_net *net, void *state, const int16_t *codes, int16_t *outputs)
{
    const el_layer_state stream = {cell, hidden, work};
    (void)net, (void)state, (void)codes, (void)outputs;
    if (next < FIT_LAYERS)
        fit_layers[next].step(&fit_layers[next], &stream, x);
    else
        fit_heads[next - FIT_LAYERS].apply(&fit_heads[next - FIT_LAYERS], hidden, y);
    next++;
}
