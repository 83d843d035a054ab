/* Lines of text -> samples: what a sensor's log or a pipe looks like. */
#ifndef EL_LINES_H
#define EL_LINES_H

#include "counts.h"
#include "reading.h"
#include "source.h"
#include "times.h"

/* How lines are to be read. */
typedef struct {
    uint8_t keep_missing;   /* let missing values through as NaN; otherwise they are refused */
    uint8_t skip_malformed; /* pass over lines that are no samples; otherwise they are refused */
    uint8_t timed;          /* every sample needs its time */
    uint8_t torn;           /* the first line may have lost its beginning, so that it counts only if it is a header */
} el_line_form;

/* Reads the lines of one source. The first line is a header if it holds nothing like a number, or names every channel;
 * columns are then found by name and the others ignored. A later line that names every channel is a header too: a
 * sensor that restarted, a log that was rotated. Blank lines are passed over. */
typedef struct {
    el_line_form form;
    el_counts *counts;
    uint64_t number, step;         /* lines and samples so far */
    uint8_t known;                 /* the columns are */
    char separator;                /* 0: white space */
    uint32_t columns[EL_CHANNELS]; /* of each channel */
    size_t width;                  /* fields of a line */
    el_time_reader *read_time;     /* NULL before the first time */
    uint32_t time_columns[EL_MOST_TIME_COLUMNS];
    size_t time_column_count;
    uint32_t header_length;
    char header[EL_LONGEST_LINE]; /* that headed the columns, by which a reader can be made to go on; empty: none */
} el_line_reader;

/* 1 and the sample in the next line, 0 if it holds none, EL_FAILED. */
int el_read_line(el_line_reader *reader, const el_piece *line, el_reading *reading);

/* Go on behind a header that was read before. */
int el_resume_lines(el_line_reader *reader, el_span header);

#endif
