/* Dense head on AVR: four outputs at a time, over the hidden state where it lies. */
#include "el_avr.h"

/* Members of el_head as the assembly finds them. */
#define CONSTANTS 2
#define UNITS 4
#define OUTPUTS 6

typedef char el_avr_needs_members_of_head[offsetof(el_head, constants) == CONSTANTS &&
                                                  offsetof(el_head, units) == UNITS &&
                                                  offsetof(el_head, outputs) == OUTPUTS
                                              ? 1
                                              : -1];

/* What is pushed on the stack, from Y on. */
#define BLOCK 1 /* of columns, one a turn of the loop */
#define NEXT 6  /* output */
#define LEFT 8  /* outputs */
#define PUSHED 9

#define SUM_CODES                                                                                                      \
    EL_ASM(clr r8)                                                                                                     \
    EL_ASM(clr r9)                                                                                                     \
    EL_ASM(clr r10)                                                                                                    \
    "1:\n"                                                                                                             \
    EL_ASM(ld r20, X+)                                                                                                 \
    EL_ASM(ld r21, X+)                                                                                                 \
    EL_AVR_SUM_CODE                                                                                                    \
    EL_ASM(sbiw r24, 1)                                                                                                \
    EL_ASM(brne 1b)

/* Store the output of a row; after the last one go to label 4. */
#define OUTPUT(low, middle, high)                                                                                      \
    EL_AVR_REQUANTISE(low, middle, high)                                                                               \
    EL_AVR_SATURATE                                                                                                    \
    EL_ASM(ldd r26, Y+NEXT)                                                                                            \
    EL_ASM(ldd r27, Y+NEXT+1)                                                                                          \
    EL_ASM(st X+, r24)                                                                                                 \
    EL_ASM(st X+, r25)                                                                                                 \
    EL_ASM(std Y+NEXT, r26)                                                                                            \
    EL_ASM(std Y+NEXT+1, r27)                                                                                          \
    EL_ASM(ldd r24, Y+LEFT)                                                                                            \
    EL_ASM(ldd r25, Y+LEFT+1)                                                                                          \
    EL_ASM(sbiw r24, 1)                                                                                                \
    EL_ASM(std Y+LEFT, r24)                                                                                            \
    EL_ASM(std Y+LEFT+1, r25)                                                                                          \
    EL_ASM(brne 1f)                                                                                                    \
    EL_ASM(rjmp 4f)                                                                                                    \
    "1:\n"

/* In: r25:r24 head, r23:r22 h, r21:r20 y. */
EL_NAKED void el_head_avr(const el_head *head, const int16_t *h, int16_t *y)
{
    __asm__(
        EL_AVR_SAVE
        EL_ASM(movw r30, r24)
        EL_ASM(movw r16, r22)
        EL_ASM(ldd r24, Z+OUTPUTS)
        EL_ASM(ldd r25, Z+OUTPUTS+1)
        EL_ASM(push r25)
        EL_ASM(push r24)
        EL_ASM(push r21)
        EL_ASM(push r20)
        EL_ASM(ldd r24, Z+UNITS)
        EL_ASM(ldd r25, Z+UNITS+1)
        EL_ASM(push r25)
        EL_ASM(push r24)
        EL_ASM(movw r26, r16)
        SUM_CODES
        EL_AVR_EXCESS
        EL_ASM(push r22)
        EL_ASM(push r21)
        EL_ASM(push r20)
        EL_ASM(in r28, 0x3d)
        EL_ASM(in r29, 0x3e)
        EL_ASM(ldd r24, Z+CONSTANTS)
        EL_ASM(ldd r31, Z+CONSTANTS+1)
        EL_ASM(mov r30, r24)
        "3:\n"
        EL_ASM(movw r26, r16)
        EL_AVR_ROWS(BLOCK, EL_AVR_COLUMN)
        OUTPUT(r2, r3, r4)
        OUTPUT(r5, r6, r7)
        OUTPUT(r8, r9, r10)
        OUTPUT(r11, r12, r13)
        EL_ASM(rjmp 3b)
        "4:\n"
        EL_ASM(.rept PUSHED)
        EL_ASM(pop r0)
        EL_ASM(.endr)
        EL_AVR_LEAVE
        EL_AVR_REQUANTISE_HERE
    );
}
