#include "span.h"

#include <string.h>

/* str.isspace of Python beyond ASCII, in UTF-8. */
static const char *const wide_blanks[] = {
    "\302\205",     "\302\240",     "\341\232\200", "\342\200\200", "\342\200\201", "\342\200\202", "\342\200\203",
    "\342\200\204", "\342\200\205", "\342\200\206", "\342\200\207", "\342\200\210", "\342\200\211", "\342\200\212",
    "\342\200\250", "\342\200\251", "\342\200\257", "\342\201\237", "\343\200\200",
};

el_span el_span_of(const char *text)
{
    return (el_span){text, strlen(text)};
}

int el_equal(el_span a, el_span b)
{
    return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

int el_equal_lower(el_span a, const char *lower)
{
    if (a.length != strlen(lower))
        return 0;
    for (size_t k = 0; k < a.length; k++) {
        const char c = a.at[k];
        if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != lower[k])
            return 0;
    }
    return 1;
}

static int narrow_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

size_t el_blank(el_span text)
{
    if (text.length == 0)
        return 0;
    if ((unsigned char)*text.at < 0x80)
        return narrow_blank(*text.at) ? 1 : 0;
    for (size_t k = 0; k < sizeof wide_blanks / sizeof *wide_blanks; k++) {
        const size_t bytes = strlen(wide_blanks[k]);
        if (text.length >= bytes && memcmp(text.at, wide_blanks[k], bytes) == 0)
            return bytes;
    }
    return 0;
}

/* Bytes of the white space that text ends with. */
static size_t blank_behind(el_span text)
{
    for (size_t bytes = 1; bytes <= 3 && bytes <= text.length; bytes++) {
        const el_span end = {text.at + text.length - bytes, bytes};
        if (el_blank(end) == bytes)
            return bytes;
    }
    return 0;
}

el_span el_trimmed(el_span text)
{
    for (size_t bytes; (bytes = el_blank(text)) != 0;) {
        text.at += bytes;
        text.length -= bytes;
    }
    for (size_t bytes; (bytes = blank_behind(text)) != 0;)
        text.length -= bytes;
    return text;
}
