#include "gaps.h"

int el_gap_due(const el_gaps *gaps, int timed, double time, int64_t step)
{
    if (gaps->rule == EL_RESET_EVERY)
        return (double)step >= gaps->amount;
    if (gaps->rule == EL_RESET_NEVER || !timed || !gaps->timed)
        return 0;
    /* A thousandth of a millisecond for times that a decimal fraction cannot hold. */
    return time < gaps->last || (time - gaps->last) * 1000 > gaps->amount + 1e-3;
}
