/* LSTM layer, int8 weights and 8-bit activations, for Cortex-M3: x and h have a scale each. Included once a layer. */
#include "el_lstm_armv7m.h"

__attribute__((naked, noinline)) static void EL_LAYER(step)(const el_layer *layer __attribute__((unused)),
                                                            const el_layer_state *state __attribute__((unused)),
                                                            const int16_t *x __attribute__((unused)))
{
    /* clang-format off */
    __asm__(EL_ENTER
            "el_widen " EL_ASM_FEATURES "\n"
            "el_offsets " EL_FIRST_AT "\n"
            "mov r2, r5\n"
            "movs r3, #0\n"
            "el_widen " EL_ASM_UNITS "\n"
            "el_offsets " EL_SECOND_AT "\n"
            "el_end " EL_FIRST_END_AT ", 0, " EL_ASM_FEATURES "\n"
            "el_end " EL_SECOND_END_AT ", " EL_ASM_FEATURES ", " EL_ASM_UNITS "\n"
            EL_UNITS_BEGIN
            "el_sum " EL_ASM_FEATURES ", " EL_FIRST_AT "\n"
            "el_part\n"
            "ldr lr, [sp, #" EL_SECOND_END_AT "]\n"
            "push {r0, r1, r2, r3}\n"
            "el_sum " EL_ASM_UNITS ", 16+" EL_SECOND_AT "\n"
            "el_part\n"
            "pop {r4, r5, r6, r7}\n"
            "adds r0, r0, r4\n"
            "adds r1, r1, r5\n"
            "adds r2, r2, r6\n"
            "adds r3, r3, r7\n"
            EL_UPDATE
            "ssat r2, #8, r2, asr #29 - " EL_ASM_HIDDEN_BITS "\n"
            EL_UNITS_END);
    /* clang-format on */
}
