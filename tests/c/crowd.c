/* Four streams of two models side by side: what harness.c is asked, of a program that is less tidy. */
#include "beta_model.h"
#include "model.h"

#define BOARD __attribute__((used, noinline, section(".text.board")))

/* Each state four bytes behind an address of many zeros: no kernel may count on more. */
static struct {
    int32_t pad;
    el_state half;
    beta_state first;
    int8_t odd;
    beta_state second;
} __attribute__((aligned(64))) crowd;

static struct {
    int16_t pad;
    int16_t x[EL_CHANNELS], small[BETA_CHANNELS];
    int16_t y[3][EL_OUTPUTS + BETA_OUTPUTS];
} __attribute__((aligned(64))) samples;

el_state board_state;
el_code board_x[EL_CHANNELS];
el_code board_y[EL_OUTPUTS];

BOARD void board_reset(void)
{
    el_init(&board_state);
    el_init(&crowd.half);
    beta_init(&crowd.first);
    beta_init(&crowd.second);
}

/* The outputs of all four streams are mixed, modulo 2^16: a wrong one cannot hide. */
BOARD void board_step(void)
{
    beta_state moved = crowd.second;
    for (int k = 0; k < EL_CHANNELS; k++)
        samples.x[k] = (int16_t)(board_x[k] >> 1);
    for (int k = 0; k < BETA_CHANNELS; k++)
        samples.small[k] = (int16_t)(board_x[k] >> 5);
    el_step(&board_state, board_x, board_y);
    beta_step(&crowd.first, samples.small, samples.y[0]);
    el_step(&crowd.half, samples.x, samples.y[1]);
    beta_step(&moved, samples.small, samples.y[2]);
    crowd.second = moved;
    for (int k = 0; k < EL_OUTPUTS; k++) {
        const uint16_t mixed = (uint16_t)(3U * (uint16_t)samples.y[0][k % BETA_OUTPUTS] + 5U * (uint16_t)samples.y[1][k]);
        board_y[k] = (int16_t)(uint16_t)((uint16_t)board_y[k] + mixed + 7U * (uint16_t)samples.y[2][k % BETA_OUTPUTS]);
    }
}

BOARD void board_layer(void)
{
}
