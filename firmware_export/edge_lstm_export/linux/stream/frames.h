/* Bytes -> samples: float32 of every channel in the model's order, little-endian; NaN is missing. */
#ifndef EL_FRAMES_H
#define EL_FRAMES_H

#include "counts.h"
#include "reading.h"
#include "source.h"

#define EL_FRAME_BYTES (4 * EL_CHANNELS)

typedef struct {
    uint8_t keep_missing, skip_malformed; /* as of lines */
    el_counts *counts;
    uint64_t number; /* frames so far */
} el_frame_reader;

/* 1 and the sample in the next frame, 0 if it holds none, EL_FAILED. */
int el_read_frame(el_frame_reader *reader, const el_piece *frame, el_reading *reading);

#endif
