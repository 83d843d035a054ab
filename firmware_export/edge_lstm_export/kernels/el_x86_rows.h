/* Rows of as many units at once as a vector has lanes. Included behind an el_x86_<level>.h, which defines
 *
 *   EL_X86            attributes of a function that uses the processor's instructions
 *   EL_LANES          of el_vector, int32_t each
 *   el_all(value)     in every lane
 *   el_bytes(p)       lanes of uint8_t
 *   el_words(p, n)    n lanes of int32_t, any in the others; n is 1..EL_LANES
 *   el_keep_words, el_keep_halves(p, v, n)     the first n lanes as int32_t or int16_t
 *   el_dot(sum, weights, pair)   sum + weights (lanes, 2) . pair, two int16_t codes in a word
 *   EL_DOT_WAITS      whether it takes so long that a row had better have two sums, which do not wait for each other
 *   el_clamp(v, low, high), el_sigmoids(z)   lane by lane
 */
#ifndef EL_X86_ROWS_H
#define EL_X86_ROWS_H

#include "el_sigmoid.h"
#include "el_x86.h"

enum { EL_MOST_GATES = 4 };

typedef uint32_t el_unsigned __attribute__((vector_size(4 * EL_LANES)));

/* Two codes as a word. */
static inline int32_t el_pair(const int16_t *v)
{
    return (int32_t)((uint32_t)(uint16_t)v[0] | (uint32_t)(uint16_t)v[1] << 16);
}

typedef int32_t el_quad __attribute__((vector_size(16), aligned(2), may_alias));

/* v (count) into words of two codes; an odd count takes a zero. Returns where they end. Rows read these, so a new
 * hidden state can go to its place at once. */
static inline int32_t *el_pair_up(int32_t *pairs, const int16_t *v, uint16_t count)
{
    size_t left = count;
    /* Codes are few: compilers would take longer to choose among copies of the loop. */
#pragma GCC unroll 1
    for (; left >= 8; left -= 8, v += 8, pairs += 4)
        *(el_quad *)(void *)pairs = *(const el_quad *)(const void *)v;
#pragma GCC unroll 1
    for (; left > 1; left -= 2, v += 2)
        *pairs++ = el_pair(v);
    if (left != 0)
        *pairs++ = (uint16_t)v[0];
    return pairs;
}

/* Where constants of `gates` a unit and unit u of the first gate lie. */
static inline size_t el_row(size_t u, size_t gates)
{
    return u / EL_X86_BLOCK * gates * EL_X86_BLOCK + u % EL_X86_BLOCK;
}

static inline const int8_t *el_weights(const el_x86_rows *rows, size_t u, size_t gates, size_t pairs)
{
    return rows->weights + 2 * (u / EL_X86_BLOCK * pairs * gates * EL_X86_BLOCK + u % EL_X86_BLOCK);
}

EL_X86 static inline el_vector el_requantise(el_vector sum, const el_x86_rows *rows, size_t row)
{
    return (sum * el_bytes(rows->multiplier + row)) >> el_bytes(rows->shift + row);
}

EL_X86 static inline el_vector el_saturate16(el_vector v)
{
    return el_clamp(v, el_all(-32768), el_all(32767));
}

EL_X86 static inline el_vector el_tanhs_of_half(el_vector z)
{
    return 2 * el_sigmoids(z) - 32768;
}

/* sums (gates) += weights times a pair of codes; returns where the next weights are. */
EL_X86_INLINE const int8_t *el_add_pair(el_vector *sums, const int8_t *weights, size_t gates, int32_t pair)
{
#pragma GCC unroll 4
    for (size_t gate = 0; gate < gates; gate++, weights += 2 * EL_X86_BLOCK)
        sums[gate] = el_dot(sums[gate], weights, pair);
    return weights;
}

/* z (gates) = the rows of units u.. over pairs of codes, requantised. */
EL_X86_INLINE void el_rows(el_vector *z, const el_x86_rows *rows, size_t u, size_t gates, const int32_t *codes,
                           const int32_t *end)
{
    const size_t row = el_row(u, gates);
    const int8_t *weights = el_weights(rows, u, gates, (size_t)(end - codes));
    el_vector sums[EL_MOST_GATES], apart[EL_MOST_GATES], *const odd = EL_DOT_WAITS ? apart : sums;
#pragma GCC unroll 4
    for (size_t gate = 0; gate < gates; gate++) {
        sums[gate] = el_words(rows->bias + row + EL_X86_BLOCK * gate, EL_LANES);
        apart[gate] = el_all(0);
    }
    for (; end - codes > 1; codes += 2) {
        weights = el_add_pair(sums, weights, gates, codes[0]);
        weights = el_add_pair(odd, weights, gates, codes[1]);
    }
    if (codes != end)
        el_add_pair(sums, weights, gates, *codes);
#pragma GCC unroll 4
    for (size_t gate = 0; gate < gates; gate++)
        z[gate] = el_requantise(EL_DOT_WAITS ? sums[gate] + apart[gate] : sums[gate], rows, row + EL_X86_BLOCK * gate);
}

/* gate value >> 16 by halves: 15 x 16 bits above, 15 x 16 below. */
EL_X86 static inline el_vector el_product(el_vector gate, el_vector value)
{
    const el_unsigned below = (el_unsigned)gate * ((el_unsigned)value & 0xffff);
    return gate * (value >> 16) + (el_vector)(below >> 16);
}

static inline size_t el_lanes_of(size_t left)
{
    return left < EL_LANES ? left : EL_LANES;
}

#endif
