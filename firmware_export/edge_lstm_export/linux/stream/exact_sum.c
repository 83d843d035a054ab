#include "exact_sum.h"

#include <math.h>

#include "shape.h"

/* Partial sums are kept that no two bits of share a place (Shewchuk, "Adaptive precision floating-point arithmetic",
 * 1997). */
double el_exact_sum(const double *values, size_t count)
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
