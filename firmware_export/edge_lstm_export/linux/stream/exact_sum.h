/* A sum that is the same in every order, so that it is the same in every language. */
#ifndef EL_EXACT_SUM_H
#define EL_EXACT_SUM_H

#include <stddef.h>

/* The sum of at most EL_OUTPUTS finite values, rounded once, as Python's math.fsum gives it. */
double el_exact_sum(const double *values, size_t count);

#endif
