#include "live.h"

#include <string.h>

#include "complaint.h"
#include "facts.h"

static void begin_anew(el_live *live)
{
    el_reset(&live->state);
    memset(&live->scorer, 0, sizeof live->scorer);
    live->step = 0;
    live->counts->resets++;
}

static int speaks(const el_live *live)
{
    return EL_WINDOW == 0 || live->every_step || live->step % EL_WINDOWS == EL_WINDOWS - 1;
}

/* One step of the model, and what there is to say about it. */
static int push(el_live *live, const double *physical, el_prediction *prediction)
{
    static float sample[EL_CHANNELS];
    static el_code x[EL_CHANNELS], y[EL_OUTPUTS];
    static double output[EL_OUTPUTS];
    const int said = speaks(live), needed = said || el_facts.scored;
    for (size_t c = 0; c < EL_CHANNELS; c++)
        sample[c] = (float)physical[c];
    if (EL_WINDOW != 0 && live->step % EL_WINDOWS == 0)
        el_reset(&live->state);
    el_encode(sample, x);
    el_step(&live->state, x, needed ? y : NULL);
    if (!needed) {
        live->step++;
        return 0;
    }
    el_decoded(y, output);
    prediction->scored = el_facts.scored && el_score(&live->scorer, physical, output);
    prediction->score = live->scorer.score;
    prediction->anomaly = prediction->scored && live->scorer.score > el_facts.threshold;
    if (said)
        el_predict(prediction, output, live->step);
    live->step++;
    return said;
}

int el_take(el_live *live, el_reading *reading, el_prediction *prediction)
{
    const int fresh = el_gap_due(&live->gaps, reading->timed, reading->time, live->step);
    if (fresh)
        el_forget(&live->admission);
    const int admitted = el_admit(&live->admission, reading, live->step);
    if (admitted < 0)
        return EL_FAILED;
    live->position = reading->position;
    if (!admitted)
        return 0;
    if (fresh)
        begin_anew(live);
    const int said = push(live, reading->values, prediction);
    live->gaps.timed = reading->timed;
    live->gaps.last = reading->time;
    live->counts->samples++;
    return said;
}
