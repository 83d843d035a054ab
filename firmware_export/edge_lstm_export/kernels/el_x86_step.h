/* A step of a layer, and the head, with as many units at once as a vector has lanes. Included by each el_x86_<level>.c,
 * which defines before
 *
 *   EL_X86            attributes of a function that uses the processor's instructions
 *   EL_LANES          of el_vector, int32_t each
 *   el_all(value)     in every lane
 *   el_bytes(p)       lanes of uint8_t
 *   el_words(p, n)    n lanes of int32_t, any in the others; n is 1..EL_LANES
 *   el_keep_words, el_keep_halves(p, v, n)     the first n lanes as int32_t or int16_t
 *   el_dot(sum, weights, pair)   sum + weights (lanes, 2) . pair, two int16_t codes in a word
 *   el_clamp(v, low, high), el_sigmoids(z)   lane by lane
 */
#include "el_sigmoid.h"
#include "el_x86.h"

enum { EL_I, EL_F, EL_G, EL_O, EL_GATES };

#define EL_CELL_MAX 0x3fffffff         /* +128 - 2^-23, Q8.23 */
#define EL_CELL_MIN (-EL_CELL_MAX - 1) /* -128 */

typedef uint32_t el_unsigned __attribute__((vector_size(4 * EL_LANES)));

/* Two codes as a word. */
static inline int32_t el_pair(const int16_t *v)
{
    return (int32_t)((uint32_t)(uint16_t)v[0] | (uint32_t)(uint16_t)v[1] << 16);
}

/* v (count) into words of two codes; an odd count takes a zero. Returns where they end. Rows read these, so a new
 * hidden state can go to its place at once. */
static inline int32_t *el_pair_up(int32_t *pairs, const int16_t *v, uint16_t count)
{
    for (; count > 1; count = (uint16_t)(count - 2), v += 2)
        *pairs++ = el_pair(v);
    if (count != 0)
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

/* z (4) = the rows of units u.. over pairs of codes, requantised. */
EL_X86 static inline void el_pre_activations(
    el_vector *z, const el_x86_rows *rows, size_t u, const int32_t *codes, const int32_t *end)
{
    const size_t gate = 2 * EL_X86_BLOCK;
    const size_t row = el_row(u, EL_GATES);
    const int8_t *weights = el_weights(rows, u, EL_GATES, (size_t)(end - codes));
    const int32_t *bias = rows->bias + row;
    el_vector i = el_words(bias, EL_LANES);
    el_vector f = el_words(bias + EL_X86_BLOCK, EL_LANES);
    el_vector g = el_words(bias + 2 * EL_X86_BLOCK, EL_LANES);
    el_vector o = el_words(bias + 3 * EL_X86_BLOCK, EL_LANES);
    for (; codes != end; codes++, weights += EL_GATES * gate) {
        i = el_dot(i, weights, *codes);
        f = el_dot(f, weights + gate, *codes);
        g = el_dot(g, weights + 2 * gate, *codes);
        o = el_dot(o, weights + 3 * gate, *codes);
    }
    z[EL_I] = el_requantise(i, rows, row);
    z[EL_F] = el_requantise(f, rows, row + EL_X86_BLOCK);
    z[EL_G] = el_requantise(g, rows, row + 2 * EL_X86_BLOCK);
    z[EL_O] = el_requantise(o, rows, row + 3 * EL_X86_BLOCK);
}

/* c' = clamp(((f c >> 16) + (i g >> 8)) << 1), Q8.23. f c is taken by halves: 15 x 15 bits above, 15 x 16 below. */
EL_X86 static inline el_vector el_update_cell(el_vector f, el_vector c, el_vector i, el_vector g)
{
    const el_unsigned below = (el_unsigned)f * ((el_unsigned)c & 0xffff);
    const el_vector kept = f * (c >> 16) + (el_vector)(below >> 16);
    return el_clamp(2 * (kept + ((i * g) >> 8)), el_all(EL_CELL_MIN), el_all(EL_CELL_MAX));
}

/* h' = o tanh(c), Q0.hidden_bits, rounded. c >> 11 would be Q3.12; one bit less doubles it for the tanh. */
EL_X86 static inline el_vector el_update_hidden(el_vector o, el_vector c, uint8_t hidden_bits)
{
    const el_vector t = el_tanhs_of_half(el_saturate16((c + 512) >> 10));
    const el_vector half = el_all((int32_t)1 << (29 - hidden_bits));
    return (o * t + half) >> el_all(30 - hidden_bits);
}

/* Pre-activations z (4) of units u.., not yet saturated -> new cell state in place, new hidden state returned. */
EL_X86 static inline el_vector el_update_units(
    const el_layer *layer, const el_layer_state *state, const el_vector *z, size_t u, size_t count)
{
    const el_vector zi = el_saturate16(z[EL_I]), zf = el_saturate16(z[EL_F]);
    const el_vector zg = el_saturate16(z[EL_G]), zo = el_saturate16(z[EL_O]);
    const el_vector i = el_sigmoids(zi), f = el_sigmoids(zf), g = el_tanhs_of_half(zg), o = el_sigmoids(zo);
#ifdef EL_TAP
    const el_vector seen[2 * EL_GATES] = {zi, zf, zg, zo, i, f, g, o};
    for (size_t k = 0; k < 2 * EL_GATES; k++)
        el_keep_halves(state->tap + k * layer->units + u, seen[k], count);
#endif
    const el_vector c = el_update_cell(f, el_words(state->c + u, count), i, g);
    el_keep_words(state->c + u, c, count);
    return el_update_hidden(o, c, layer->hidden_bits);
}

static inline size_t el_lanes_of(size_t left)
{
    return left < EL_LANES ? left : EL_LANES;
}

/* One accumulator a row, over x and h side by side. */
EL_X86 static void el_w8a16(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_x86_rows *rows = (const el_x86_rows *)layer->constants;
    int32_t *const codes = (int32_t *)state->work;
    const int32_t *const end = el_pair_up(el_pair_up(codes, x, layer->features), state->h, layer->units);
    for (size_t u = 0; u < layer->units; u += EL_LANES) {
        const size_t count = el_lanes_of(layer->units - u);
        el_vector z[EL_GATES];
        el_pre_activations(z, rows, u, codes, end);
        /* |o t| <= 2^30 gives |h| <= 2^hidden_bits: nothing to clamp. */
        el_keep_halves(state->h + u, el_update_units(layer, state, z, u, count), count);
    }
}

/* x and h have a scale each, so a row has two accumulators. */
EL_X86 static void el_w8a8(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_x86_rows *over_x = (const el_x86_rows *)layer->constants, *over_h = over_x + 1;
    int32_t *const codes = (int32_t *)state->work;
    int32_t *const x_end = el_pair_up(codes, x, layer->features);
    const int32_t *const end = el_pair_up(x_end, state->h, layer->units);
    for (size_t u = 0; u < layer->units; u += EL_LANES) {
        const size_t count = el_lanes_of(layer->units - u);
        el_vector z[EL_GATES], from_h[EL_GATES];
        el_pre_activations(z, over_x, u, codes, x_end);
        el_pre_activations(from_h, over_h, u, x_end, end);
        for (size_t gate = 0; gate < EL_GATES; gate++)
            z[gate] += from_h[gate];
        const el_vector h = el_update_units(layer, state, z, u, count);
        el_keep_halves(state->h + u, el_clamp(h, el_all(-128), el_all(127)), count);
    }
}

/* y = the rows of the head over h, in two sums that do not wait for each other. */
EL_X86 static void el_head_of(const el_head *head, const int16_t *h, int16_t *y)
{
    const size_t pair = 2 * EL_X86_BLOCK;
    const el_x86_rows *rows = (const el_x86_rows *)head->constants;
    const size_t pairs = (head->units + 1U) / 2U;
    for (size_t u = 0; u < head->outputs; u += EL_LANES) {
        const size_t row = el_row(u, 1);
        const int8_t *weights = el_weights(rows, u, 1, pairs);
        el_vector even = el_words(rows->bias + row, EL_LANES), odd = el_all(0);
        size_t k = 0;
        for (; k + 4 <= head->units; k += 4, weights += 2 * pair) {
            even = el_dot(even, weights, el_pair(h + k));
            odd = el_dot(odd, weights + pair, el_pair(h + k + 2));
        }
        for (; k + 2 <= head->units; k += 2, weights += pair)
            even = el_dot(even, weights, el_pair(h + k));
        if (k < head->units)
            even = el_dot(even, weights, (uint16_t)h[k]);
        const el_vector z = el_saturate16(el_requantise(even + odd, rows, row));
        el_keep_halves(y + u, z, el_lanes_of(head->outputs - u));
    }
}
