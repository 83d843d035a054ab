/* LSTM layer on RV32IM(C), int8 weights and int16 activations: x and h side by side in the scratch. */
#include "el_rv32.h"

EL_NAKED void el_lstm_rv32_w8a16(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    __asm__(
        EL_RV32_BEGIN
        EL_RV32_LAYER
        EL_ASM(mv rv_column, t3)
        EL_RV32_COPY(t3, a2, t1)
        EL_ASM(mv a2, rv_hidden)
        EL_RV32_COPY(t3, a2, t0)
        EL_ASM(add t0, t0, t1)
        EL_RV32_COLUMNS(rv_column, t0)
        "2:\n"
        EL_RV32_ROWS
        EL_RV32_UNIT
        EL_RV32_NEXT
        EL_RV32_RETURN
        EL_RV32_END
        : : [segments] "i"(el_sigmoid_segments));
}
