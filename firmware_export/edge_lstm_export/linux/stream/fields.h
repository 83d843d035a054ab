/* A line cut into its fields: by a separator, with quotes as CSV has them, or by white space. */
#ifndef EL_FIELDS_H
#define EL_FIELDS_H

#include "shape.h"
#include "span.h"

#define EL_MOST_FIELDS (EL_CHANNELS + 4096)

typedef struct {
    size_t count; /* of the line; those beyond EL_MOST_FIELDS are not kept */
    el_span at[EL_MOST_FIELDS];
} el_fields;

/* The separators, in the order in which they are tried on a first line. */
extern const char el_separators[];

/* Fields without white space and quotes around them; they hold until the next call. Separator 0 is white space. */
void el_cut(el_fields *fields, el_span line, char separator);

/* Index of a field of this text; -1 if there is none. */
long el_find(const el_fields *fields, el_span text);

#endif
