#include "el_self_test.h"

#include "el_frame.h"
#include "el_self_test_vectors.h"

/* Of the state from the cell to the end of the hidden state; taps and scratch are not part of it. Codes are
 * little-endian in memory on every core there are kernels for. */
static uint16_t el_state_crc(const el_state *state)
{
    const uint16_t crc = el_crc16(0xffff, (const uint8_t *)state->cell, (uint16_t)sizeof state->cell);
    return el_crc16(crc, (const uint8_t *)state->hidden, (uint16_t)sizeof state->hidden);
}

uint8_t el_self_test(el_state *state)
{
    el_code x[EL_CHANNELS], y[EL_OUTPUTS];
    uint8_t equal = 1;
    el_init(state);
    for (uint16_t step = 0; step < EL_TEST_STEPS; step++) {
        for (uint16_t k = 0; k < EL_CHANNELS; k++)
            x[k] = (el_code)EL_LOAD_I16(el_test_inputs + step * EL_CHANNELS + k);
        el_step(state, x, y);
        for (uint16_t k = 0; k < EL_OUTPUTS; k++)
            if (y[k] != EL_LOAD_I16(el_test_outputs + step * EL_OUTPUTS + k))
                equal = 0;
    }
    if (el_state_crc(state) != EL_TEST_STATE_CRC)
        equal = 0;
    el_reset(state);
    return equal;
}
