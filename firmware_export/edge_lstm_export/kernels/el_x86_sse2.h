/* Four lanes: SSE2, which every x86-64 has. */
#ifndef EL_X86_SSE2_H
#define EL_X86_SSE2_H

#include <emmintrin.h>

#include "el_sigmoid.h"

#define EL_X86
#define EL_LANES 4
#define EL_DOT_WAITS 0

typedef int32_t el_vector __attribute__((vector_size(16)));

static inline el_vector el_all(int32_t value)
{
    return (el_vector)_mm_set1_epi32(value);
}

static inline el_vector el_words(const int32_t *p, size_t count)
{
    if (count == EL_LANES)
        return (el_vector)_mm_loadu_si128((const __m128i *)(const void *)p);
    el_vector v = {0};
    for (size_t k = 0; k < count; k++)
        v[k] = p[k];
    return v;
}

static inline void el_keep_words(int32_t *p, el_vector v, size_t count)
{
    for (size_t k = 0; k < count; k++)
        p[k] = v[k];
}

static inline void el_keep_halves(int16_t *p, el_vector v, size_t count)
{
    for (size_t k = 0; k < count; k++)
        p[k] = (int16_t)v[k];
}

static inline el_vector el_bytes(const uint8_t *p)
{
    return (el_vector)_mm_setr_epi32(p[0], p[1], p[2], p[3]);
}

static inline el_vector el_dot(el_vector sum, const int8_t *weights, int32_t pair)
{
    const __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)weights);
    const __m128i wide = _mm_srai_epi16(_mm_unpacklo_epi8(bytes, bytes), 8);
    return sum + (el_vector)_mm_madd_epi16(wide, _mm_set1_epi32(pair));
}

static inline el_vector el_clamp(el_vector v, el_vector low, el_vector high)
{
    const el_vector under = v < low, over = v > high;
    return (v & ~(under | over)) | (low & under) | (high & over);
}

static inline el_vector el_sigmoids(el_vector z)
{
    return (el_vector)_mm_setr_epi32(el_sigmoid(z[0]), el_sigmoid(z[1]), el_sigmoid(z[2]), el_sigmoid(z[3]));
}

#endif
