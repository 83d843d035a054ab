#include "times.h"

#include <string.h>

#include "facts.h"
#include "number.h"

static int number_of_units(el_span cell, double *seconds)
{
    if (!el_number(el_trimmed(cell), '.', seconds))
        return 0;
    *seconds *= el_facts.time_unit;
    return 1;
}

/* A moment in parts, as they are read. */
typedef struct {
    int64_t year, month, day, hour, minute, second, microsecond;
    int64_t east; /* of UTC, microseconds */
} moment;

/* Of the proleptic Gregorian calendar, from 1970-01-01. Years are counted from March, so that a leap day ends one. */
static int64_t days_of(const moment *m)
{
    const int64_t year = m->year - (m->month <= 2), month = m->month + (m->month <= 2 ? 9 : -3);
    return 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + m->day - 1 - 719468;
}

static int64_t month_days(int64_t year, int64_t month)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

/* Its seconds, if there is such a moment. */
static int seconds_of(const moment *m, double *seconds)
{
    if (m->year < 1 || m->month < 1 || m->month > 12 || m->day < 1 || m->day > month_days(m->year, m->month))
        return 0;
    if (m->hour > 23 || m->minute > 59 || m->second > 59)
        return 0;
    const int64_t whole = days_of(m) * 86400 + m->hour * 3600 + m->minute * 60 + m->second;
    *seconds = (double)(whole * 1000000 + m->microsecond - m->east) / 1e6;
    return 1;
}

/* Digits, at least one and `most` at most; how many. */
static int digits_of(el_span *text, int most, int64_t *value)
{
    int count = 0;
    *value = 0;
    for (; count < most && text->length != 0 && *text->at >= '0' && *text->at <= '9'; count++) {
        *value = *value * 10 + (*text->at - '0');
        text->at++, text->length--;
    }
    return count;
}

static int take(el_span *text, char c)
{
    if (text->length == 0 || *text->at != c)
        return 0;
    text->at++, text->length--;
    return 1;
}

/* Of as many digits as there are the first six count. */
static int fraction_of(el_span *text, int64_t *microseconds)
{
    int64_t ignored;
    int count = digits_of(text, 6, microseconds);
    if (count == 0)
        return 0;
    for (; count < 6; count++)
        *microseconds *= 10;
    while (digits_of(text, 1, &ignored) != 0)
        ;
    return 1;
}

/* HH, HH:MM, HH:MM:SS or HH:MM:SS.ffffff; the colons are all there or all left out. */
static int clock_of(el_span *text, int64_t *parts, int64_t *microsecond)
{
    int colons = 0;
    for (int k = 0; k < 3; k++) {
        if (k == 1)
            colons = text->length != 0 && *text->at == ':';
        if (k != 0 && (colons ? !take(text, ':') : text->length == 0 || *text->at < '0' || *text->at > '9'))
            return 1;
        if (digits_of(text, 2, parts + k) != 2)
            return 0;
    }
    return take(text, '.') || take(text, ',') ? fraction_of(text, microsecond) : 1;
}

static int zone_of(el_span *text, int64_t *east)
{
    int64_t parts[3] = {0, 0, 0}, microsecond = 0;
    if (text->length == 0 || take(text, 'Z'))
        return 1;
    const int west = *text->at == '-';
    if (!take(text, '+') && !take(text, '-'))
        return 0;
    if (!clock_of(text, parts, &microsecond) || parts[0] > 23 || parts[1] > 59 || parts[2] > 59)
        return 0;
    *east = ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000000 + microsecond;
    *east = west ? -*east : *east;
    return 1;
}

/* YYYY-MM-DD or YYYYMMDD, then after any one character a clock and a zone. Weeks are left out. */
static int iso_8601(el_span text, double *seconds)
{
    el_span cell = text;
    moment m = {0, 0, 0, 0, 0, 0, 0, 0};
    if (digits_of(&cell, 4, &m.year) != 4)
        return 0;
    const int dashes = take(&cell, '-');
    if (digits_of(&cell, 2, &m.month) != 2 || (dashes && !take(&cell, '-')) || digits_of(&cell, 2, &m.day) != 2)
        return 0;
    if (cell.length != 0) {
        int64_t parts[3] = {0, 0, 0};
        do
            cell.at++, cell.length--;
        while (cell.length != 0 && ((unsigned char)*cell.at & 0xc0) == 0x80);
        if (!clock_of(&cell, parts, &m.microsecond))
            return 0;
        /* As `date` writes it; where Python takes a blank, too. */
        if (cell.length > 1 && memchr(text.at, '.', text.length) == NULL && memchr(text.at, ',', text.length) == NULL)
            take(&cell, ' ');
        if (!zone_of(&cell, &m.east) || cell.length != 0)
            return 0;
        m.hour = parts[0], m.minute = parts[1], m.second = parts[2];
    }
    return seconds_of(&m, seconds);
}

/* The directives of strptime that are read here; export says no to others. */
static int field_of(char directive, el_span *text, moment *m)
{
    switch (directive) {
    case 'Y':
        return digits_of(text, 4, &m->year) == 4;
    case 'm':
        return digits_of(text, 2, &m->month);
    case 'd':
        return digits_of(text, 2, &m->day);
    case 'H':
        return digits_of(text, 2, &m->hour);
    case 'M':
        return digits_of(text, 2, &m->minute);
    case 'S':
        return digits_of(text, 2, &m->second);
    default:
        return take(text, '%');
    }
}

/* strptime takes letters in either case. */
static char other_case(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int formatted(el_span cell, double *seconds)
{
    moment m = {1900, 1, 1, 0, 0, 0, 0, 0};
    for (const char *f = el_facts.time_format; *f != 0; f++) {
        if (*f == '%') {
            if (!field_of(*++f, &cell, &m))
                return 0;
        } else if (*f == ' ') {
            if (el_blank(cell) == 0)
                return 0;
            for (size_t bytes; (bytes = el_blank(cell)) != 0;)
                cell.at += bytes, cell.length -= bytes;
        } else if (!take(&cell, *f) && !take(&cell, other_case(*f)))
            return 0;
    }
    return cell.length == 0 && seconds_of(&m, seconds);
}

el_time_reader *el_times_like(el_span first)
{
    double ignored;
    if (el_facts.time_format != NULL)
        return formatted;
    return el_number(el_trimmed(first), '.', &ignored) ? number_of_units : iso_8601;
}
