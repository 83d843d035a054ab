/* What went wrong, in one line that is printed once, when everything else has been done. */
#ifndef EL_COMPLAINT_H
#define EL_COMPLAINT_H

#include "span.h"

enum {
    EL_FAILED = -1,  /* el_complain has been called */
    EL_STOPPED = -2, /* SIGTERM or SIGINT came */
    EL_CLOSED = -3   /* nobody reads standard output any more */
};

/* Remember the line; gives EL_FAILED. */
int el_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print it to standard error. */
void el_say_complaint(void);

/* A text of the user's between quotes, as Python's repr writes it; holds until the next call. */
const char *el_quoted(el_span text);

#endif
