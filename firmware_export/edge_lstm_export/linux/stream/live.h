/* A live stream: readings -> gaps -> policy -> model -> predictions. */
#ifndef EL_LIVE_H
#define EL_LIVE_H

#include "counts.h"
#include "gaps.h"
#include "policy.h"
#include "prediction.h"
#include "scorer.h"

typedef struct {
    el_counts *counts;
    el_admission admission;
    el_gaps gaps;
    uint8_t every_step; /* predict inside a window, too */
    int64_t step;       /* of the next sample */
    int64_t position;   /* of the source behind the last sample */
    el_scorer scorer;
    el_state state;
} el_live;

/* Push a sample, if the policy admits it: 1 and what the model says, 0, EL_FAILED. The stream is then as before. */
int el_take(el_live *live, el_reading *reading, el_prediction *prediction);

#endif
