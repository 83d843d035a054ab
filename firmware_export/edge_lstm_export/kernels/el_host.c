/* What a shared library of one model shows to a program on a computer. Not part of a firmware.
 *
 * The model is compiled under the prefix "el". The caller owns the state: as many bytes as
 * el_host_shape says, aligned for int32_t.
 */
#include "model.h"

#ifdef _WIN32
#define EL_SHOWN __declspec(dllexport)
#else
#define EL_SHOWN __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Of the interface below; the program refuses a library of another one. */
#define EL_HOST_VERSION 4

/* Where a stream steps, and when it speaks. */
typedef struct {
    el_state *state;
    el_code *y;
    uint32_t window; /* steps from zero state to zero state; 0: never zeroed, a prediction at every step */
    uint32_t at;     /* of the next sample in its window */
    uint32_t talkative; /* predict inside a window, too */
} el_host_stream;

extern EL_SHOWN const int32_t el_host_shape[8];
EL_SHOWN int32_t el_host_units(int32_t layer);
EL_SHOWN void el_host_reset(el_state *state);
EL_SHOWN void el_host_step(const el_host_stream *stream, const el_code *x);
EL_SHOWN int32_t el_host_push(el_host_stream *stream, const double *physical);
EL_SHOWN void el_host_run(el_state *state, const el_code *x, uint32_t steps, el_code *y);
EL_SHOWN void el_host_encode(const float *physical, el_code *x, uint32_t steps);
EL_SHOWN void el_host_decode(const el_code *y, float *values, uint32_t steps);

#ifdef __cplusplus
}
#endif

/* version, floating, channels, outputs, layers, units of all layers, state bytes, taps. */
const int32_t el_host_shape[8] = {
    EL_HOST_VERSION,
    EL_FLOATING,
    EL_CHANNELS,
    EL_OUTPUTS,
    EL_LAYERS,
    EL_UNITS,
    (int32_t)sizeof(el_state),
#ifdef EL_TAP
    1,
#else
    0,
#endif
};

int32_t el_host_units(int32_t layer)
{
    return el_model.layers[layer].units;
}

void el_host_reset(el_state *state)
{
    el_reset(state);
}

/* One argument less than a step has: from Python an argument costs as much as a hundred multiplications. */
void el_host_step(const el_host_stream *stream, const el_code *x)
{
    el_step(stream->state, x, stream->y);
}

/* A sample in physical units: 1 if a prediction is due, which is then in y, 0 if none is, and -1 for a sample with a value
 * that is not finite, after which the stream is as it was. */
int32_t el_host_push(el_host_stream *stream, const double *physical)
{
    float sample[EL_CHANNELS];
    el_code x[EL_CHANNELS];
    const int32_t due = stream->window == 0 || stream->talkative || stream->at + 1 == stream->window;
    for (uint32_t k = 0; k < EL_CHANNELS; k++) {
        if (!(physical[k] - physical[k] == 0.0)) /* not so for infinities and NaN */
            return -1;
        sample[k] = (float)physical[k]; /* beyond a float's range: infinite, and clamped with the others */
    }
    if (stream->window != 0 && stream->at == 0)
        el_reset(stream->state);
    el_encode(sample, x);
    el_step(stream->state, x, due ? stream->y : NULL);
    if (stream->window != 0)
        stream->at = stream->at + 1 == stream->window ? 0 : stream->at + 1;
    return due;
}

void el_host_run(el_state *state, const el_code *x, uint32_t steps, el_code *y)
{
    el_run(state, x, steps, y);
}

void el_host_encode(const float *physical, el_code *x, uint32_t steps)
{
    for (; steps != 0; steps--, physical += EL_CHANNELS, x += EL_CHANNELS)
        el_encode(physical, x);
}

void el_host_decode(const el_code *y, float *values, uint32_t steps)
{
    for (; steps != 0; steps--, y += EL_OUTPUTS, values += EL_OUTPUTS)
        el_decode(y, values);
}
