/* Sixteen lanes: AVX-512 with VNNI. */
#ifndef EL_X86_AVX512_H
#define EL_X86_AVX512_H

#include <immintrin.h>

#include "el_sigmoid.h"

/* gcc's own header begins with registers that it leaves undefined on purpose. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

/* Clang 18 to 21 want the width of the vectors said; other compilers do not know the word. */
#if defined(__clang__) && __clang_major__ >= 18 && __clang_major__ <= 21
#define EL_X86 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,evex512")))
#else
#define EL_X86 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#endif
#define EL_LANES 16
#define EL_DOT_WAITS 1

typedef int32_t el_vector __attribute__((vector_size(64)));

EL_X86 static inline el_vector el_all(int32_t value)
{
    return (el_vector)_mm512_set1_epi32(value);
}

EL_X86 static inline __mmask16 el_first(size_t count)
{
    return (__mmask16)((1UL << count) - 1UL);
}

EL_X86 static inline el_vector el_words(const int32_t *p, size_t count)
{
    return (el_vector)(count == EL_LANES ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi32(el_first(count), p));
}

EL_X86 static inline void el_keep_words(int32_t *p, el_vector v, size_t count)
{
    if (count == EL_LANES)
        _mm512_storeu_si512(p, (__m512i)v);
    else
        _mm512_mask_storeu_epi32(p, el_first(count), (__m512i)v);
}

EL_X86 static inline void el_keep_halves(int16_t *p, el_vector v, size_t count)
{
    const __m256i halves = _mm512_cvtepi32_epi16((__m512i)v);
    if (count == EL_LANES)
        _mm256_storeu_si256((__m256i *)(void *)p, halves);
    else
        _mm256_mask_storeu_epi16(p, el_first(count), halves);
}

EL_X86 static inline el_vector el_bytes(const uint8_t *p)
{
    return (el_vector)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}

EL_X86 static inline el_vector el_dot(el_vector sum, const int8_t *weights, int32_t pair)
{
    const __m512i wide = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)weights));
    return (el_vector)_mm512_dpwssd_epi32((__m512i)sum, wide, _mm512_set1_epi32(pair));
}

EL_X86 static inline el_vector el_clamp(el_vector v, el_vector low, el_vector high)
{
    return (el_vector)_mm512_min_epi32(_mm512_max_epi32((__m512i)v, (__m512i)low), (__m512i)high);
}

/* Segments 32 n.. of the table, each a word: base below, slope above. */
EL_X86 static inline __m512i el_segments(size_t n, __m512i k)
{
    const uint16_t *words = el_sigmoid_segments + 64 * n;
    return _mm512_permutex2var_epi32(_mm512_loadu_si512(words), k, _mm512_loadu_si512(words + 32));
}

/* The whole table lies in eight registers: a permutation looks a segment up among 32, faster than a gather. */
EL_X86 static inline el_vector el_sigmoids(el_vector z)
{
    const __m512i u = (__m512i)(z + 32768), k = _mm512_srli_epi32(u, 9);
    const __mmask16 odd = _mm512_test_epi32_mask(k, _mm512_set1_epi32(32));
    const __mmask16 upper = _mm512_test_epi32_mask(k, _mm512_set1_epi32(64));
    const __m512i below = _mm512_mask_blend_epi32(odd, el_segments(0, k), el_segments(1, k));
    const __m512i above = _mm512_mask_blend_epi32(odd, el_segments(2, k), el_segments(3, k));
    const __m512i segment = _mm512_mask_blend_epi32(upper, below, above);
    const __m512i rise = _mm512_madd_epi16(_mm512_srli_epi32(segment, 16), (__m512i)((el_vector)u & 511));
    return ((el_vector)segment & 0xffff) + ((el_vector)rise >> 9);
}

#endif
