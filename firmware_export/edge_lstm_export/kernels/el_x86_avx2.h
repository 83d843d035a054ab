/* Eight lanes: AVX2. */
#ifndef EL_X86_AVX2_H
#define EL_X86_AVX2_H

#include <immintrin.h>

#include "el_sigmoid.h"

#define EL_X86 __attribute__((target("avx2")))
#define EL_LANES 8
#define EL_DOT_WAITS 0

typedef int32_t el_vector __attribute__((vector_size(32)));

EL_X86 static inline el_vector el_all(int32_t value)
{
    return (el_vector)_mm256_set1_epi32(value);
}

EL_X86 static inline __m256i el_first(size_t count)
{
    const el_vector lane = {0, 1, 2, 3, 4, 5, 6, 7};
    return (__m256i)(lane < (int32_t)count);
}

EL_X86 static inline el_vector el_words(const int32_t *p, size_t count)
{
    if (count == EL_LANES)
        return (el_vector)_mm256_loadu_si256((const __m256i *)(const void *)p);
    return (el_vector)_mm256_maskload_epi32((const int *)p, el_first(count));
}

EL_X86 static inline void el_keep_words(int32_t *p, el_vector v, size_t count)
{
    if (count == EL_LANES)
        _mm256_storeu_si256((__m256i *)(void *)p, (__m256i)v);
    else
        _mm256_maskstore_epi32((int *)p, el_first(count), (__m256i)v);
}

EL_X86 static inline void el_keep_halves(int16_t *p, el_vector v, size_t count)
{
    const __m128i low = _mm256_castsi256_si128((__m256i)v), high = _mm256_extracti128_si256((__m256i)v, 1);
    int16_t halves[EL_LANES];
    const __m128i packed = _mm_packs_epi32(low, high);
    if (count == EL_LANES) {
        _mm_storeu_si128((__m128i *)(void *)p, packed);
        return;
    }
    _mm_storeu_si128((__m128i *)(void *)halves, packed);
    for (size_t k = 0; k < count; k++)
        p[k] = halves[k];
}

EL_X86 static inline el_vector el_bytes(const uint8_t *p)
{
    return (el_vector)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}

EL_X86 static inline el_vector el_dot(el_vector sum, const int8_t *weights, int32_t pair)
{
    const __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)weights));
    return sum + (el_vector)_mm256_madd_epi16(wide, _mm256_set1_epi32(pair));
}

EL_X86 static inline el_vector el_clamp(el_vector v, el_vector low, el_vector high)
{
    return (el_vector)_mm256_min_epi32(_mm256_max_epi32((__m256i)v, (__m256i)low), (__m256i)high);
}

/* A segment is a word: base below, slope above. */
EL_X86 static inline el_vector el_sigmoids(el_vector z)
{
    const el_vector u = z + 32768;
    const __m256i segment = _mm256_i32gather_epi32((const int *)(const void *)el_sigmoid_segments, (__m256i)(u >> 9), 4);
    const __m256i rise = _mm256_madd_epi16(_mm256_srli_epi32(segment, 16), (__m256i)(u & 511));
    return ((el_vector)segment & 0xffff) + ((el_vector)rise >> 9);
}

#endif
