/* A step of each cell other than the LSTM, with as many units at once as a vector has lanes; the numbers of el_gated.h.
 * Included behind an el_x86_<level>.h. */
#include "el_conv.h"
#include "el_x86_cells.h"
#include "el_x86_rows.h"

typedef int16_t el_shorts __attribute__((vector_size(2 * EL_LANES), aligned(2), may_alias));

/* A layer at work. */
typedef struct {
    const el_layer *layer;
    const el_layer_state *state;
    const el_gated *cell;
    int32_t *codes;     /* x, */
    int32_t *h, *h_end; /* then the old h, two a word */
} el_cell_step;

/* Pairs codes up, from `codes` on: x, and the old h of a cell that has `recurrent` rows. */
EL_X86 static inline el_cell_step el_begin(const el_layer *layer, const el_layer_state *state, const int16_t *x,
                                           int32_t *codes, int recurrent)
{
    el_cell_step step = {layer, state, (const el_gated *)layer->constants, codes, NULL, NULL};
    step.h = el_pair_up(codes, x, step.cell->over_x->units);
    step.h_end = recurrent ? el_pair_up(step.h, state->h, layer->units) : step.h;
    return step;
}

/* Lanes of int16_t. */
EL_X86 static inline el_vector el_halves(const void *p)
{
    return __builtin_convertvector(*(const el_shorts *)p, el_vector);
}

/* rows (gates) of units u.. over codes, saturated. */
EL_X86_INLINE void el_saturated_rows(el_vector *rows, const el_head *head, size_t u, size_t gates, const int32_t *codes,
                                     const int32_t *end)
{
    el_rows(rows, (const el_x86_rows *)head->constants, u, gates, codes, end);
#pragma GCC unroll 4
    for (size_t gate = 0; gate < gates; gate++)
        rows[gate] = el_saturate16(rows[gate]);
}

EL_X86_INLINE void el_rows_over_x(el_vector *rows, const el_cell_step *step, size_t u, size_t gates)
{
    el_saturated_rows(rows, step->cell->over_x, u, gates, step->codes, step->h);
}

EL_X86_INLINE void el_rows_over_h(el_vector *rows, const el_cell_step *step, size_t u, size_t gates)
{
    el_saturated_rows(rows, step->cell->over_h, u, gates, step->h, step->h_end);
}

/* Sums of rows -> pre-activations, Q3.12. */
EL_X86 static inline el_vector el_pre(const el_cell_step *step, el_vector rows)
{
    return el_saturate16(rows << el_all(step->cell->scale_bits));
}

/* Rows or codes scaled by the reset gate, rounded. */
EL_X86 static inline el_vector el_reset(el_vector r, el_vector v)
{
    return (r * v + 16384) >> 15;
}

/* Where taps are compiled in: a gate of units u... */
EL_X86 static inline void el_tap(const el_cell_step *step, size_t u, size_t count, size_t gate, el_vector z,
                                 el_vector value)
{
#ifdef EL_TAP
    int16_t *const tap = step->state->tap + u;
    el_keep_halves(tap + gate * step->layer->units, z, count);
    el_keep_halves(tap + (4 + gate) * step->layer->units, value, count);
#else
    (void)step, (void)u, (void)count, (void)gate, (void)z, (void)value;
#endif
}

/* What is shown of the hidden state of units u.., given in full precision. */
EL_X86 static inline void el_show(const el_cell_step *step, size_t u, size_t count, el_vector c)
{
    const int32_t drop = 23 - step->layer->hidden_bits;
    const int32_t most = 32767 >> 8 * step->cell->narrow;
    const el_vector half = el_all((int32_t)1 << (drop - 1)), h = (c + half) >> el_all(drop);
    el_keep_halves(step->state->h + u, el_clamp(h, el_all(-most - 1), el_all(most)), count);
}

/* The same, and the full precision for the next step. */
EL_X86 static inline void el_keep(const el_cell_step *step, size_t u, size_t count, el_vector c)
{
    el_keep_words(step->state->c + u, c, count);
    el_show(step, u, count, c);
}

/* c' = n + 2 (z (c - n) >> 16), n in Q8.23. */
EL_X86 static inline void el_blend(const el_cell_step *step, size_t u, size_t count, el_vector z, el_vector n)
{
    const el_vector candidate = 256 * n;
    el_keep(step, u, count, candidate + 2 * el_product(z, el_words(step->state->c + u, count) - candidate));
}

/* c within what the layer reaches. */
EL_X86 static inline el_vector el_reached(const el_cell_step *step, el_vector c)
{
    const int32_t limit = (int32_t)1 << (23 + step->cell->reach_bits);
    return el_clamp(c, el_all(-limit), el_all(limit));
}

EL_X86 static void el_gru_of(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_cell_step step = el_begin(layer, state, x, (int32_t *)state->work, 1);
    for (size_t u = 0; u < layer->units; u += EL_LANES) {
        const size_t count = el_lanes_of(layer->units - u);
        el_vector a[3], d[3];
        el_rows_over_x(a, &step, u, 3);
        el_rows_over_h(d, &step, u, 3);
        const el_vector z_pre = el_pre(&step, a[0] + d[0]), r_pre = el_pre(&step, a[1] + d[1]);
        const el_vector z = el_sigmoids(z_pre), r = el_sigmoids(r_pre);
        const el_vector n_pre = el_pre(&step, 2 * (a[2] + el_reset(r, d[2]))), n = el_tanhs_of_half(n_pre);
        el_tap(&step, u, count, 0, z_pre, z);
        el_tap(&step, u, count, 1, r_pre, r);
        el_tap(&step, u, count, 2, n_pre, n);
        el_blend(&step, u, count, z, n);
    }
}

/* The candidate waits for the reset gates of all units. */
EL_X86 static void el_gru_before_of(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_cell_step step = el_begin(layer, state, x, (int32_t *)state->work, 1);
    const size_t whole = (layer->units + EL_X86_BLOCK - 1U) / EL_X86_BLOCK * EL_X86_BLOCK;
    int32_t *const codes = step.h + whole / 2;
    int16_t *const reset = (int16_t *)(void *)(codes + whole / 2), *const gates = reset + whole;
    int16_t *const over_x = gates + whole; /* (whole) each */
    for (size_t u = 0; u < layer->units; u += EL_LANES) {
        const size_t count = el_lanes_of(layer->units - u);
        el_vector a[3], d[2];
        el_rows_over_x(a, &step, u, 3);
        el_rows_over_h(d, &step, u, 2);
        const el_vector z_pre = el_pre(&step, a[0] + d[0]), r_pre = el_pre(&step, a[1] + d[1]);
        const el_vector z = el_sigmoids(z_pre), r = el_sigmoids(r_pre);
        el_tap(&step, u, count, 0, z_pre, z);
        el_tap(&step, u, count, 1, r_pre, r);
        el_keep_halves(gates + u, z, EL_LANES);
        el_keep_halves(over_x + u, a[2], EL_LANES);
        el_keep_halves(reset + u, el_reset(r, el_halves((const char *)step.h + 2 * u)), EL_LANES);
    }
    const int32_t *const end = el_pair_up(codes, reset, layer->units);
    for (size_t u = 0; u < layer->units; u += EL_LANES) {
        const size_t count = el_lanes_of(layer->units - u);
        el_vector e[1];
        el_saturated_rows(e, step.cell->over_reset, u, 1, codes, end);
        const el_vector n_pre = el_pre(&step, 2 * (el_halves(over_x + u) + e[0])), n = el_tanhs_of_half(n_pre);
        el_tap(&step, u, count, 2, n_pre, n);
        el_blend(&step, u, count, el_halves(gates + u), n);
    }
}

EL_X86 static void el_rnn_of(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_cell_step step = el_begin(layer, state, x, (int32_t *)state->work, 1);
    for (size_t u = 0; u < layer->units; u += EL_LANES) {
        const size_t count = el_lanes_of(layer->units - u);
        el_vector a[1], d[1];
        el_rows_over_x(a, &step, u, 1);
        el_rows_over_h(d, &step, u, 1);
        const el_vector n_pre = el_pre(&step, 2 * (a[0] + d[0])), n = el_tanhs_of_half(n_pre);
        el_tap(&step, u, count, 0, n_pre, n);
        el_keep(&step, u, count, 256 * n);
    }
}

/* Rows have 8 fraction bits or more, so c holds a sum of two that is not negative. */
EL_X86 static void el_rnn_relu_of(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_cell_step step = el_begin(layer, state, x, (int32_t *)state->work, 1);
    const int32_t widen = 11 + step.cell->scale_bits;
    for (size_t u = 0; u < layer->units; u += EL_LANES) {
        const size_t count = el_lanes_of(layer->units - u);
        el_vector a[1], d[1];
        el_rows_over_x(a, &step, u, 1);
        el_rows_over_h(d, &step, u, 1);
        const el_vector sum = a[0] + d[0], n = el_clamp(sum, el_all(0), el_all(65534));
        el_tap(&step, u, count, 0, el_pre(&step, sum), el_pre(&step, n));
        el_keep(&step, u, count, el_reached(&step, n << el_all(widen)));
    }
}

/* c' = clamp(2 (z c >> 16) + (w n >> 7)) with w = nu + zeta (1 - z), at most 65534: w n fits 32 bits. */
EL_X86 static void el_fastgrnn_of(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_cell_step step = el_begin(layer, state, x, (int32_t *)state->work, 1);
    const int32_t nu = step.cell->nu, zeta = step.cell->zeta;
    for (size_t u = 0; u < layer->units; u += EL_LANES) {
        const size_t count = el_lanes_of(layer->units - u);
        el_vector a[1], d[1];
        el_rows_over_x(a, &step, u, 1);
        el_rows_over_h(d, &step, u, 1);
        const el_vector rows = a[0] + d[0], z_pre = el_pre(&step, rows), z = el_sigmoids(z_pre);
        const el_vector n_pre = el_pre(&step, 2 * (rows + el_halves(step.cell->candidate + u)));
        const el_vector n = el_tanhs_of_half(n_pre), w = nu + ((zeta * (32768 - z)) >> 15);
        el_tap(&step, u, count, 0, z_pre, z);
        el_tap(&step, u, count, 1, n_pre, n);
        const el_vector kept = 2 * el_product(z, el_words(state->c + u, count));
        el_keep(&step, u, count, el_reached(&step, kept + ((w * n) >> 7)));
    }
}

/* Rows over x, squashed. Those of linear and relu have 8 fraction bits or more, so that Q8.23 holds them. */
EL_X86 static void el_dense_over(const el_cell_step *step)
{
    const uint8_t activation = step->cell->activation;
    const int32_t widen = 11 + step->cell->scale_bits;
    for (size_t u = 0; u < step->layer->units; u += EL_LANES) {
        const size_t count = el_lanes_of(step->layer->units - u);
        el_vector a[1];
        el_rows_over_x(a, step, u, 1);
        const el_vector pre = el_pre(step, activation == EL_TANH ? 2 * a[0] : a[0]);
        el_vector n = a[0];
        if (activation == EL_TANH)
            n = el_tanhs_of_half(pre);
        else if (activation == EL_SIGMOID)
            n = el_sigmoids(pre);
        else if (activation == EL_RELU)
            n = el_clamp(n, el_all(0), el_all(32767));
        el_tap(step, u, count, 0, pre, n);
        el_show(step, u, count, activation >= EL_TANH ? 256 * n : el_reached(step, n << el_all(widen)));
    }
}

EL_X86 static void el_dense_of(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const el_cell_step step = el_begin(layer, state, x, (int32_t *)state->work, 0);
    el_dense_over(&step);
}

EL_X86 static void el_conv_of(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    const size_t columns = ((const el_gated *)layer->constants)->over_x->units;
    int16_t *const window = (int16_t *)state->work; /* (columns), then words of two of them */
    el_slide(layer, state, x, window);
    const el_cell_step step = el_begin(layer, state, window, (int32_t *)state->work + (columns + 1) / 2, 0);
    el_dense_over(&step);
}
