#include "policy.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "complaint.h"
#include "facts.h"

#define PLACE "%s %" PRIu64 ": step %" PRId64 ", channel %s"

void el_forget(el_admission *admission)
{
    for (size_t c = 0; c < EL_CHANNELS; c++)
        admission->held[c] = NAN;
    memset(admission->missed, 0, sizeof admission->missed);
}

static int refuse_missing(const el_reading *reading, int64_t step)
{
    size_t c = 0;
    while (isfinite(reading->values[c]))
        c++;
    const double value = reading->values[c];
    return el_complain(PLACE ": %s is not finite; repair it, or choose --missing hold or --missing skip", reading->kind,
                       reading->place, step, el_channels[c], isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
}

/* Put the held values where values are gone; whether that gives a sample. */
static int filled(const el_admission *admission, el_reading *reading)
{
    if (admission->policy.missing == EL_MISSING_SKIP)
        return 0;
    uint64_t gone = 0;
    int whole = 1;
    for (size_t c = 0; c < EL_CHANNELS; c++) {
        if (isfinite(reading->values[c]))
            continue;
        if (admission->missed[c] > (uint64_t)el_facts.max_hold)
            return 0;
        gone++;
        whole = whole && !isnan(admission->held[c]);
    }
    if (!whole)
        return 0;
    for (size_t c = 0; c < EL_CHANNELS; c++)
        if (!isfinite(reading->values[c]))
            reading->values[c] = admission->held[c];
    admission->counts->held += gone;
    return 1;
}

static int beyond(const el_admission *admission, const el_reading *reading, size_t c, int64_t step)
{
    const double low = el_facts.low[c], high = el_facts.high[c], value = reading->values[c];
    const double factor = admission->policy.range_factor;
    if (admission->policy.range_refused && fabs(value - (low + high) / 2) > factor * (high - low) / 2)
        return el_complain(PLACE ": %g is out of the calibrated range %g to %g (factor %g); check the sensor and its "
                                 "unit, or choose --range clamp",
                           reading->kind, reading->place, step, el_channels[c], value, low, high, factor);
    admission->counts->clamped++;
    return 0;
}

int el_admit(el_admission *admission, el_reading *reading, int64_t step)
{
    int gone = 0;
    for (size_t c = 0; c < EL_CHANNELS; c++)
        gone = gone || !isfinite(reading->values[c]);
    if (gone && admission->policy.missing == EL_MISSING_REFUSE)
        return refuse_missing(reading, step);
    for (size_t c = 0; c < EL_CHANNELS; c++) {
        if (isfinite(reading->values[c])) {
            admission->held[c] = reading->values[c];
            admission->missed[c] = 0;
        } else
            admission->missed[c]++;
    }
    if (gone && !filled(admission, reading)) {
        admission->counts->skipped++;
        return 0;
    }
    for (size_t c = 0; c < EL_CHANNELS; c++)
        if (!(reading->values[c] >= el_facts.low[c] && reading->values[c] <= el_facts.high[c]) &&
            beyond(admission, reading, c, step) < 0)
            return EL_FAILED;
    return 1;
}
