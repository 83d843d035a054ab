#include "complaint.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LONGEST 4096 /* bytes of a complaint */

static char complaint[LONGEST];
static char quoted[LONGEST / 2];

int el_complain(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(complaint, sizeof complaint, format, values);
    va_end(values);
    return EL_FAILED;
}

/* Bytes of the UTF-8 character that text begins with; 0 if that is none. */
static size_t character(el_span text)
{
    const unsigned char first = (unsigned char)*text.at;
    const size_t bytes = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (bytes > text.length)
        return 0;
    for (size_t k = 1; k < bytes; k++)
        if (((unsigned char)text.at[k] & 0xc0) != 0x80)
            return 0;
    return bytes;
}

static int control(el_span text)
{
    const unsigned char first = (unsigned char)text.at[0];
    return first < 0x20 || first == 0x7f || (first == 0xc2 && text.length > 1 && (unsigned char)text.at[1] < 0xa1);
}

/* A character as it may stand in one line: control characters as escapes, what is no text as U+FFFD. */
static size_t shown(char *to, el_span from, char quote, size_t *bytes)
{
    static const char letters[] = "\t\n\r", names[] = "tnr";
    *bytes = character(from);
    if (*bytes == 0) {
        *bytes = 1;
        return (size_t)sprintf(to, "\357\277\275");
    }
    const char c = *from.at;
    const char *letter = c == 0 ? NULL : strchr(letters, c);
    if (letter != NULL)
        return (size_t)sprintf(to, "\\%c", names[letter - letters]);
    if (control(from))
        return (size_t)sprintf(to, "\\x%02x", (unsigned char)from.at[*bytes - 1]);
    if (quote != 0 && (c == quote || c == '\\'))
        return (size_t)sprintf(to, "\\%c", c);
    memcpy(to, from.at, *bytes);
    return *bytes;
}

const char *el_quoted(el_span text)
{
    const int apostrophe = memchr(text.at, '\'', text.length) != NULL, quotes = memchr(text.at, '"', text.length) != NULL;
    const char quote = apostrophe && !quotes ? '"' : '\'';
    size_t count = 0, bytes;
    quoted[count++] = quote;
    for (size_t k = 0; k < text.length && count < sizeof quoted - 8; k += bytes)
        count += shown(quoted + count, (el_span){text.at + k, text.length - k}, quote, &bytes);
    quoted[count++] = quote;
    quoted[count] = 0;
    return quoted;
}

void el_say_complaint(void)
{
    static char line[LONGEST + 64];
    size_t count = (size_t)sprintf(line, "edge-lstm-stream: error: "), bytes;
    const size_t length = strlen(complaint);
    for (size_t k = 0; k < length && count < sizeof line - 8; k += bytes)
        count += shown(line + count, (el_span){complaint + k, length - k}, 0, &bytes);
    line[count++] = '\n';
    fwrite(line, 1, count, stderr);
}
