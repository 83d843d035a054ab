/* What the stream program makes of numbers: one line in, one line out, by its first letter. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digits.h"
#include "exact_sum.h"
#include "number.h"
#include "times.h"

static void say(double value, int found)
{
    if (found)
        printf("%a\n", value);
    else
        puts("none");
}

static void write_digits(double value)
{
    char text[EL_NUMBER_BYTES];
    printf("%.*s", (int)el_nine_digits(text, value), text);
    printf(" %.*s", !signbit(value) && value <= 1 ? (int)el_six_places(text, value) : 0, text);
    printf(" %.*s", (int)el_fixed(text, value, 3), text);
    printf(" %.*s\n", (int)el_general(text, value, 6), text);
}

int main(void)
{
    static char line[65536];
    static double values[4096];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        const el_span rest = el_span_of(line + 1);
        double value = 0;
        size_t count = 0;
        int found = 1;
        for (char *at = line + 1, *end = at; *line == 'S' && count < 4096; at = end) {
            value = strtod(at, &end);
            if (end == at)
                break;
            values[count++] = value;
        }
        if (*line == 'D')
            write_digits(strtod(line + 1, NULL));
        else {
            if (*line == 'N')
                found = el_number(rest, '.', &value);
            else if (*line == 'S')
                value = el_exact_sum(values, count);
            else
                found = el_times_like(rest)(rest, &value);
            say(value, found);
        }
    }
    return 0;
}
