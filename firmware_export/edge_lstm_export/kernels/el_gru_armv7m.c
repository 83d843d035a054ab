/* GRU layer that resets after the product, for Cortex-M3: rows by the kernel of the head, then unit by unit in assembly.
 *
 *   r0-r3  at work      r4 r5  next rows over x, over h      r6 r7  at_zero and slope of z = 0      r8  scale_bits
 *   r9 r12  next c, h      r10 r11  bytes of a gate's rows, of two      lr  what is shifted out of c, less one
 *
 * The stack, from sp: whether h saturates to int8, end of c. */
#include "el_gated.h"
#include "el_lstm_armv7m.h"

typedef char el_gru_armv7m_layout
    [offsetof(el_gated, over_h) == 4 && offsetof(el_gated, scale_bits) == 20 && offsetof(el_gated, narrow) == 22 &&
             offsetof(el_layer, units) == 10 && offsetof(el_layer, hidden_bits) == 12
         ? 1
         : -1];

/* clang-format off */

/* Sum of rows of a unit -> its gate; r2 and r3 are lost. */
#define GATE(z)                                                                                                        \
    "lsl " z ", " z ", r8\n"                                                                                           \
    "ssat " z ", #16, " z "\n" SIGMOID(z)
#define SIGMOID(z)                                                                                                     \
    "asr r2, " z ", #9\n"                                                                                              \
    "ldrh r3, [r6, r2, lsl #2]\n"                                                                                      \
    "ldrh r2, [r7, r2, lsl #2]\n"                                                                                      \
    "mul " z ", " z ", r2\n"                                                                                           \
    "add " z ", r3, " z ", asr #9\n"

__attribute__((naked, noinline)) void el_gru(const el_layer *layer __attribute__((unused)),
                                             const el_layer_state *state __attribute__((unused)),
                                             const int16_t *x __attribute__((unused)))
{
    __asm__(".syntax unified\n"
            "push {r4-r11, lr}\n"
            "sub sp, sp, #12\n"
            "ldr r4, [r0, #4]\n" /* layer->constants */
            "ldrh r10, [r0, #10]\n" /* layer->units */
            "ldrb r11, [r0, #12]\n" /* layer->hidden_bits */
            "ldm r1, {r7, r8, r9}\n" /* state->c, ->h, ->work */
            "lsl r10, r10, #1\n"
            "add r5, r9, r10, lsl #1\n"
            "add r5, r5, r10\n"
            "ldr r0, [r4]\n" /* over_x */
            "mov r1, r2\n"
            "mov r2, r9\n"
            "ldr r3, [r0]\n"
            "blx r3\n"
            "ldr r0, [r4, #4]\n" /* over_h */
            "mov r1, r8\n"
            "mov r2, r5\n"
            "ldr r3, [r0]\n"
            "blx r3\n"
            "ldrb r2, [r4, #22]\n" /* narrow */
            "add r3, r7, r10, lsl #1\n"
            "strd r2, r3, [sp]\n"
            "mov r12, r8\n"
            "ldrb r8, [r4, #20]\n" /* scale_bits */
            "mov r4, r9\n"
            "mov r9, r7\n"
            "rsb lr, r11, #22\n"
            "lsl r11, r10, #1\n"
            "movw r6, #:lower16:el_sigmoid_lines + 256\n"
            "movt r6, #:upper16:el_sigmoid_lines + 256\n"
            "adds r7, r6, #2\n");
    /* Goes on, as C promises no longer strings. n is (sigmoid - 1/2) 2, in Q8.23. */
    __asm__("1:\n"
            "ldrsh r0, [r4, r10]\n"
            "ldrsh r1, [r5, r10]\n"
            "add r0, r0, r1\n"
            GATE("r0") /* r */
            "ldrsh r1, [r5, r11]\n"
            "mul r0, r0, r1\n"
            "add r0, r0, #16384\n"
            "ldrsh r1, [r4, r11]\n"
            "add r0, r1, r0, asr #15\n"
            "lsls r0, r0, #1\n"
            GATE("r0")
            "sub r0, r0, #16384\n"
            "lsls r0, r0, #9\n" /* n */
            "ldrsh r1, [r4], #2\n"
            "ldrsh r2, [r5], #2\n"
            "add r1, r1, r2\n"
            GATE("r1") /* z */
            "ldr r2, [r9]\n"
            "subs r2, r2, r0\n"
            "asrs r3, r2, #16\n"
            "uxth r2, r2\n"
            "mul r3, r3, r1\n"
            "mul r2, r2, r1\n"
            "add r3, r3, r2, lsr #16\n"
            "add r0, r0, r3, lsl #1\n"
            "str r0, [r9], #4\n"
            "asr r0, r0, lr\n"
            "adds r0, r0, #1\n"
            "asrs r0, r0, #1\n"
            "ldrd r2, r3, [sp]\n"
            "cmp r2, #0\n"
            "it ne\n"
            "ssatne r0, #8, r0\n"
            "strh r0, [r12], #2\n"
            "cmp r9, r3\n"
            "bne 1b\n"
            "add sp, sp, #12\n"
            "pop {r4-r11, pc}\n");
}

/* clang-format on */
