/* Rows over codes for Cortex-M3, in assembly: the head, and what cells other than the LSTM are made of.
 *
 * Four rows at a time as el_lstm_armv7m.h takes four gates, from a stream of the same order; rows of zeros make the last
 * four whole. Codes are read where they lie: there is no scratch to widen them in.
 *
 *   r0-r7  at work      r8 r9 r10  A U B      r11  codes      r12  stream      lr  end of the codes
 *
 * The stack, from sp: offsets of the sums as el_offsets leaves them; codes and their end; where the next four rows go
 * and the end of y, less four rows; how many columns there are, times 2^30. */
#include "el_lstm_armv7m.h"

typedef char el_armv7m_needs_members_of_head
    [offsetof(el_head, constants) == 4 && offsetof(el_head, units) == 8 && offsetof(el_head, outputs) == 10 ? 1 : -1];

/* clang-format off */

__attribute__((naked, noinline)) void el_head_armv7m(const el_head *head __attribute__((unused)),
                                                     const int16_t *h __attribute__((unused)),
                                                     int16_t *y __attribute__((unused)))
{
    __asm__(".syntax unified\n"
            EL_BLOCK_MACROS EL_SUM_MACROS EL_PART_MACROS
            "push {r4-r11, lr}\n"
            "sub sp, sp, #28\n"
            "ldr r12, [r0, #4]\n" /* head->constants */
            "ldrh r4, [r0, #8]\n" /* head->units */
            "ldrh r5, [r0, #10]\n" /* head->outputs */
            "add r5, r2, r5, lsl #1\n"
            "subs r5, r5, #8\n"
            "strd r2, r5, [sp, #16]\n"
            "lsls r0, r4, #30\n"
            "str r0, [sp, #24]\n"
            "add lr, r1, r4, lsl #1\n"
            "strd r1, lr, [sp, #8]\n"
            "movs r3, #0\n"
            "1:\n"
            "ldrsh r0, [r1], #2\n"
            "add r3, r3, r0\n"
            "cmp r1, lr\n"
            "bne 1b\n"
            "el_offsets 0\n");
    /* Goes on, as C promises no longer strings. */
    __asm__("2:\n"
            "ldrd r0, r1, [sp]\n"
            "ldmia r12!, {r8, r9, r10}\n"
            "add r8, r8, r0\n"
            "add r9, r9, r1\n"
            "add r10, r10, r0\n"
            "ldrd r11, lr, [sp, #8]\n"
            "ldr r7, [sp, #24]\n"
            "lsls r0, r7, #1\n" /* one column beside pairs? */
            "bpl 1f\n"
            "ldrsh r4, [r11], #2\n"
            "ldr r0, [r12], #4\n"
            "el_column r4, r0\n"
            "1:\n"
            "cmp r7, #0\n" /* a pair beside fours? */
            "bge 1f\n"
            "ldrsh r4, [r11], #2\n"
            "ldrsh r5, [r11], #2\n"
            "ldmia r12!, {r0, r1}\n"
            "el_column r4, r0\n"
            "el_column r5, r1\n"
            "1:\n"
            "cmp r11, lr\n"
            "beq 3f\n"
            "1:\n"
            "ldrsh r4, [r11], #2\n"
            "ldrsh r5, [r11], #2\n"
            "ldrsh r6, [r11], #2\n"
            "ldrsh r7, [r11], #2\n"
            "ldmia r12!, {r0, r1, r2, r3}\n"
            "el_column r4, r0\n"
            "el_column r5, r1\n"
            "el_column r6, r2\n"
            "el_column r7, r3\n"
            "cmp r11, lr\n"
            "bne 1b\n"
            "3:\n"
            "el_part\n");
    __asm__("ssat r0, #16, r0\n"
            "ssat r1, #16, r1\n"
            "ssat r2, #16, r2\n"
            "ssat r3, #16, r3\n"
            "ldrd r4, r5, [sp, #16]\n"
            "cmp r4, r5\n"
            "bhi 3f\n"
            "strh r0, [r4], #2\n"
            "strh r1, [r4], #2\n"
            "strh r2, [r4], #2\n"
            "strh r3, [r4], #2\n"
            "str r4, [sp, #16]\n"
            "bne 2b\n"
            "b 4f\n"
            "3:\n" /* one, two or three rows */
            "subs r5, r5, r4\n"
            "strh r0, [r4]\n"
            "adds r5, r5, #4\n"
            "bmi 4f\n"
            "strh r1, [r4, #2]\n"
            "beq 4f\n"
            "strh r2, [r4, #4]\n"
            "4:\n"
            "add sp, sp, #28\n"
            "pop {r4-r11, pc}\n"
            ".purgem el_offsets\n"
            ".purgem el_end\n"
            ".purgem el_column\n"
            ".purgem el_four_columns\n"
            ".purgem el_sum\n"
            ".purgem el_requantise\n"
            ".purgem el_part\n");
}

/* clang-format on */
