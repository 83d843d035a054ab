/* Rows over codes for Cortex-M0 and M0+, in assembly: the head, and what cells other than the LSTM are made of.
 *
 * Four rows at a time as el_lstm_armv6m.h takes four gates, from a stream of the same order; rows of zeros make the last
 * four whole. Codes are read where they lie: there is no scratch to widen them in.
 *
 *   r0-r5  at work      r6  end of the codes      r7  stream      r8 r9 r10  A U B
 *   r11  minus the bytes of the codes      r12  end of y, less four rows      lr  where the next four rows go */
#include "el_lstm_armv6m.h"

typedef char el_armv6m_needs_members_of_head
    [offsetof(el_head, constants) == 4 && offsetof(el_head, units) == 8 && offsetof(el_head, outputs) == 10 ? 1 : -1];

/* clang-format off */

/* z saturated to 16 bits; r2 is lost. */
#define SATURATE(z)                                                                                                    \
    "sxth r2, " z "\n"                                                                                                 \
    "cmp r2, " z "\n"                                                                                                  \
    "beq 1f\n"                                                                                                         \
    "asrs " z ", #31\n"                                                                                                \
    "ldr r2, =0x7fff\n"                                                                                                \
    "eors " z ", r2\n"                                                                                                 \
    "1:\n"

/* To 1 if there are but full pairs of columns, of which r1 says in bytes how many there are. */
#define BY_PAIRS                                                                                                       \
    "lsls r0, r1, #30\n"                                                                                               \
    "bpl 1f\n"

__attribute__((naked, noinline)) void el_head_armv6m(const el_head *head __attribute__((unused)),
                                                     const int16_t *h __attribute__((unused)),
                                                     int16_t *y __attribute__((unused)))
{
    __asm__(".syntax unified\n"
            EL_BLOCK_MACROS EL_SUM_MACROS EL_PART_MACROS
            "push {r4-r7, lr}\n"
            "mov r4, r8\n"
            "mov r5, r9\n"
            "mov r6, r10\n"
            "mov r7, r11\n"
            "push {r4-r7}\n"
            "sub sp, #8\n"
            "ldr r7, [r0, #4]\n" /* head->constants */
            "ldrh r4, [r0, #8]\n" /* head->units */
            "ldrh r5, [r0, #10]\n" /* head->outputs */
            "mov lr, r2\n"
            "lsls r5, #1\n"
            "adds r5, r2\n"
            "subs r5, #8\n"
            "mov r12, r5\n"
            "lsls r4, #1\n"
            "adds r6, r1, r4\n"
            "negs r1, r4\n"
            "mov r11, r1\n");
    /* Goes on, as C promises no longer strings: the sum of the codes. */
    __asm__("movs r3, #0\n"
            "adds r2, r6, #2\n"
            BY_PAIRS
            "ldrsh r3, [r6, r1]\n"
            "adds r1, #2\n"
            "beq 3f\n"
            "1:\n"
            "ldrsh r0, [r6, r1]\n"
            "adds r3, r0\n"
            "ldrsh r0, [r2, r1]\n"
            "adds r3, r0\n"
            "adds r1, #4\n"
            "bne 1b\n"
            "3:\n"
            "el_offsets 0\n");
    __asm__("2:\n"
            "ldr r3, [sp]\n"
            "ldr r4, [sp, #4]\n"
            "ldmia r7!, {r0, r1, r2}\n"
            "adds r0, r4\n"
            "adds r1, r3\n"
            "adds r2, r4\n"
            "mov r8, r0\n"
            "mov r9, r1\n"
            "mov r10, r2\n"
            "mov r1, r11\n"
            "adds r2, r6, #2\n"
            BY_PAIRS
            "ldmia r7!, {r3}\n"
            "ldrsh r0, [r6, r1]\n"
            "el_column r0, r3\n"
            "adds r1, #2\n"
            "beq 3f\n"
            "1:\n"
            "ldmia r7!, {r3, r4}\n"
            "ldrsh r0, [r6, r1]\n"
            "el_column r0, r3\n"
            "ldrsh r0, [r2, r1]\n"
            "el_column r0, r4\n"
            "adds r1, #4\n"
            "bne 1b\n"
            "3:\n"
            "el_part\n");
    __asm__(SATURATE("r4") SATURATE("r0") SATURATE("r3") SATURATE("r1")
            "mov r5, lr\n"
            "cmp r5, r12\n"
            "bhi 3f\n"
            "strh r4, [r5]\n"
            "strh r0, [r5, #2]\n"
            "strh r3, [r5, #4]\n"
            "strh r1, [r5, #6]\n"
            "beq 4f\n"
            "adds r5, #8\n"
            "mov lr, r5\n"
            "b 2b\n"
            "3:\n" /* one, two or three rows */
            "mov r2, r12\n"
            "subs r2, r2, r5\n"
            "strh r4, [r5]\n"
            "adds r2, #4\n"
            "bmi 4f\n"
            "strh r0, [r5, #2]\n"
            "beq 4f\n"
            "strh r3, [r5, #4]\n"
            "4:\n"
            "add sp, #8\n"
            "pop {r0-r3}\n"
            "mov r8, r0\n"
            "mov r9, r1\n"
            "mov r10, r2\n"
            "mov r11, r3\n"
            "pop {r4-r7, pc}\n"
            ".ltorg\n"
            ".purgem el_offsets\n"
            ".purgem el_end\n"
            ".purgem el_column\n"
            ".purgem el_six_columns\n"
            ".purgem el_sum\n"
            ".purgem el_requantise\n"
            ".purgem el_part\n");
}

/* clang-format on */
