/* A stream's memory in a file: whole or absent, loaded at the next start.
 *
 * Little-endian, without gaps:
 *
 *   "EdgeLSTM" | version, uint32 | bytes of the file, uint32 | sha256 of the model file, 32
 *   step, int64 | time, float64 | score, float64 | inode of the source, int64 | position in it, int64
 *   flags, uint32: 1 the time is known, 2 the forecast is, 4 a header was read
 *   cell state, (units) int32 | hidden state, (units) int16 | forecast, (outputs) float64
 *   held values, (channels) float64, NaN: none | bytes of the source's address and of the header, uint32 each | both
 *   CRC-32 of everything before, uint32 (polynomial 0xedb88320, as zlib's) */
#ifndef EL_STATE_FILE_H
#define EL_STATE_FILE_H

#include "lines.h"
#include "live.h"

typedef struct {
    const char *path;      /* NULL: nothing is kept */
    uint64_t every_steps;  /* 0: by time */
    int64_t every;         /* microseconds */
    uint64_t steps;        /* since it was written */
    int64_t written;       /* when */
} el_state_file;

/* Load it if it is there; `source` is asked to go on where the last process stopped in an address of this name. */
int el_read_state(const el_state_file *file, el_live *live);
int el_take_up(const el_state_file *file, el_source *source, el_line_reader *lines, el_live *live);

/* Replace it: 0 or EL_FAILED. What was there is then still there. */
int el_write_state(el_state_file *file, const el_live *live, const el_source *source, const el_line_reader *lines);

/* Count a sample that was dealt with; whether it is time to write. */
int el_state_due(el_state_file *file);

#endif
