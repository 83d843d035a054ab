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
#define EL_HOST_VERSION 5

/* What a stream says: codes, and the step they are of. */
typedef struct {
    uint64_t step;
    el_code y[EL_OUTPUTS];
} el_host_said;

/* Where a stream steps, and when it speaks. */
typedef struct {
    el_state *state;
    el_host_said *said; /* of the last step that spoke */
    uint64_t step;      /* of the next sample */
    uint32_t window;    /* steps from zero state to zero state; 0: never zeroed, and it speaks at every step */
    uint32_t at;        /* of the next sample in its window */
    uint32_t talkative; /* it speaks inside a window, too */
} el_host_stream;

extern EL_SHOWN const int32_t el_host_shape[9];
EL_SHOWN int32_t el_host_units(int32_t layer);
EL_SHOWN int32_t el_host_cells(int32_t layer);
EL_SHOWN void el_host_reset(el_state *state);
EL_SHOWN void el_host_step(const el_host_stream *stream, const el_code *x);
EL_SHOWN int32_t el_host_push(el_host_stream *stream, const double *physical);
#ifdef __linux__
EL_SHOWN void *el_host_push_list(void *capsule, void *sample);

/* Of Python's stable ABI. They are there when Python loads this library; elsewhere nobody calls what needs them. */
#define EL_OF_PYTHON __attribute__((weak))
extern EL_OF_PYTHON void *PyCapsule_GetPointer(void *capsule, const char *name);
extern EL_OF_PYTHON intptr_t PyList_Size(void *list);
extern EL_OF_PYTHON void *PyList_GetItem(void *list, intptr_t index);
extern EL_OF_PYTHON double PyFloat_AsDouble(void *number);
extern EL_OF_PYTHON void *PyErr_Occurred(void);
extern EL_OF_PYTHON void PyErr_Clear(void);
extern EL_OF_PYTHON void *PyLong_FromLong(long value);
extern EL_OF_PYTHON void *PyBytes_FromStringAndSize(const char *bytes, intptr_t size);
#endif
EL_SHOWN void el_host_run(el_state *state, const el_code *x, uint32_t steps, el_code *y);
EL_SHOWN void el_host_encode(const float *physical, el_code *x, uint32_t steps);
EL_SHOWN void el_host_decode(const el_code *y, float *values, uint32_t steps);

#ifdef __cplusplus
}
#endif

/* version, floating, channels, outputs, layers, units of all layers, state bytes, taps, cells of all layers. */
const int32_t el_host_shape[9] = {
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
    EL_CELLS,
};

int32_t el_host_units(int32_t layer)
{
    return el_model.layers[layer].units;
}

int32_t el_host_cells(int32_t layer)
{
    static const int32_t cells[EL_LAYERS] = EL_LAYER_CELLS;
    return cells[layer];
}

void el_host_reset(el_state *state)
{
    el_reset(state);
}

/* One argument less than a step has: from Python an argument costs as much as a hundred multiplications. */
void el_host_step(const el_host_stream *stream, const el_code *x)
{
    el_step(stream->state, x, stream->said->y);
}

/* A sample in physical units: 1 if the stream speaks, 0 if not, and -1 for a value that is not finite, after which the stream
 * is as it was. */
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
    el_step(stream->state, x, due ? stream->said->y : NULL);
    if (due)
        stream->said->step = stream->step;
    stream->step++;
    if (stream->window != 0)
        stream->at = stream->at + 1 == stream->window ? 0 : stream->at + 1;
    return due;
}

#ifdef __linux__
/* el_host_push as a built-in function of Python, whose self is a capsule of the stream: a list of numbers in; what the stream
 * says as bytes, the number 0 if nothing, and no bytes for what is no sample. By ctypes the way to a step is as long as the
 * step. */
void *el_host_push_list(void *capsule, void *sample)
{
    double physical[EL_CHANNELS];
    el_host_stream *stream = (el_host_stream *)PyCapsule_GetPointer(capsule, NULL);
    int32_t due = PyList_Size(sample) == EL_CHANNELS ? 0 : -1;
    for (intptr_t k = 0; due == 0 && k < EL_CHANNELS; k++) {
        void *number = PyList_GetItem(sample, k); /* asked each time: what makes a number of it may change the list */
        physical[k] = number == NULL ? -1.0 : PyFloat_AsDouble(number);
        due = physical[k] == -1.0 && PyErr_Occurred() != NULL ? -1 : 0;
    }
    if (due == 0)
        due = el_host_push(stream, physical);
    else
        PyErr_Clear();
    if (due == 0)
        return PyLong_FromLong(0);
    return PyBytes_FromStringAndSize((const char *)stream->said, due < 0 ? 0 : (intptr_t)sizeof *stream->said);
}
#endif

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
