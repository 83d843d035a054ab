/* The inner loop, alone in its file: inlined into a kernel it would lose its accumulators to the stack on cores of eight
 * registers. */
#include "el_lstm_native.h"

const int8_t *el_sum_rows(int32_t *acc, const int8_t *weights, const int16_t *v, uint16_t columns)
{
    int32_t i = acc[EL_I], f = acc[EL_F], g = acc[EL_G], o = acc[EL_O];
    const int16_t *const end = v + columns;
    while (v != end) {
        const int32_t code = *v++;
        i += code * EL_LOAD_I8(weights + EL_I);
        f += code * EL_LOAD_I8(weights + EL_F);
        g += code * EL_LOAD_I8(weights + EL_G);
        o += code * EL_LOAD_I8(weights + EL_O);
        weights += EL_GATES;
    }
    acc[EL_I] = i;
    acc[EL_F] = f;
    acc[EL_G] = g;
    acc[EL_O] = o;
    return weights;
}
