/* Cells other than the LSTM, in integers (arithmetic "native"): rows over x and rows over h by the kernels of the head,
 * then unit by unit what joins them. c (units) is the hidden state in full precision, Q8.23, and h what is shown of it; a
 * dense layer keeps no c, and that of a convolution is the codes of the steps before. */
#ifndef EL_GATED_H
#define EL_GATED_H

#include "el_native.h"
#include "el_sigmoid.h"

/* One layer. Rows run gate by gate: z r n, those a cell has. */
typedef struct {
    const el_head *over_x;
    const el_head *over_h;
    const el_head *over_reset; /* rows of n over r h, of a GRU that resets before its product */
    const int16_t *candidate;  /* FastGRNN: (units) bias of n beyond that of z, as rows */
    uint16_t zeta;             /* FastGRNN, Q0.15 */
    uint16_t nu;
    uint8_t scale_bits; /* rows are Q3.12 less so many bits */
    uint8_t reach_bits; /* FastGRNN, rectified, dense: |c| <= 2^this */
    uint8_t narrow;     /* h saturates to int8 */
    uint8_t activation; /* dense: of el_activation */
} el_gated;

enum el_activation { EL_LINEAR, EL_RELU, EL_TANH, EL_SIGMOID };

#ifdef __cplusplus
extern "C" {
#endif

/* layer->constants: an el_gated. Scratch: the rows over x, those over h, of el_gru_before (2 units) more, and of el_conv the
 * codes that its rows are over. */
void el_gru(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_gru_before(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_rnn(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_rnn_relu(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_fastgrnn(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_dense(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_conv(const el_layer *layer, const el_layer_state *state, const int16_t *x);

#ifdef __cplusplus
}
#endif

/* Sums of rows -> pre-activation, Q3.12. */
static inline int32_t el_gated_z(const el_gated *cell, int32_t rows)
{
    const int32_t z = rows * ((int32_t)1 << cell->scale_bits);
    return z > 32767 ? 32767 : z < -32768L ? -32768L : z;
}

/* gate value >> 16 by halves: 15 x 16 bits above, 15 x 16 below. */
static inline int32_t el_gated_product(int32_t gate, int32_t value)
{
    const uint32_t below = (uint32_t)gate * ((uint32_t)value & 0xffffUL);
    return gate * (value >> 16) + (int32_t)(below >> 16);
}

/* A row or a code scaled by the reset gate, rounded. */
static inline int32_t el_gated_reset(int32_t r, int32_t v)
{
    return (r * v + 16384) >> 15;
}

/* c within what the layer reaches. */
static inline int32_t el_gated_clamp(const el_gated *cell, int32_t c)
{
    const int32_t limit = (int32_t)1 << (23 + cell->reach_bits);
    return c > limit ? limit : c < -limit ? -limit : c;
}

/* What is shown of the hidden state of unit u, given in full precision. */
static inline void el_gated_show(const el_layer *layer, const el_layer_state *state, uint16_t u, int32_t c)
{
    const el_gated *cell = (const el_gated *)layer->constants;
    const uint8_t drop = (uint8_t)(23 - layer->hidden_bits);
    int32_t h = (c + ((int32_t)1 << (drop - 1))) >> drop;
    if (cell->narrow)
        h = h > 127 ? 127 : h < -128 ? -128 : h;
    state->h[u] = (int16_t)h;
}

/* The same, and the full precision for the next step. */
static inline void el_gated_keep(const el_layer *layer, const el_layer_state *state, uint16_t u, int32_t c)
{
    state->c[u] = c;
    el_gated_show(layer, state, u, c);
}

/* Tell the taps a gate: z goes to the first four, its value to the last. */
static inline void el_gated_tap(const el_layer *layer, const el_layer_state *state, uint16_t u, uint8_t gate, int32_t z,
                                int32_t value)
{
#ifdef EL_TAP
    state->tap[gate * layer->units + u] = (int16_t)z;
    state->tap[(4 + gate) * layer->units + u] = (int16_t)value;
#else
    (void)layer, (void)state, (void)u, (void)gate, (void)z, (void)value;
#endif
}

/* c' = n + 2 (z (c - n) >> 16), n in Q8.23. */
static inline int32_t el_gated_blend(int32_t z, int32_t c, int32_t n)
{
    const int32_t candidate = 256 * n;
    return candidate + 2 * el_gated_product(z, c - candidate);
}

#endif
