/* A step of a layer, and the head, with as many units at once as a vector has lanes. Included behind an
 * el_x86_<level>.h. */
#include "el_x86_rows.h"

enum { EL_I, EL_F, EL_G, EL_O, EL_GATES };

#define EL_CELL_MAX 0x3fffffff         /* +128 - 2^-23, Q8.23 */
#define EL_CELL_MIN (-EL_CELL_MAX - 1) /* -128 */

/* c' = clamp(((f c >> 16) + (i g >> 8)) << 1), Q8.23. */
EL_X86 static inline el_vector el_update_cell(el_vector f, el_vector c, el_vector i, el_vector g)
{
    return el_clamp(2 * (el_product(f, c) + ((i * g) >> 8)), el_all(EL_CELL_MIN), el_all(EL_CELL_MAX));
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

/* One accumulator a row, over x and h side by side. */
EL_X86 static void el_w8a16(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_x86_rows *rows = (const el_x86_rows *)layer->constants;
    int32_t *const codes = (int32_t *)state->work;
    const int32_t *const end = el_pair_up(el_pair_up(codes, x, layer->features), state->h, layer->units);
    for (size_t u = 0; u < layer->units; u += EL_LANES) {
        const size_t count = el_lanes_of(layer->units - u);
        el_vector z[EL_GATES];
        el_rows(z, rows, u, EL_GATES, codes, end);
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
        el_rows(z, over_x, u, EL_GATES, codes, x_end);
        el_rows(from_h, over_h, u, EL_GATES, x_end, end);
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
