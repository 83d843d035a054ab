/* Samples as they come -> samples the model may have. */
#ifndef EL_POLICY_H
#define EL_POLICY_H

#include "counts.h"
#include "reading.h"

typedef enum { EL_MISSING_REFUSE, EL_MISSING_HOLD, EL_MISSING_SKIP } el_missing;

typedef struct {
    el_missing missing; /* refuse a sample with a missing value, hold the channel's last one, or skip the sample */
    uint8_t range_refused; /* values beyond the calibrated range are; else they are clamped as the input codes do */
    double range_factor;   /* how many times half that range a value may lie from its middle before it is refused */
} el_policy;

typedef struct {
    el_policy policy;
    el_counts *counts;
    double held[EL_CHANNELS];     /* last good value, NaN before the first */
    uint64_t missed[EL_CHANNELS]; /* samples in a row */
} el_admission;

/* Hold nothing from before. */
void el_forget(el_admission *admission);

/* 1 if `reading` may be pushed, with held values where some were missing; 0 if it is left out; EL_FAILED. `step` is for
 * messages. */
int el_admit(el_admission *admission, el_reading *reading, int64_t step);

#endif
