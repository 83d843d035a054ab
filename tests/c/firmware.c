/* The shape of a firmware: no libc, a sensor and an actuator at fixed addresses. It is linked, never run. */
#include "model.h"

extern volatile float el_test_sensor[EL_CHANNELS];
extern volatile uint16_t el_test_label;
extern volatile float el_test_value;

static el_state state;

void el_test_firmware(void);
void el_test_firmware(void)
{
    float sample[EL_CHANNELS], values[EL_OUTPUTS];
    el_code x[EL_CHANNELS], y[EL_OUTPUTS];
    el_init(&state);
    for (;;) {
        for (uint16_t k = 0; k < EL_CHANNELS; k++)
            sample[k] = el_test_sensor[k];
        el_encode(sample, x);
        el_step(&state, x, y);
        el_decode(y, values);
        el_test_label = el_argmax(y);
        el_test_value = values[0];
    }
}
