/* The inner loop, alone in its file as el_sum_rows.c is, so that its accumulators stay in registers. */
#include "el_lstm_tflm.h"

const int8_t *el_tflm_sum_rows(int32_t *acc, const int8_t *weights, const int8_t *v, uint16_t columns)
{
    int32_t i = acc[EL_TFLM_I], f = acc[EL_TFLM_F], g = acc[EL_TFLM_G], o = acc[EL_TFLM_O];
    const int8_t *const end = v + columns;
    while (v != end) {
        const int32_t code = *v++;
        i += code * EL_LOAD_I8(weights + EL_TFLM_I);
        f += code * EL_LOAD_I8(weights + EL_TFLM_F);
        g += code * EL_LOAD_I8(weights + EL_TFLM_G);
        o += code * EL_LOAD_I8(weights + EL_TFLM_O);
        weights += EL_TFLM_GATES;
    }
    acc[EL_TFLM_I] = i;
    acc[EL_TFLM_F] = f;
    acc[EL_TFLM_G] = g;
    acc[EL_TFLM_O] = o;
    return weights;
}
