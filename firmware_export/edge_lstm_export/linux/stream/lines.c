#include "lines.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "complaint.h"
#include "facts.h"
#include "fields.h"
#include "number.h"

#define TIME_COLUMN "timestamp" /* found unasked, as in recordings */
#define MOST_NAMED 8            /* in a message */
#define TIME_BYTES 256
#define PLACE "line %" PRIu64 " (step %" PRIu64 ")"

static el_fields fields;

static int names_every_channel(void)
{
    for (size_t c = 0; c < EL_CHANNELS; c++)
        if (el_find(&fields, el_span_of(el_channels[c])) < 0)
            return 0;
    return 1;
}

/* Cut a first line; gives its separator. One that gives every channel's name wins. */
static char cut_first(el_span line)
{
    char first = 0;
    for (const char *s = el_separators; *s != 0; s++) {
        if (*s == el_facts.decimal || memchr(line.at, *s, line.length) == NULL)
            continue;
        el_cut(&fields, line, *s);
        if (names_every_channel())
            return *s;
        if (first == 0)
            first = *s;
    }
    el_cut(&fields, line, first);
    return first;
}

static int is_header(el_span line)
{
    cut_first(line);
    return names_every_channel();
}

static size_t kept_fields(void)
{
    return fields.count < EL_MOST_FIELDS ? fields.count : EL_MOST_FIELDS;
}

/* The first names of a list, for a message. */
static const char *listed(const el_span *names, size_t count)
{
    static char text[1024];
    size_t end = 0;
    text[0] = 0;
    for (size_t k = 0; k < count && k < MOST_NAMED && end < sizeof text; k++)
        end += (size_t)snprintf(text + end, sizeof text - end, "%s%.*s", k == 0 ? "" : ", ", (int)names[k].length,
                                names[k].at);
    if (count > MOST_NAMED && end < sizeof text)
        snprintf(text + end, sizeof text - end, ", \342\200\246");
    return text;
}

static int looks_like_numbers(void)
{
    double ignored;
    for (size_t k = 0; k < kept_fields(); k++)
        if (fields.at[k].length == 0 || memchr("+-.0123456789", *fields.at[k].at, 13) != NULL ||
            el_number(fields.at[k], '.', &ignored))
            return 1;
    return 0;
}

/* 1 and the column of each channel if the fields are a header, 0 if they are a sample. */
static int find_columns(const el_line_reader *reader, uint32_t *columns)
{
    if (!names_every_channel()) {
        if (looks_like_numbers())
            return 0;
        size_t c = 0;
        while (el_find(&fields, el_span_of(el_channels[c])) >= 0)
            c++;
        return el_complain("line %" PRIu64 ": the header has no channel %s, only %s; add it", reader->number,
                           el_quoted(el_span_of(el_channels[c])), listed(fields.at, kept_fields()));
    }
    if (fields.count > EL_MOST_FIELDS)
        return el_complain("line %" PRIu64 ": the header names %zu columns and %d are taken here; leave out some",
                           reader->number, fields.count, EL_MOST_FIELDS);
    for (size_t c = 0; c < EL_CHANNELS; c++) {
        const el_span channel = el_span_of(el_channels[c]);
        columns[c] = (uint32_t)el_find(&fields, channel);
        for (size_t k = columns[c] + 1; k < fields.count; k++)
            if (el_equal(fields.at[k], channel))
                return el_complain("line %" PRIu64 ": the header names channel %s twice; name it once", reader->number,
                                   el_quoted(channel));
    }
    return 1;
}

static int is_channel(el_span name)
{
    for (size_t c = 0; c < EL_CHANNELS; c++)
        if (el_equal(name, el_span_of(el_channels[c])))
            return 1;
    return 0;
}

/* The names of the columns that hold the time, in a header; how many. */
static size_t time_names(el_span *names)
{
    for (size_t k = 0; k < el_facts.time_column_count; k++)
        names[k] = el_span_of(el_facts.time_columns[k]);
    if (el_facts.time_column_count != 0)
        return el_facts.time_column_count;
    for (size_t k = 0; k < fields.count; k++)
        if (el_equal_lower(fields.at[k], TIME_COLUMN) && !is_channel(fields.at[k])) {
            names[0] = fields.at[k];
            return 1;
        }
    return 0;
}

static int find_times(el_line_reader *reader, int header)
{
    el_span names[EL_MOST_TIME_COLUMNS];
    uint32_t columns[EL_MOST_TIME_COLUMNS];
    const size_t count = time_names(names);
    int found = header && count != 0;
    for (size_t k = 0; found && k < count; k++) {
        const long column = el_find(&fields, names[k]);
        found = column >= 0;
        columns[k] = (uint32_t)column;
    }
    if (!found) {
        if (el_facts.time_column_count == 0)
            names[0] = el_span_of(TIME_COLUMN);
        return el_complain("line %" PRIu64 ": gaps are found by times, and no header names a column %s; add it, or "
                           "choose --reset never",
                           reader->number, listed(names, el_facts.time_column_count == 0 ? 1 : count));
    }
    memcpy(reader->time_columns, columns, count * sizeof *columns);
    reader->time_column_count = count;
    return 0;
}

/* Learn the columns from a first line: 1 if it is a header, 0 if it is a sample. */
static int begin(el_line_reader *reader, el_span line)
{
    uint32_t columns[EL_CHANNELS];
    const char separator = cut_first(line);
    const int header = find_columns(reader, columns);
    if (header < 0 || (reader->form.timed && find_times(reader, header) < 0))
        return EL_FAILED;
    for (uint32_t c = 0; c < EL_CHANNELS; c++)
        reader->columns[c] = header ? columns[c] : c;
    reader->known = 1;
    reader->separator = separator;
    reader->read_time = NULL;
    reader->width = header ? fields.count : EL_CHANNELS;
    reader->header_length = header ? (uint32_t)line.length : 0;
    memcpy(reader->header, line.at, reader->header_length);
    return header;
}

static int stands_for_missing(el_span field)
{
    static const char *const cells[] = {"", "na", "n/a", "nan", "null", "none", "?", "-"};
    for (size_t k = 0; k < sizeof cells / sizeof *cells; k++)
        if (el_equal_lower(field, cells[k]))
            return 1;
    return 0;
}

static int read_value(const el_line_reader *reader, el_span field, const char *channel, double *value)
{
    const int number = el_number(field, el_facts.decimal, value);
    if (number && !(el_facts.marks_missing && *value == el_facts.missing_value))
        return 0;
    if (reader->form.keep_missing && (number || stands_for_missing(field))) {
        *value = NAN;
        return 0;
    }
    if (number)
        return el_complain(PLACE ", channel %s: %.*s stands for a missing value in the training data; choose --missing "
                                 "hold or --missing skip",
                           reader->number, reader->step, channel, (int)field.length, field.at);
    return el_complain(PLACE ", channel %s: %s is not a number; repair or drop this line", reader->number, reader->step,
                       channel, field.length == 0 ? "nothing" : el_quoted(field));
}

static int read_time(el_line_reader *reader, double *seconds)
{
    char cell[TIME_BYTES];
    size_t length = 0;
    int whole = 1;
    for (size_t k = 0; k < reader->time_column_count; k++) {
        const el_span field = fields.at[reader->time_columns[k]];
        whole = whole && length + field.length + 1 < sizeof cell;
        if (!whole)
            break;
        if (k != 0)
            cell[length++] = ' ';
        memcpy(cell + length, field.at, field.length);
        length += field.length;
    }
    const el_span text = {cell, length};
    el_time_reader *const read = reader->read_time != NULL ? reader->read_time : el_times_like(text);
    whole = whole && read(text, seconds);
    if (whole)
        reader->read_time = read;
    if (!whole || !isfinite(*seconds))
        return el_complain(PLACE ": %s is not a time like those of the training data; repair this line", reader->number,
                           reader->step, el_quoted(text));
    return 0;
}

static int wrong_width(const el_line_reader *reader, const el_piece *line)
{
    if (fields.count < reader->width && !line->whole)
        return el_complain(PLACE ": the last line is cut short: %zu of %zu values; send it whole", reader->number,
                           reader->step, fields.count, reader->width);
    return el_complain(PLACE ": %zu values where %zu are expected; check channels and separator", reader->number,
                       reader->step, fields.count, reader->width);
}

static int read_sample(el_line_reader *reader, const el_piece *line, el_reading *reading)
{
    if (line->too_long)
        return el_complain(PLACE ": longer than %d bytes; check the line ends", reader->number, reader->step,
                           EL_LONGEST_LINE);
    if (!reader->known) {
        const int header = begin(reader, line->text);
        if (header != 0)
            return header < 0 ? EL_FAILED : 0;
    }
    el_cut(&fields, line->text, reader->separator);
    if (fields.count != reader->width)
        return wrong_width(reader, line);
    for (size_t c = 0; c < EL_CHANNELS; c++)
        if (read_value(reader, fields.at[reader->columns[c]], el_channels[c], reading->values + c) < 0)
            return EL_FAILED;
    if (reader->form.timed && read_time(reader, &reading->time) < 0)
        return EL_FAILED;
    reader->step++;
    reading->kind = "line";
    reading->place = reader->number;
    reading->timed = reader->form.timed;
    return 1;
}

int el_read_line(el_line_reader *reader, const el_piece *line, el_reading *reading)
{
    reader->number++;
    if (!line->too_long && el_trimmed(line->text).length == 0)
        return 0;
    if (reader->form.torn && reader->number == 1 && (line->too_long || !is_header(line->text))) {
        reader->counts->torn++;
        return 0;
    }
    const int found = read_sample(reader, line, reading);
    if (found >= 0)
        return found;
    if (!line->too_long && is_header(line->text))
        return begin(reader, line->text) < 0 ? EL_FAILED : 0;
    if (!reader->known || !reader->form.skip_malformed)
        return EL_FAILED;
    reader->counts->malformed++;
    return 0;
}

int el_resume_lines(el_line_reader *reader, el_span header)
{
    return begin(reader, header) < 0 ? EL_FAILED : 0;
}
