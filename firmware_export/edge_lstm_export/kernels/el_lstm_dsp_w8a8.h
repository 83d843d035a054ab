/* LSTM layer, int8 weights and 8-bit activations, on cores with the DSP extension. Included once a layer.
 *
 * A row has a sum over h and one over x, each with a multiplier and a shift of its own. Pre-activations of h wait on
 * the stack, and SMMLA adds those of x to them. */
#include "el_dsp_asm.h"

#define EL_DSP_WORDS_H EL_DSP_PAIRS(EL_LAYER_UNITS)
#define EL_DSP_WORDS_X EL_DSP_PAIRS(EL_LAYER_FEATURES)

#if EL_LAYER_SPREAD
/* Shifts too far apart for one SMMUL: shifts follow the multipliers in the stream, and |m acc| < 2^31. */
#define EL_DSP_SCALE                                                                                                   \
    "ldm r12!, {r4-r7}\n"                                                                                              \
    "mul r0, r0, r8\n"                                                                                                 \
    "mul r1, r1, r9\n"                                                                                                 \
    "mul r2, r2, r10\n"                                                                                                \
    "mul r3, r3, r11\n"                                                                                                \
    "asr r0, r0, r4\n"                                                                                                 \
    "asr r1, r1, r5\n"                                                                                                 \
    "asr r2, r2, r6\n"                                                                                                 \
    "asr r3, r3, r7\n"
#define EL_DSP_OVER_H EL_DSP_SCALE "push {r0-r3}\n"
#define EL_DSP_OVER_X                                                                                                  \
    EL_DSP_SCALE                                                                                                       \
    "pop {r4-r7}\n"                                                                                                    \
    "add r0, r0, r4\n"                                                                                                 \
    "add r1, r1, r5\n"                                                                                                 \
    "add r2, r2, r6\n"                                                                                                 \
    "add r3, r3, r7\n"
#else
#define EL_DSP_OVER_H EL_DSP_REQUANTISE "push {r0-r3}\n"
#define EL_DSP_OVER_X                                                                                                  \
    "pop {r4-r7}\n"                                                                                                    \
    "smmla r0, r0, r8, r4\n"                                                                                           \
    "smmla r1, r1, r9, r5\n"                                                                                           \
    "smmla r2, r2, r10, r6\n"                                                                                          \
    "smmla r3, r3, r11, r7\n"
#endif

#if EL_LAYER_STEEP
/* Shifts of 1 or 2 leave more than EL_DSP_SATURATE takes. */
#define EL_DSP_LIMIT                                                                                                   \
    "ssat r0, #16, r0\n"                                                                                               \
    "ssat r1, #16, r1\n"                                                                                               \
    "ssat r2, #16, r2\n"                                                                                               \
    "ssat r3, #16, r3\n"
#else
#define EL_DSP_LIMIT
#endif

__attribute__((naked, noinline)) static void EL_LAYER(step)(const el_layer *layer __attribute__((unused)),
                                                            const el_layer_state *state __attribute__((unused)),
                                                            const int16_t *x __attribute__((unused)))
{
    /* clang-format off */
    __asm__(EL_DSP_MACROS
            EL_DSP_ENTER
            EL_DSP_END("r3", EL_DSP_WORDS_H " + " EL_DSP_WORDS_X)
            EL_DSP_END("r11", EL_DSP_WORDS_H)
            "push {r3}\n"
            "push " EL_DSP_FRAME "\n"
            "mov lr, r10\n"
            EL_DSP_COPY("r5", EL_LAYER_UNITS)
            EL_DSP_COPY("r2", EL_LAYER_FEATURES)
            "ldr lr, [sp, #" EL_DSP_SCRATCH_AT "]\n"
            "1:\n"
            EL_DSP_SUM(EL_DSP_WORDS_H, EL_DSP_END_AT)
            EL_DSP_PART(EL_LAYER_UP, EL_LAYER_DOWN)
            EL_DSP_OVER_H
            EL_DSP_SUM(EL_DSP_WORDS_X, "16 + 4 + " EL_DSP_END_AT)
            EL_DSP_PART(EL_LAYER_UP, EL_LAYER_DOWN)
            EL_DSP_OVER_X
            EL_DSP_LIMIT
            EL_DSP_SATURATE
            EL_DSP_UNIT("ssat r0, #8, r0, asr #29 - " EL_DSP_TEXT(EL_LAYER_HIDDEN_BITS) "\n")
            "add sp, sp, #36\n"
            "pop {r4-r11, pc}\n"
            EL_DSP_END_MACROS);
    /* clang-format on */
}

#undef EL_DSP_WORDS_H
#undef EL_DSP_WORDS_X
#undef EL_DSP_SCALE
#undef EL_DSP_OVER_H
#undef EL_DSP_OVER_X
#undef EL_DSP_LIMIT
