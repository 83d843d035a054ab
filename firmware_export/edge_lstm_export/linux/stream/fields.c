#include "fields.h"

#include <string.h>

#include "source.h"

const char el_separators[] = "\t;|,";

static void add(el_fields *fields, el_span field)
{
    if (fields->count < EL_MOST_FIELDS)
        fields->at[fields->count] = field;
    fields->count++;
}

/* Without the ends of a line and byte order marks around it. */
static el_span bare(el_span line)
{
    static const char mark[] = "\357\273\277";
    for (;;) {
        if (line.length != 0 && (*line.at == '\r' || *line.at == '\n'))
            line.at++, line.length--;
        else if (line.length >= 3 && memcmp(line.at, mark, 3) == 0)
            line.at += 3, line.length -= 3;
        else
            break;
    }
    for (;;) {
        const char *end = line.at + line.length;
        if (line.length != 0 && (end[-1] == '\r' || end[-1] == '\n'))
            line.length--;
        else if (line.length >= 3 && memcmp(end - 3, mark, 3) == 0)
            line.length -= 3;
        else
            return line;
    }
}

static el_span without_quotes(el_span field)
{
    while (field.length != 0 && *field.at == '"')
        field.at++, field.length--;
    while (field.length != 0 && field.at[field.length - 1] == '"')
        field.length--;
    return field;
}

static void cut_at(el_fields *fields, el_span line, char separator)
{
    for (;;) {
        const char *end = memchr(line.at, separator, line.length);
        const size_t length = end == NULL ? line.length : (size_t)(end - line.at);
        add(fields, without_quotes(el_trimmed((el_span){line.at, length})));
        if (end == NULL)
            return;
        line = (el_span){end + 1, line.length - length - 1};
    }
}

static void cut_at_blanks(el_fields *fields, el_span line)
{
    for (;;) {
        for (size_t bytes; (bytes = el_blank(line)) != 0;)
            line.at += bytes, line.length -= bytes;
        if (line.length == 0)
            return;
        el_span field = {line.at, 0};
        for (; line.length != 0 && el_blank(line) == 0; line.at++, line.length--)
            field.length++;
        add(fields, without_quotes(field));
    }
}

/* CSV as Python's reader takes it: a quote opens a field only as its first character, two in it are one, and blanks
 * behind a separator are passed over. 0 if the line is no CSV. */
static int cut_quoted(el_fields *fields, el_span line, char separator)
{
    static char text[EL_LONGEST_LINE];
    size_t k = 0, end = 0;
    for (;;) {
        const size_t begin = end;
        int within = 0;
        while (k < line.length && line.at[k] == ' ')
            k++;
        if (k < line.length && line.at[k] == '"')
            within = 1, k++;
        for (; k < line.length && (within || line.at[k] != separator); k++) {
            const char c = line.at[k];
            if (within && c == '"') {
                within = k + 1 < line.length && line.at[k + 1] == '"';
                if (!within)
                    continue;
                k++;
            } else if (!within && (c == '\r' || c == '\n'))
                return 0;
            text[end++] = c;
        }
        add(fields, el_trimmed((el_span){text + begin, end - begin}));
        if (k == line.length)
            return 1;
        k++;
    }
}

void el_cut(el_fields *fields, el_span line, char separator)
{
    line = bare(line);
    fields->count = 0;
    if (separator == 0) {
        cut_at_blanks(fields, line);
        return;
    }
    if (memchr(line.at, '"', line.length) != NULL && cut_quoted(fields, line, separator))
        return;
    fields->count = 0;
    cut_at(fields, line, separator);
}

long el_find(const el_fields *fields, el_span text)
{
    for (size_t k = 0; k < fields->count && k < EL_MOST_FIELDS; k++)
        if (el_equal(fields->at[k], text))
            return (long)k;
    return -1;
}
