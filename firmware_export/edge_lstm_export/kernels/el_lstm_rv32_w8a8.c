/* LSTM layer on RV32IM(C), int8 weights and 8-bit activations: a block of rows over x, where it lies, and a block over
 * h, from the scratch. The registers of columns of both blocks, and what the first gave, wait on the stack. */
#include "el_rv32.h"

#define COLUMNS(move, at)                                                                                              \
    EL_ASM(move rv_first, at(sp))                                                                                      \
    EL_ASM(move rv_end, at+4(sp))                                                                                      \
    EL_ASM(move rv_skipped, at+8(sp))                                                                                  \
    EL_ASM(move rv_entry, at+12(sp))

#define ADD_FROM(gate, at)                                                                                             \
    EL_ASM(lw t0, at(sp))                                                                                              \
    EL_ASM(add gate, gate, t0)

EL_NAKED void el_lstm_rv32_w8a8(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    __asm__(
        EL_RV32_BEGIN
        EL_RV32_LAYER
        EL_ASM(addi sp, sp, -48)
        EL_RV32_COLUMNS(a2, t1)
        COLUMNS(sw, 0)
        EL_ASM(mv rv_column, t3)
        EL_ASM(mv a2, rv_hidden)
        EL_RV32_COPY(t3, a2, t0)
        EL_RV32_COLUMNS(rv_column, t0)
        COLUMNS(sw, 16)
        "2:\n"
        COLUMNS(lw, 0)
        EL_ASM(jal ra, 3f)
        EL_ASM(sw rv_i, 32(sp))
        EL_ASM(sw rv_f, 36(sp))
        EL_ASM(sw rv_g, 40(sp))
        EL_ASM(sw rv_o, 44(sp))
        COLUMNS(lw, 16)
        EL_ASM(jal ra, 3f)
        ADD_FROM(rv_i, 32)
        ADD_FROM(rv_f, 36)
        ADD_FROM(rv_g, 40)
        ADD_FROM(rv_o, 44)
        EL_RV32_UNIT
        EL_ASM(li t0, 127)
        EL_ASM(not t1, t0)
        EL_RV32_CLAMP(rv_o, t0, t1)
        EL_RV32_NEXT
        EL_ASM(addi sp, sp, 48)
        EL_RV32_RETURN
        "3:\n"
        EL_RV32_ROWS
        EL_ASM(ret)
        EL_RV32_END
        : : [segments] "i"(el_sigmoid_segments));
}
