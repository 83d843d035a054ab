#include "prediction.h"

#include <math.h>

#include "exact_sum.h"
#include "facts.h"

void el_decoded(const el_code *codes, double *output)
{
    for (size_t k = 0; k < EL_OUTPUTS; k++)
        output[k] = (double)(codes[k] - el_facts.zero) * el_facts.step;
}

static void softmax(const double *logits, double *probabilities)
{
    double top = logits[0];
    for (size_t k = 1; k < EL_OUTPUTS; k++)
        top = logits[k] > top ? logits[k] : top;
    for (size_t k = 0; k < EL_OUTPUTS; k++)
        probabilities[k] = exp(logits[k] - top);
    const double total = el_exact_sum(probabilities, EL_OUTPUTS);
    for (size_t k = 0; k < EL_OUTPUTS; k++)
        probabilities[k] /= total;
}

void el_predict(el_prediction *prediction, const double *output, int64_t step)
{
    prediction->step = step;
    prediction->best = 0;
    if (el_facts.labels) {
        softmax(output, prediction->outputs);
        for (size_t k = 1; k < EL_OUTPUTS; k++)
            if (prediction->outputs[k] > prediction->outputs[prediction->best])
                prediction->best = k;
        return;
    }
    for (size_t k = 0; k < EL_OUTPUTS; k++)
        prediction->outputs[k] = output[k] * el_facts.target_scale[k] + el_facts.target_offset[k];
}
