/* Where predictions go. They leave together, before this program waits for the next sample or keeps its state. */
#ifndef EL_SINK_H
#define EL_SINK_H

#include "address.h"
#include "say.h"

#define EL_BATCH 4096 /* bytes that a pipe takes at once */

struct el_sink;

typedef struct {
    const char *scheme;
    int (*open)(struct el_sink *sink);
    int (*lost)(const struct el_sink *sink); /* say why; errno does */
} el_sink_kind;

typedef struct el_sink {
    const el_sink_kind *kind;
    el_address address;
    int handle;
    size_t sent, count; /* of the bytes */
    int64_t end;        /* of the last while after a signal, microseconds; 0: no signal has come */
    char bytes[EL_BATCH + EL_SAID_BYTES];
} el_sink;

int el_open_sink(el_sink *sink, const char *url);

/* Take a prediction. 0, EL_FAILED, EL_STOPPED or EL_CLOSED. */
int el_send(el_sink *sink, el_say *say, const el_prediction *prediction);

/* Send what was taken; the same results. */
int el_flush(el_sink *sink);

#endif
