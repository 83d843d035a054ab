/* Numbers as Python writes them. Each call writes at `to`, which has room for EL_NUMBER_BYTES, and gives the bytes. */
#ifndef EL_DIGITS_H
#define EL_DIGITS_H

#include <stddef.h>

#define EL_NUMBER_BYTES 400 /* the largest double with three decimals has 313 */

/* '%.{places}f' and '%.{digits}g' */
size_t el_fixed(char *to, double value, int places);
size_t el_general(char *to, double value, int digits);

/* repr(float(f'{value:.9g}')) and repr(round(value, 6)) in JSON's spelling; the latter for 0 to 1. */
size_t el_nine_digits(char *to, double value);
size_t el_six_places(char *to, double value);

#endif
