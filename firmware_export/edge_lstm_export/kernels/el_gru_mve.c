/* GRU layer that resets after the product, MVE: gates of eight units at a time, then states of four. */
#include <arm_mve.h>

#include "el_gated.h"
#include "el_mve.h"

/* Rows of two blocks, together, at the scale of pre-activations. Where they saturate before they are scaled, they do so
 * all the more afterwards. */
static inline int16x8_t el_mve_z(int16x8_t a, int16x8_t d, int32_t up)
{
    return vqshlq_r_s16(vqaddq_s16(a, d), up);
}

static inline uint16x8_t el_mve_sigma(int16x8_t z)
{
    const uint16x8_t segment = vshrq_n_u16(vreinterpretq_u16_s16(z), 9);
    const uint16x8_t fraction = vshlq_n_u16(vreinterpretq_u16_s16(z), 7);
    const uint16x8_t slope = vldrhq_gather_shifted_offset_u16(el_mve_sigmoid + 128, segment);
    return vaddq_u16(vmulhq_u16(fraction, slope), vldrhq_gather_shifted_offset_u16(el_mve_sigmoid, segment));
}

/* Rows over x and over h -> z and n of all units, in place of the rows of z. */
static void el_gru_gates(const el_gated *cell, int16_t *a, int16_t *d, int32_t units)
{
    const int32_t up = cell->scale_bits;
    for (int32_t left = units; left > 0; left -= 8, a += 8, d += 8) {
        const mve_pred16_t some = vctp16q((uint32_t)left);
        const int16x8_t z = el_mve_z(vldrhq_z_s16(a, some), vldrhq_z_s16(d, some), up);
        const int16x8_t r = el_mve_z(vldrhq_z_s16(a + units, some), vldrhq_z_s16(d + units, some), up);
        const int16x8_t reset = vreinterpretq_s16_u16(el_mve_sigma(r));
        const int16x8_t over_h = vqrdmulhq_s16(reset, vldrhq_z_s16(d + 2 * units, some));
        const int16x8_t n = el_mve_z(vldrhq_z_s16(a + 2 * units, some), over_h, up + 1);
        const uint16x8_t twice = vshlq_n_u16(el_mve_sigma(n), 1);
        vstrhq_p_s16(a, vreinterpretq_s16_u16(el_mve_sigma(z)), some);
        vstrhq_p_s16(d, vreinterpretq_s16_u16(veorq_u16(twice, vdupq_n_u16(0x8000))), some);
    }
}

void el_gru(const el_lstm *layer, const el_lstm_state *state, const int16_t *x)
{
    const el_gated *cell = (const el_gated *)layer->constants;
    const int32_t units = layer->units, drop = 23 - layer->hidden_bits;
    int16_t *a = (int16_t *)state->work, *d = a + 3 * units; /* (3, units) each */
    cell->over_x->apply(cell->over_x, x, a);
    cell->over_h->apply(cell->over_h, state->h, d);
    el_gru_gates(cell, a, d, units);
    int32_t *c = state->c;
    int16_t *h = state->h;
    const int32x4_t most = vdupq_n_s32(cell->narrow ? 127 : 32767), least = vdupq_n_s32(cell->narrow ? -128 : -32768);
    for (int32_t left = units; left > 0; left -= 4, a += 4, d += 4, c += 4, h += 4) {
        const mve_pred16_t some = vctp32q((uint32_t)left);
        const int32x4_t z = vshlq_n_s32(vldrhq_z_s32(a, some), 15);
        const int32x4_t n = vshlq_n_s32(vldrhq_z_s32(d, some), 8);
        const int32x4_t moved = vqdmulhq_s32(vsubq_s32(vldrwq_z_s32(c, some), n), z); /* z (c - n) >> 16 */
        const int32x4_t next = vaddq_s32(n, vshlq_n_s32(moved, 1));
        const int32x4_t shown = vmaxq_s32(vminq_s32(vrshlq_n_s32(next, -drop), most), least);
        vstrwq_p_s32(c, next, some);
        vstrhq_p_s32(h, shown, some);
    }
}
