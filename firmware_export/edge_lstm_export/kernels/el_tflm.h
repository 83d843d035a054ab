/* An LSTM network in the integers of TensorFlow Lite Micro and CMSIS-NN (arithmetic "tflm"), byte for byte: blueprint,
 * constants, state, and the calls that join them.
 *
 * The twin of el_native.h for those who compare with that runtime. Codes are int8_t, each tensor with a scale and a zero
 * point; the state of zero is the zero point, not the code 0. Nothing here allocates, prints, or keeps a variable of its
 * own.
 */
#ifndef EL_TFLM_H
#define EL_TFLM_H

#include "el_codec.h"
#include "el_port.h"

#ifdef EL_TAP
#error "the kernels of the arithmetic tflm have no taps; compile without EL_TAP"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A real factor: mantissa * 2^(shift - 31). */
typedef struct {
    int32_t mantissa;
    int8_t shift;
} el_tflm_multiplier;

/* State of one LSTM layer. */
typedef struct {
    int16_t *c; /* (units) cell, its scale a power of two */
    int8_t *h;  /* (units) hidden, which is the layer's output */
    void *work; /* scratch of the kernels, aligned for int32_t; holds nothing between steps */
} el_tflm_lstm_state;

struct el_tflm_lstm;

/* One step of a layer: x (features) codes in, state updated. */
typedef void el_tflm_kernel(const struct el_tflm_lstm *layer, const el_tflm_lstm_state *state, const int8_t *x);

/* One LSTM layer. */
typedef struct el_tflm_lstm {
    el_tflm_kernel *step;
    const void *constants; /* weights and row constants, packed for that kernel */
    uint16_t features;
    uint16_t units;
    int8_t hidden_zero; /* zero point of h */
} el_tflm_lstm;

typedef struct {
    const int8_t *weights; /* (outputs, units) */
    const int32_t *bias;   /* (outputs), the zero point of h folded in */
    el_tflm_multiplier multiplier;
    uint16_t units; /* of the last layer */
    uint16_t outputs;
    int8_t zero; /* zero point of the outputs */
} el_tflm_dense;

/* A whole network. */
typedef struct {
    const el_tflm_lstm *layers;
    const el_tflm_dense *head;
    uint16_t layer_count;
    uint16_t units; /* of all layers together */
    uint16_t channels;
    uint16_t outputs;
} el_tflm_net;

/* The calls below take the state untyped; use the typed ones that EL_TFLM_API makes. */
void el_tflm_reset(const el_tflm_net *net, void *state);
void el_tflm_step(const el_tflm_net *net, void *state, const int8_t *x, int8_t *y);
void el_tflm_run(const el_tflm_net *net, void *state, const int8_t *x, uint32_t steps, int8_t *y);
void el_tflm_encode(const el_encoder *encoder, const float *physical, int8_t *codes);
void el_tflm_decode(const el_decoder *decoder, const int8_t *codes, float *values);
uint16_t el_tflm_argmax(const int8_t *codes, uint16_t count);

#ifdef __cplusplus
}
#endif

/* The calls of one model, typed: those of EL_NATIVE_API with int8_t where it has int16_t. */
#define EL_TFLM_API(name)                                                                                              \
    typedef char name##_cell_is_first[offsetof(name##_state, cell) == 0 ? 1 : -1];                                     \
    typedef char name##_hidden_is_next                                                                                 \
        [offsetof(name##_state, hidden) == sizeof(((name##_state *)0)->cell) ? 1 : -1];                                \
    static inline void name##_reset(name##_state *state)                                                               \
    {                                                                                                                  \
        el_tflm_reset(&name##_model, state);                                                                           \
    }                                                                                                                  \
    static inline void name##_init(name##_state *state)                                                                \
    {                                                                                                                  \
        el_zero(state, sizeof *state);                                                                                 \
        el_tflm_reset(&name##_model, state);                                                                           \
    }                                                                                                                  \
    static inline void name##_step(name##_state *state, const int8_t *x, int8_t *y)                                    \
    {                                                                                                                  \
        el_tflm_step(&name##_model, state, x, y);                                                                      \
    }                                                                                                                  \
    static inline void name##_run(name##_state *state, const int8_t *x, uint32_t steps, int8_t *y)                     \
    {                                                                                                                  \
        el_tflm_run(&name##_model, state, x, steps, y);                                                                \
    }                                                                                                                  \
    static inline void name##_encode(const float *physical, int8_t *codes)                                             \
    {                                                                                                                  \
        el_tflm_encode(&name##_encoding, physical, codes);                                                             \
    }                                                                                                                  \
    static inline void name##_decode(const int8_t *codes, float *values)                                               \
    {                                                                                                                  \
        el_tflm_decode(&name##_decoding, codes, values);                                                               \
    }                                                                                                                  \
    static inline uint16_t name##_argmax(const int8_t *codes)                                                          \
    {                                                                                                                  \
        return el_tflm_argmax(codes, name##_model.outputs);                                                            \
    }

#endif
