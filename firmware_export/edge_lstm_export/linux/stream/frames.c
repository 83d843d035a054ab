#include "frames.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "complaint.h"
#include "facts.h"

static int read_values(const el_frame_reader *reader, const char *bytes, double *values)
{
    for (size_t c = 0; c < EL_CHANNELS; c++) {
        float value;
        memcpy(&value, bytes + c * sizeof value, sizeof value);
        /* What stands for a missing value came through float32, too. */
        const int missing = el_facts.marks_missing && value == (float)el_facts.missing_value;
        values[c] = missing ? NAN : (double)value;
        if (missing && !reader->keep_missing)
            return el_complain("frame %" PRIu64 ", channel %s: %g stands for a missing value in the training data; "
                               "choose --missing hold or --missing skip",
                               reader->number, el_channels[c], (double)value);
    }
    return 0;
}

int el_read_frame(el_frame_reader *reader, const el_piece *frame, el_reading *reading)
{
    reader->number++;
    if (frame->whole && read_values(reader, frame->text.at, reading->values) == 0) {
        reading->kind = "frame";
        reading->place = reader->number;
        reading->timed = 0;
        return 1;
    }
    if (!frame->whole)
        el_complain("frame %" PRIu64 ": is no sample: %zu of %d bytes, or of another kind; send it whole", reader->number,
                    frame->text.length, EL_FRAME_BYTES);
    if (!reader->skip_malformed)
        return EL_FAILED;
    reader->counts->malformed++;
    return 0;
}
