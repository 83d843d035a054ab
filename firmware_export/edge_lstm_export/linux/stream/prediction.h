/* What a stream says: one prediction, in the user's words and units. */
#ifndef EL_PREDICTION_H
#define EL_PREDICTION_H

#include "shape.h"

typedef struct {
    int64_t step;               /* of the sample it was made at, from 0 */
    double outputs[EL_OUTPUTS]; /* probabilities of the labels, or physical values */
    size_t best;                /* index of the likeliest label */
    uint8_t scored;             /* an anomaly model's, but for its first step */
    uint8_t anomaly;
    double score;
} el_prediction;

/* (outputs) codes -> (outputs) logits or scaled targets. */
void el_decoded(const el_code *codes, double *output);

/* The prediction in the network's output, which becomes probabilities or physical values. */
void el_predict(el_prediction *prediction, const double *output, int64_t step);

#endif
