#include "prediction.h"

#include <math.h>

#include "facts.h"

void el_decoded(const el_code *codes, double *output)
{
    for (size_t k = 0; k < EL_OUTPUTS; k++)
        output[k] = (double)(codes[k] - el_facts.zero) * el_facts.step;
}

/* The sum rounded once, as math.fsum gives it: partial sums are kept that no two bits of share a place (Shewchuk,
 * "Adaptive precision floating-point arithmetic", 1997). */
static double exact_sum(const double *values, size_t count)
{
    static double partial[EL_OUTPUTS];
    size_t used = 0;
    for (size_t k = 0; k < count; k++) {
        double x = values[k];
        size_t kept = 0;
        for (size_t j = 0; j < used; j++) {
            double y = partial[j];
            if (fabs(x) < fabs(y)) {
                const double larger = y;
                y = x;
                x = larger;
            }
            const double sum = x + y, lost = y - (sum - x);
            if (lost != 0)
                partial[kept++] = lost;
            x = sum;
        }
        used = kept;
        if (used < EL_OUTPUTS)
            partial[used++] = x;
    }
    if (used == 0)
        return 0;
    double sum = partial[--used], lost = 0;
    while (used != 0 && lost == 0) {
        const double x = sum, y = partial[--used];
        sum = x + y;
        lost = y - (sum - x);
    }
    /* Half a unit was lost, and what lies below decides against rounding to even. */
    if (used != 0 && lost != 0 && (lost < 0) == (partial[used - 1] < 0)) {
        const double twice = 2 * lost, next = sum + twice;
        if (next - sum == twice)
            sum = next;
    }
    return sum;
}

static void softmax(const double *logits, double *probabilities)
{
    double top = logits[0];
    for (size_t k = 1; k < EL_OUTPUTS; k++)
        top = logits[k] > top ? logits[k] : top;
    for (size_t k = 0; k < EL_OUTPUTS; k++)
        probabilities[k] = exp(logits[k] - top);
    const double total = exact_sum(probabilities, EL_OUTPUTS);
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
