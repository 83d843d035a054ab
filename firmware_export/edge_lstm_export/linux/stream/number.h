/* Numbers as Python's float() reads them: correctly rounded, and nothing but decimal ones, infinities and NaN. */
#ifndef EL_NUMBER_H
#define EL_NUMBER_H

#include "span.h"

/* Whether the text, without white space around it, is a number. The decimal sign is a full stop or `decimal`. */
int el_number(el_span text, char decimal, double *value);

#endif
