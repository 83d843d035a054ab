/* LSTM layer, int8 weights and int16 activations, for Cortex-M0 and M0+. Included once a layer. */
#include "el_lstm_armv6m.h"

#define EL_COLUMNS EL_ASM_FEATURES "+" EL_ASM_UNITS

__attribute__((naked, noinline)) static void EL_LAYER(step)(const el_layer *layer __attribute__((unused)),
                                                            const el_layer_state *state __attribute__((unused)),
                                                            const int16_t *x __attribute__((unused)))
{
    /* clang-format off */
    __asm__(EL_ENTER
            "el_widen " EL_ASM_FEATURES "\n"
            "mov r2, r5\n"
            "el_widen " EL_ASM_UNITS "\n"
            "el_offsets " EL_FIRST_AT "\n"
            "el_end r12, 0, " EL_COLUMNS "\n"
            EL_UNITS_BEGIN
            "el_sum " EL_COLUMNS ", " EL_FIRST_AT ", r12\n"
            "el_part\n"
            EL_UPDATE
            EL_UNITS_END);
    /* clang-format on */
}

#undef EL_COLUMNS
