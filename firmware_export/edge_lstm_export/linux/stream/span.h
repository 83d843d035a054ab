/* A piece of text that lies somewhere else, and what Python calls white space. */
#ifndef EL_SPAN_H
#define EL_SPAN_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *at;
    size_t length; /* bytes */
} el_span;

el_span el_span_of(const char *text);
int el_equal(el_span a, el_span b);

/* The same but for the case of ASCII letters; `lower` is in lower case. */
int el_equal_lower(el_span a, const char *lower);

/* Bytes of the white space that text begins with, of one character; 0: something else. */
size_t el_blank(el_span text);

/* Without white space at both ends. */
el_span el_trimmed(el_span text);

#endif
