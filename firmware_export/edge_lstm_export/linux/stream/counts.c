#include "counts.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *words;
    size_t at;
} rows[] = {
    {"samples", NULL, offsetof(el_counts, samples)},
    {"held", "missing values held", offsetof(el_counts, held)},
    {"skipped", "samples skipped for a missing value", offsetof(el_counts, skipped)},
    {"malformed", "malformed lines skipped", offsetof(el_counts, malformed)},
    {"torn", "torn first lines skipped", offsetof(el_counts, torn)},
    {"clamped", "values clamped to the calibrated range", offsetof(el_counts, clamped)},
    {"resets", "resets", offsetof(el_counts, resets)},
    {"dropped", "samples dropped by the full queue", offsetof(el_counts, dropped)},
    {"late", "readings missed for being late", offsetof(el_counts, late)},
};
#define ROWS (sizeof rows / sizeof *rows)

static uint64_t count_of(const el_counts *counts, size_t row)
{
    uint64_t count;
    memcpy(&count, (const char *)counts + rows[row].at, sizeof count);
    return count;
}

static int eventful(const el_counts *counts, int plain)
{
    for (size_t row = 1; row < ROWS; row++)
        if (count_of(counts, row) != 0 && !(plain && rows[row].at == offsetof(el_counts, clamped)))
            return 1;
    return 0;
}

void el_say_counts(const el_counts *counts, int plain, int as_json)
{
    char line[1024];
    size_t end = 0;
    if (!eventful(counts, plain))
        return;
    end += (size_t)sprintf(line, as_json ? "{\"counts\": {" : "stream: ");
    const char *between = "";
    for (size_t row = 0; row < ROWS; row++) {
        const uint64_t count = count_of(counts, row);
        if (as_json)
            end += (size_t)sprintf(line + end, "%s\"%s\": %" PRIu64, row == 0 ? "" : ", ", rows[row].name, count);
        else if (row == 0)
            end += (size_t)sprintf(line + end, "%" PRIu64 " samples taken; ", count);
        else if (count != 0) {
            end += (size_t)sprintf(line + end, "%s%" PRIu64 " %s", between, count, rows[row].words);
            between = ", ";
        }
    }
    end += (size_t)sprintf(line + end, as_json ? "}}\n" : "\n");
    fwrite(line, 1, end, stderr);
}
