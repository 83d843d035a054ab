/* A sample as it came. */
#ifndef EL_READING_H
#define EL_READING_H

#include "shape.h"

typedef struct {
    double values[EL_CHANNELS]; /* physical, NaN where missing */
    const char *kind;           /* of the place: "line" or "frame" */
    uint64_t place;             /* counted from 1 */
    uint8_t timed;
    double time;      /* seconds since any start */
    int64_t position; /* behind it, in a source that can be taken up again there */
} el_reading;

#endif
