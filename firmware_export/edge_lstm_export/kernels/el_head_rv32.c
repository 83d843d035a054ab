/* Dense head on RV32IM(C): four outputs at a time, over the hidden state where it lies. */
#include "el_rv32.h"

/* Members of el_head as the assembly finds them. */
#define CONSTANTS 4
#define UNITS 8
#define OUTPUTS 10

typedef char el_rv32_needs_members_of_head[offsetof(el_head, constants) == CONSTANTS &&
                                                   offsetof(el_head, units) == UNITS &&
                                                   offsetof(el_head, outputs) == OUTPUTS
                                               ? 1
                                               : -1];

#define rv_next rv_cell /* output */

/* Store the output of a row; after the last one go to label 3. */
#define OUTPUT(v)                                                                                                      \
    EL_RV32_CLAMP(v, rv_most, rv_least)                                                                                \
    EL_ASM(sh v, 0(rv_next))                                                                                           \
    EL_ASM(addi rv_next, rv_next, 2)                                                                                   \
    EL_ASM(beq rv_next, rv_last, 3f)

/* In: a0 head, a1 h, a2 y. */
EL_NAKED void el_head_rv32(const el_head *head, const int16_t *h, int16_t *y)
{
    __asm__(
        EL_RV32_BEGIN
        EL_ASM(lhu t0, UNITS(a0))
        EL_ASM(lhu t1, OUTPUTS(a0))
        EL_ASM(lw rv_stream, CONSTANTS(a0))
        EL_ASM(mv rv_next, a2)
        EL_ASM(slli rv_last, t1, 1)
        EL_ASM(add rv_last, rv_last, rv_next)
        EL_ASM(mv rv_column, a1)
        EL_RV32_COLUMNS(rv_column, t0)
        "2:\n"
        EL_RV32_ROWS
        OUTPUT(rv_i)
        OUTPUT(rv_f)
        OUTPUT(rv_g)
        OUTPUT(rv_o)
        EL_ASM(j 2b)
        "3:\n"
        EL_RV32_RETURN
        EL_RV32_END
    );
}
