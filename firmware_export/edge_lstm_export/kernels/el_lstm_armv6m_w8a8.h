/* LSTM layer, int8 weights and 8-bit activations, for Cortex-M0 and M0+: x and h have a scale each. Included once a
 * layer. */
#include "el_lstm_armv6m.h"

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
            "el_end r12, 0, " EL_ASM_FEATURES "\n"
            "el_end lr, " EL_ASM_FEATURES ", " EL_ASM_UNITS "\n"
            EL_UNITS_BEGIN
            "el_sum " EL_ASM_FEATURES ", " EL_FIRST_AT ", r12\n"
            "el_part\n"
            "push {r0, r1, r3, r4}\n"
            "el_sum " EL_ASM_UNITS ", 16+" EL_SECOND_AT ", lr\n"
            "el_part\n"
            "pop {r2, r5, r6}\n"
            "adds r0, r2\n"
            "adds r1, r5\n"
            "adds r3, r6\n"
            "pop {r2}\n"
            "adds r4, r2\n"
            EL_UPDATE
            "sxtb r2, r3\n"
            "cmp r2, r3\n"
            "beq 1f\n"
            "asrs r3, #31\n"
            "movs r2, #127\n"
            "eors r3, r2\n"
            "1:\n"
            EL_UNITS_END);
    /* clang-format on */
}
