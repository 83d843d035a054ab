/* What happened to a stream besides predictions: counted where it happens, said once at the end. */
#ifndef EL_COUNTS_H
#define EL_COUNTS_H

#include <stdint.h>

typedef struct {
    uint64_t samples;   /* taken by the model */
    uint64_t held;      /* missing values that the channel's last value stood in for */
    uint64_t skipped;   /* samples left out because a value was missing */
    uint64_t malformed; /* lines left out because they are no sample */
    uint64_t torn;      /* first lines of a wire that was opened in the middle of one */
    uint64_t clamped;   /* values beyond what the input codes hold */
    uint64_t resets;    /* times the stream began anew */
    uint64_t dropped;   /* by a queue; this program has none */
    uint64_t late;      /* readings that a poll came too late for; it polls nothing */
} el_counts;

/* Say them on standard error if anything happened. To a `plain` pipe, clamping is no news. */
void el_say_counts(const el_counts *counts, int plain, int as_json);

#endif
