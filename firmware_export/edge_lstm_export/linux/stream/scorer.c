#include "scorer.h"

#include <math.h>
#include <string.h>

#include "exact_sum.h"
#include "facts.h"

int el_score(el_scorer *scorer, const double *physical, const double *output)
{
    static double residual[EL_OUTPUTS];
    const int foretold = scorer->foretold;
    if (foretold) {
        for (size_t k = 0; k < EL_OUTPUTS; k++) {
            const double sample = physical[el_facts.targets[k]];
            residual[k] = fabs(scorer->forecast[k] - (sample - el_facts.target_offset[k]) / el_facts.target_scale[k]);
        }
        scorer->score += el_facts.smoothing * (el_exact_sum(residual, EL_OUTPUTS) / EL_OUTPUTS - scorer->score);
    }
    memcpy(scorer->forecast, output, sizeof scorer->forecast);
    scorer->foretold = 1;
    return foretold;
}
