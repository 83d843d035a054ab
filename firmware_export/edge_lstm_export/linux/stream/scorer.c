#include "scorer.h"

#include <math.h>
#include <string.h>

#include "facts.h"

#define LANES 8
#define BLOCK 128

/* The sum as NumPy takes it, for its bits: in eight lanes, in halves above a block (pairwise summation). */
static double pairwise_sum(const double *values, size_t count)
{
    if (count > BLOCK) {
        const size_t half = count / 2 - count / 2 % LANES;
        return pairwise_sum(values, half) + pairwise_sum(values + half, count - half);
    }
    const size_t whole = count - count % LANES;
    double sum = 0;
    if (whole != 0) {
        double lane[LANES];
        memcpy(lane, values, sizeof lane);
        for (size_t k = LANES; k < whole; k++)
            lane[k % LANES] += values[k];
        sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
    }
    for (size_t k = whole; k < count; k++)
        sum += values[k];
    return sum;
}

int el_score(el_scorer *scorer, const double *physical, const double *output)
{
    static double residual[EL_OUTPUTS];
    const int foretold = scorer->foretold;
    if (foretold) {
        for (size_t k = 0; k < EL_OUTPUTS; k++) {
            const double sample = physical[el_facts.targets[k]];
            residual[k] = fabs(scorer->forecast[k] - (sample - el_facts.target_offset[k]) / el_facts.target_scale[k]);
        }
        scorer->score += el_facts.smoothing * (pairwise_sum(residual, EL_OUTPUTS) / EL_OUTPUTS - scorer->score);
    }
    memcpy(scorer->forecast, output, sizeof scorer->forecast);
    scorer->foretold = 1;
    return foretold;
}
