/* A recurrent network in float32: blueprint, constants, state, and the calls that join them.
 *
 * The twin of el_native.h for machines with floating point. It needs expf and tanhf, so link with libm.
 * Unlike the integer network it promises closeness, not equal bytes: compilers may reorder or fuse its products.
 */
#ifndef EL_FLOAT_H
#define EL_FLOAT_H

#include "el_port.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct el_float_layer el_float_layer;
typedef struct el_float_state el_float_state;

/* One step of a layer: x (features) -> its state. The layer of a network names its cell by it. */
typedef void el_float_cell(const el_float_layer *layer, const el_float_state *state, const float *x);

/* One layer. Rows lie unit by unit, in the order in which its cell reads them: see the top of the cell's file. */
struct el_float_layer {
    el_float_cell *step;
    const float *weights;
    const float *bias;
    uint16_t features;
    uint16_t units;
    uint16_t cells;
    const struct el_float_pair *pair; /* of a layer that looks ahead, which has no weights of its own */
};

/* The halves of a layer that looks ahead. */
typedef struct el_float_pair {
    el_float_layer forward;
    el_float_layer backward;
    uint16_t steps;
    uint16_t carried; /* numbers of its c that are the forward half's own */
} el_float_pair;

/* A whole network. */
typedef struct {
    const el_float_layer *layers;
    const float *head_weights; /* (outputs, units of the last layer) */
    const float *head_bias;    /* (outputs) */
    uint16_t layer_count;
    uint16_t units; /* of all layers together */
    uint16_t channels;
    uint16_t outputs;
    uint16_t cells; /* of all layers together */
} el_float_net;

/* State of one layer. */
struct el_float_state {
    float *c;    /* (cells) what is carried besides h: an LSTM's cell state; a copy of h where it is nothing else */
    float *h;    /* (units) hidden */
    float *next; /* (units) scratch: every row reads the old h, so the new one waits here */
#ifdef EL_TAP
    float *tap; /* (8, units) of the last step: up to four pre-activations in the order of the cell, then their gates */
#endif
};

/* Affine map of channels or outputs: (x - offset) * gain going in, y * gain + offset coming out. */
typedef struct {
    const float *offset; /* (count) */
    const float *gain;   /* (count) */
    uint16_t count;
} el_float_scaler;

/* The cells; a program needs the files of those that its models name. */
el_float_cell el_float_lstm, el_float_gru, el_float_gru_before, el_float_rnn, el_float_rnn_relu, el_float_fastgrnn;
el_float_cell el_float_lstm_peephole, el_float_look_ahead;
el_float_cell el_float_dense_linear, el_float_dense_relu, el_float_dense_tanh, el_float_dense_sigmoid;
el_float_cell el_float_conv_linear, el_float_conv_relu, el_float_conv_tanh, el_float_conv_sigmoid;

/* The calls below take the state untyped; use the typed ones that EL_FLOAT_API makes. */
void el_float_reset(const el_float_net *net, void *state);
void el_float_step(const el_float_net *net, void *state, const float *x, float *y);
void el_float_run(const el_float_net *net, void *state, const float *x, uint32_t steps, float *y);
void el_float_scale(const el_float_scaler *scaler, const float *physical, float *scaled);
void el_float_unscale(const el_float_scaler *scaler, const float *scaled, float *physical);
uint16_t el_float_argmax(const float *values, uint16_t count);

#ifdef __cplusplus
}
#endif

/* The calls of one model, typed. They are those of EL_NATIVE_API with float where it has codes: NAME_encode scales a
 * sample, NAME_decode gives logits or targets in physical units. */
#define EL_FLOAT_API(name)                                                                                             \
    typedef char name##_cell_is_first[offsetof(name##_state, cell) == 0 ? 1 : -1];                                     \
    typedef char name##_hidden_is_next                                                                                 \
        [offsetof(name##_state, hidden) == sizeof(((name##_state *)0)->cell) ? 1 : -1];                                \
    static inline void name##_reset(name##_state *state)                                                               \
    {                                                                                                                  \
        el_float_reset(&name##_model, state);                                                                          \
    }                                                                                                                  \
    static inline void name##_init(name##_state *state)                                                                \
    {                                                                                                                  \
        el_zero(state, sizeof *state);                                                                                 \
    }                                                                                                                  \
    static inline void name##_step(name##_state *state, const float *x, float *y)                                      \
    {                                                                                                                  \
        el_float_step(&name##_model, state, x, y);                                                                     \
    }                                                                                                                  \
    static inline void name##_run(name##_state *state, const float *x, uint32_t steps, float *y)                       \
    {                                                                                                                  \
        el_float_run(&name##_model, state, x, steps, y);                                                               \
    }                                                                                                                  \
    static inline void name##_encode(const float *physical, float *x)                                                  \
    {                                                                                                                  \
        el_float_scale(&name##_encoding, physical, x);                                                                 \
    }                                                                                                                  \
    static inline void name##_decode(const float *y, float *values)                                                    \
    {                                                                                                                  \
        el_float_unscale(&name##_decoding, y, values);                                                                 \
    }                                                                                                                  \
    static inline uint16_t name##_argmax(const float *y)                                                               \
    {                                                                                                                  \
        return el_float_argmax(y, name##_model.outputs);                                                               \
    }

#endif
