#include "el_codec.h"

/* Beyond this a float has no fraction, and codes are clamped far below it. */
#define EL_FLOAT_LIMIT 16777216L

/* floor, limited to +-2^24, without libm. */
static int32_t el_floor(float value)
{
    if (!(value > (float)-EL_FLOAT_LIMIT)) /* so written, NaN comes this way too */
        return -EL_FLOAT_LIMIT;
    if (value >= (float)EL_FLOAT_LIMIT)
        return EL_FLOAT_LIMIT;
    const int32_t whole = (int32_t)value;
    return (float)whole > value ? whole - 1 : whole;
}

/* Memory is what forces a float: it forbids a fused multiply-add and the extended precision of x87, either of which moves a
 * sample on the edge between two codes. Whoever compiles with -ffp-contract=off may say so and have registers. */
#if defined(EL_NO_CONTRACTION) && FLT_EVAL_METHOD == 0
typedef float el_exact;
#else
typedef volatile float el_exact;
#endif

void el_encode_with(const el_encoder *encoder, const float *physical, int16_t *codes)
{
    for (uint16_t k = 0; k < encoder->channels; k++) {
        const int32_t low = EL_LOAD_I16(encoder->low + k), high = EL_LOAD_I16(encoder->high + k);
        el_exact scaled = physical[k] - EL_LOAD_F32(encoder->offset + k);
        scaled = scaled * EL_LOAD_F32(encoder->gain + k);
        scaled = scaled + 0.5F;
        const int32_t code = el_floor(scaled) + encoder->zero;
        codes[k] = (int16_t)(code < low ? low : code > high ? high : code);
    }
}

void el_decode_with(const el_decoder *decoder, const int16_t *codes, float *values)
{
    for (uint16_t k = 0; k < decoder->outputs; k++) {
        const int32_t code = (int32_t)codes[k] - decoder->zero;
        values[k] = (float)code * EL_LOAD_F32(decoder->gain + k) + EL_LOAD_F32(decoder->offset + k);
    }
}

uint16_t el_argmax_of(const int16_t *codes, uint16_t count)
{
    uint16_t best = 0;
    for (uint16_t k = 1; k < count; k++)
        if (codes[k] > codes[best])
            best = k;
    return best;
}
