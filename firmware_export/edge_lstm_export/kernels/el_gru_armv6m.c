/* GRU layer that resets after the product, for Cortex-M0 and M0+: rows by the kernel of the head, then unit by unit in
 * assembly.
 *
 *   r0-r3  at work      r4  scale_bits, then next c      r5 r6  next rows over h, over x      r7  line of z = 0
 *   r8  scale_bits      r9  2^23      r10 r11  bytes of a gate's rows, of two      r12 lr  next c, h
 *
 * The stack, from sp: what is shifted out of c, less one; whether h saturates to int8; end of c. */
#include "el_gated.h"
#include "el_lstm_armv6m.h"

typedef char el_gru_armv6m_layout
    [offsetof(el_gated, over_h) == 4 && offsetof(el_gated, scale_bits) == 20 && offsetof(el_gated, narrow) == 22 &&
             offsetof(el_layer, units) == 10 && offsetof(el_layer, hidden_bits) == 12
         ? 1
         : -1];

/* clang-format off */

/* Sum of rows of a unit -> its gate; r2 and r3 are lost. */
#define GATE(z)                                                                                                        \
    "lsls " z ", r4\n"                                                                                                 \
    "sxth r2, " z "\n"                                                                                                 \
    "cmp r2, " z "\n"                                                                                                  \
    "beq 2f\n"                                                                                                         \
    "asrs " z ", #31\n"                                                                                                \
    "ldr r2, =0x7fff\n"                                                                                                \
    "eors " z ", r2\n"                                                                                                 \
    "2:\n"                                                                                                             \
    "asrs r2, " z ", #9\n"                                                                                             \
    "lsls r2, #2\n"                                                                                                    \
    "adds r2, r7\n"                                                                                                    \
    "ldrh r3, [r2, #2]\n"                                                                                              \
    "ldrh r2, [r2]\n"                                                                                                  \
    "muls " z ", r3\n"                                                                                                 \
    "asrs " z ", #9\n"                                                                                                 \
    "adds " z ", r2\n"

__attribute__((naked, noinline)) void el_gru(const el_layer *layer __attribute__((unused)),
                                             const el_layer_state *state __attribute__((unused)),
                                             const int16_t *x __attribute__((unused)))
{
    __asm__(".syntax unified\n"
            "push {r4-r7, lr}\n"
            "mov r4, r8\n"
            "mov r5, r9\n"
            "mov r6, r10\n"
            "mov r7, r11\n"
            "push {r4-r7}\n"
            "sub sp, #12\n"
            "movs r7, #22\n"
            "ldrb r3, [r0, #12]\n" /* layer->hidden_bits */
            "subs r7, r3\n"
            "str r7, [sp]\n"
            "ldr r4, [r0, #4]\n" /* layer->constants */
            "ldrb r3, [r4, #22]\n" /* narrow */
            "str r3, [sp, #4]\n"
            "ldrh r7, [r0, #10]\n" /* layer->units */
            "lsls r7, #1\n"
            "mov r10, r7\n"
            "lsls r0, r7, #1\n"
            "mov r11, r0\n"
            "ldr r3, [r1]\n" /* state->c */
            "mov r8, r3\n"
            "adds r3, r0\n"
            "str r3, [sp, #8]\n"
            "ldr r3, [r1, #4]\n" /* state->h */
            "mov r9, r3\n"
            "ldr r6, [r1, #8]\n" /* state->work */
            "adds r5, r6, r0\n"
            "adds r5, r7\n"
            "mov r1, r2\n"
            "mov r2, r6\n"
            "ldr r0, [r4]\n" /* over_x */
            "ldr r3, [r0]\n"
            "blx r3\n"
            "mov r1, r9\n"
            "mov r2, r5\n"
            "ldr r0, [r4, #4]\n" /* over_h */
            "ldr r3, [r0]\n"
            "blx r3\n");
    /* Goes on, as C promises no longer strings. n is (sigmoid - 1/2) 2, in Q8.23. */
    __asm__("mov lr, r9\n"
            "mov r12, r8\n"
            "ldrb r4, [r4, #20]\n" /* scale_bits */
            "mov r8, r4\n"
            "movs r0, #1\n"
            "lsls r0, #23\n"
            "mov r9, r0\n"
            "ldr r7, =el_sigmoid_lines + 256\n"
            "1:\n"
            "mov r1, r10\n"
            "ldrsh r0, [r6, r1]\n"
            "ldrsh r1, [r5, r1]\n"
            "adds r0, r1\n"
            GATE("r0") /* r */
            "mov r1, r11\n"
            "ldrsh r2, [r5, r1]\n"
            "muls r0, r2\n"
            "ldrsh r1, [r6, r1]\n"
            "asrs r0, #14\n"
            "adds r0, #1\n"
            "asrs r0, #1\n"
            "adds r0, r1\n"
            "adds r0, r0\n"
            GATE("r0")
            "lsls r0, #9\n"
            "mov r1, r9\n"
            "subs r0, r1\n" /* n */
            "movs r1, #0\n"
            "ldrsh r2, [r6, r1]\n"
            "ldrsh r1, [r5, r1]\n"
            "adds r1, r2\n"
            GATE("r1") /* z */
            "adds r5, #2\n"
            "adds r6, #2\n");
    __asm__("mov r4, r12\n"
            "ldr r2, [r4]\n"
            "subs r2, r0\n"
            "asrs r3, r2, #16\n"
            "uxth r2, r2\n"
            "muls r3, r1\n"
            "muls r2, r1\n"
            "lsrs r2, #16\n"
            "adds r3, r2\n"
            "adds r3, r3\n"
            "adds r0, r3\n"
            "stmia r4!, {r0}\n"
            "mov r12, r4\n"
            "ldr r1, [sp]\n"
            "asrs r0, r1\n"
            "adds r0, #1\n"
            "asrs r0, #1\n"
            "ldr r1, [sp, #4]\n"
            "cmp r1, #0\n"
            "bne 3f\n"
            "2:\n"
            "mov r1, lr\n"
            "strh r0, [r1]\n"
            "adds r1, #2\n"
            "mov lr, r1\n"
            "ldr r1, [sp, #8]\n"
            "cmp r4, r1\n"
            "mov r4, r8\n"
            "bne 1b\n"
            "add sp, #12\n"
            "pop {r0-r3}\n"
            "mov r8, r0\n"
            "mov r9, r1\n"
            "mov r10, r2\n"
            "mov r11, r3\n"
            "pop {r4-r7, pc}\n"
            "3:\n"
            "sxtb r2, r0\n"
            "cmp r2, r0\n"
            "beq 2b\n"
            "asrs r0, #31\n"
            "movs r2, #127\n"
            "eors r0, r2\n"
            "b 2b\n"
            ".ltorg\n");
}

/* clang-format on */
