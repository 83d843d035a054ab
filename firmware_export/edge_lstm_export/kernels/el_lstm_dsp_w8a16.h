/* LSTM layer, int8 weights and int16 activations, on cores with the DSP extension. Included once a layer. */
#include "el_dsp_asm.h"

#define EL_DSP_WORDS EL_DSP_PAIRS(EL_LAYER_UNITS) " + " EL_DSP_PAIRS(EL_LAYER_FEATURES)

__attribute__((naked, noinline)) static void EL_LAYER(step)(const el_layer *layer __attribute__((unused)),
                                                            const el_layer_state *state __attribute__((unused)),
                                                            const int16_t *x __attribute__((unused)))
{
    /* clang-format off */
    __asm__(EL_DSP_MACROS
            EL_DSP_ENTER
            EL_DSP_END("r11", EL_DSP_WORDS)
            "push " EL_DSP_FRAME "\n"
            "mov lr, r10\n"
            EL_DSP_COPY("r5", EL_LAYER_UNITS)
            EL_DSP_COPY("r2", EL_LAYER_FEATURES)
            "ldr lr, [sp, #" EL_DSP_SCRATCH_AT "]\n"
            "1:\n"
            EL_DSP_SUM(EL_DSP_WORDS, EL_DSP_END_AT)
            EL_DSP_PART(0, EL_LAYER_DOWN)
            EL_DSP_REQUANTISE
            EL_DSP_SATURATE
            EL_DSP_UNIT("asr r0, r0, #29 - " EL_DSP_TEXT(EL_LAYER_HIDDEN_BITS) "\n")
            "add sp, sp, #32\n"
            "pop {r4-r11, pc}\n"
            EL_DSP_END_MACROS);
    /* clang-format on */
}

#undef EL_DSP_WORDS
