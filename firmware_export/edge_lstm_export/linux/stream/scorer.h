/* The anomaly score: how far a sample lies from what the network foretold one step before, smoothed. */
#ifndef EL_SCORER_H
#define EL_SCORER_H

#include "shape.h"

typedef struct {
    uint8_t foretold; /* there is a forecast */
    double score;
    double forecast[EL_OUTPUTS]; /* scaled, of the next sample */
} el_scorer;

/* Score a physical sample (channels); `output` (outputs) is the forecast made at it, for the next one. 0 at the first
 * step, which nothing foretold: it has no score. */
int el_score(el_scorer *scorer, const double *physical, const double *output);

#endif
