/* Times of samples, in seconds since any start. */
#ifndef EL_TIMES_H
#define EL_TIMES_H

#include "span.h"

/* What reads the times of a source: the first one decides between a number and ISO 8601. */
typedef int el_time_reader(el_span cell, double *seconds);

/* Reads times like this first one. */
el_time_reader *el_times_like(el_span first);

#endif
