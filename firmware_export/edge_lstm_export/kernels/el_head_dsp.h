/* Dense head on cores with the DSP extension: int8 weights, int16 hidden state, two rows at a time. Included once.
 *
 *   r0 r2   end of y, next of y      r4 r5   A0, P = A0 + 256 A1
 *   r1      h, aligned to 2 bytes    r6 r7   next of h, end of its passes
 *   r3      next word of the stream  r8..    codes and weights */
#include "el_dsp_asm.h"

#define EL_DSP_COLUMNS(weights, codes)                                                                                 \
    "smlad r5, " weights ", " codes ", r5\n"                                                                           \
    "sxtb16 " weights ", " weights "\n"                                                                                \
    "smlad r4, " weights ", " codes ", r4\n"

__attribute__((naked, noinline)) static void EL_LAYER(apply)(const el_head *head __attribute__((unused)),
                                                             const int16_t *h __attribute__((unused)),
                                                             int16_t *y __attribute__((unused)))
{
    /* clang-format off */
    __asm__("push {r4-r11, lr}\n"
            "ldr r3, [r0, #4]\n"
            "movw r0, #2 * " EL_DSP_TEXT(EL_LAYER_OUTPUTS) "\n"
            "add r0, r0, r2\n"
            "movw r7, #" EL_DSP_TEXT(EL_LAYER_UNITS) " / 8 * 16\n"
            "add r7, r7, r1\n"
            "1:\n"
            "ldm r3!, {r4, r5}\n"
            "mov r6, r1\n"
            ".if " EL_DSP_TEXT(EL_LAYER_UNITS) " / 8\n"
            "2:\n"
            "ldr r8, [r6], #4\n"
            "ldr r9, [r6], #4\n"
            "ldm r3!, {r10-r12, lr}\n"
            EL_DSP_COLUMNS("r10", "r8")
            EL_DSP_COLUMNS("r11", "r9")
            "ldr r8, [r6], #4\n"
            "ldr r9, [r6], #4\n"
            EL_DSP_COLUMNS("r12", "r8")
            EL_DSP_COLUMNS("lr", "r9")
            "cmp r6, r7\n"
            "bne 2b\n"
            ".endif\n"
            ".rept " EL_DSP_TEXT(EL_LAYER_UNITS) " % 8 / 2\n"
            "ldr r8, [r6], #4\n"
            "ldr r10, [r3], #4\n"
            EL_DSP_COLUMNS("r10", "r8")
            ".endr\n"
            ".if " EL_DSP_TEXT(EL_LAYER_UNITS) " % 2\n"
            "ldrh r8, [r6]\n"
            "ldr r10, [r3], #4\n"
            EL_DSP_COLUMNS("r10", "r8")
            ".endif\n"
            "sub r5, r5, r4\n"
            "asr r5, r5, #8\n"
            "ldm r3!, {r8-r11}\n"
            "mul r4, r4, r8\n"
            "mul r5, r5, r9\n"
            "asr r4, r4, r10\n"
            "asr r5, r5, r11\n"
            "ssat r4, #16, r4\n"
            "ssat r5, #16, r5\n"
            "strh r4, [r2], #2\n"
            ".if " EL_DSP_TEXT(EL_LAYER_OUTPUTS) " % 2\n"
            "cmp r2, r0\n"
            "beq 3f\n"
            ".endif\n"
            "strh r5, [r2], #2\n"
            "cmp r2, r0\n"
            "bne 1b\n"
            "3:\n"
            "pop {r4-r11, pc}\n");
    /* clang-format on */
}

#undef EL_DSP_COLUMNS
