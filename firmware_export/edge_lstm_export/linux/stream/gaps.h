/* When a stream begins anew: never, after a gap in the samples' times, or every so many steps. */
#ifndef EL_GAPS_H
#define EL_GAPS_H

#include <stdint.h>

typedef enum { EL_RESET_NEVER, EL_RESET_GAP, EL_RESET_EVERY } el_reset_rule;

typedef struct {
    el_reset_rule rule;
    double amount; /* milliseconds of a gap, or steps */
    uint8_t timed; /* `last` is one */
    double last;   /* time of the last sample that the model took, seconds */
} el_gaps;

/* Whether the stream begins anew at a sample. A clock that went back is a gap too: how long it was, nobody knows.
 * `step`: taken since the last reset. */
int el_gap_due(const el_gaps *gaps, int timed, double time, int64_t step);

#endif
