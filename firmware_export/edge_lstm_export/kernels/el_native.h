/* A recurrent network in integers (arithmetic "native"): blueprint, constants, state, and the calls that join them.
 *
 *   blueprint   el_net, el_layer, el_head: shapes and pointers, const
 *   constants   weights and tables, const arrays in model.c
 *   state       one struct a stream, in memory of the caller: its type, NAME_state, is in model.h
 *
 * Codes are int16_t. Nothing here allocates, prints, or keeps a variable of its own, so any number of streams and
 * of models can run side by side. A step's run time depends on the model only, never on the data, but for a few
 * instructions where a value saturates.
 */
#ifndef EL_NATIVE_H
#define EL_NATIVE_H

#include "el_codec.h"
#include "el_port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* State of one layer. */
typedef struct {
    int32_t *c; /* (cells) what is carried besides h: the LSTM's cell state, Q8.23; other cells say what theirs is */
    int16_t *h; /* (units) hidden, Q0.hidden_bits */
    void *work; /* scratch of the kernels, aligned for int32_t; holds nothing between steps */
#ifdef EL_TAP
    int16_t *tap; /* (8, units) gates of the last step: z of i f g o (Q3.12), then i f g o (Q0.15) */
#endif
} el_layer_state;

struct el_layer;
struct el_head;

/* One step of a layer: x (features) codes in, state updated. */
typedef void el_layer_kernel(const struct el_layer *layer, const el_layer_state *state, const int16_t *x);

/* y (outputs) = the rows of the head over h (units), saturated to int16. Cells other than the LSTM are made of such rows,
 * too. */
typedef void el_head_kernel(const struct el_head *head, const int16_t *h, int16_t *y);

/* One layer, of any cell. */
typedef struct el_layer {
    el_layer_kernel *step;
    const void *constants; /* weights and row constants, packed for that kernel */
    uint16_t features;
    uint16_t units;
    uint8_t hidden_bits;
    uint16_t cells;
} el_layer;

typedef struct el_head {
    el_head_kernel *apply;
    const void *constants; /* packed for that kernel */
    uint16_t units;        /* of the layer below, or columns */
    uint16_t outputs;      /* rows */
} el_head;

/* A whole network. */
typedef struct {
    const el_layer *layers;
    const el_head *head;
    uint16_t layer_count;
    uint16_t units; /* of all layers together */
    uint16_t channels;
    uint16_t outputs;
    uint16_t cells; /* of all layers together, at least 1 */
} el_net;

/* The calls below take the state untyped; use the typed ones that EL_NATIVE_API makes. */
void el_net_reset(const el_net *net, void *state);
void el_net_step(const el_net *net, void *state, const int16_t *x, int16_t *y);
void el_net_run(const el_net *net, void *state, const int16_t *x, uint32_t steps, int16_t *y);

#ifdef __cplusplus
}
#endif

/* The calls of one model, typed.
 *
 *   NAME_init(state)            memory of any content -> zero state; call once before the first step
 *   NAME_reset(state)           zero state again: the start of a new window or recording
 *   NAME_encode(physical, x)    (channels) sample in physical units -> (channels) codes within their limits
 *   NAME_step(state, x, y)      one sample in, (outputs) codes out; y may be NULL where no prediction is due, which
 *                               saves the head. x must come from NAME_encode or keep to the same limits.
 *   NAME_run(state, x, n, y)    n samples, (n, channels) -> (n, outputs) or NULL; the same as n steps
 *   NAME_decode(y, values)      output codes -> logits, or targets in physical units
 *   NAME_argmax(y)              index of the largest output, the first of equals
 *   NAME_softmax(y, p)          label models: (outputs) codes -> (outputs) probabilities, Q0.15, in integers
 *
 * The state holds no pointers: save and restore it as plain memory or by assignment. */
#define EL_NATIVE_API(name)                                                                                            \
    typedef char name##_cell_is_first[offsetof(name##_state, cell) == 0 ? 1 : -1];                                     \
    typedef char name##_hidden_is_next                                                                                 \
        [offsetof(name##_state, hidden) == sizeof(((name##_state *)0)->cell) ? 1 : -1];                                \
    static inline void name##_reset(name##_state *state)                                                               \
    {                                                                                                                  \
        el_net_reset(&name##_model, state);                                                                            \
    }                                                                                                                  \
    static inline void name##_init(name##_state *state)                                                                \
    {                                                                                                                  \
        el_zero(state, sizeof *state);                                                                                 \
    }                                                                                                                  \
    static inline void name##_step(name##_state *state, const int16_t *x, int16_t *y)                                  \
    {                                                                                                                  \
        el_net_step(&name##_model, state, x, y);                                                                       \
    }                                                                                                                  \
    static inline void name##_run(name##_state *state, const int16_t *x, uint32_t steps, int16_t *y)                   \
    {                                                                                                                  \
        el_net_run(&name##_model, state, x, steps, y);                                                                 \
    }                                                                                                                  \
    static inline void name##_encode(const float *physical, int16_t *codes)                                            \
    {                                                                                                                  \
        el_encode_with(&name##_encoding, physical, codes);                                                             \
    }                                                                                                                  \
    static inline void name##_decode(const int16_t *codes, float *values)                                              \
    {                                                                                                                  \
        el_decode_with(&name##_decoding, codes, values);                                                               \
    }                                                                                                                  \
    static inline uint16_t name##_argmax(const int16_t *codes)                                                         \
    {                                                                                                                  \
        return el_argmax_of(codes, name##_model.outputs);                                                              \
    }

#endif
