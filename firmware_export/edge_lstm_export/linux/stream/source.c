#include "source.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "complaint.h"
#include "notify.h"
#include "waiting.h"

static const el_source_kind *const kinds[] = {
    &el_pipe_source, &el_file_source, &el_tcp_source, &el_tcp_listen_source, &el_udp_source, &el_serial_source,
};
#define KINDS (sizeof kinds / sizeof *kinds)

int el_open_source(el_source *source, const char *url, el_input input, size_t sample_bytes)
{
    const char *schemes[KINDS + 1] = {0};
    for (size_t k = 0; k < KINDS; k++)
        schemes[k] = kinds[k]->scheme;
    if (el_read_address(&source->address, url, schemes) < 0)
        return EL_FAILED;
    size_t k = 0;
    while (strcmp(kinds[k]->scheme, source->address.scheme) != 0)
        k++;
    source->kind = kinds[k];
    source->input = input;
    source->sample_bytes = sample_bytes;
    source->receiver = (el_receiver){source->frame, (uint16_t)(sample_bytes + EL_FRAME_EXTRA), 0};
    source->handle = source->listener = -1;
    return source->kind->open(source);
}

/* Bytes of the end of a line at `text`, 0 if there is none, -1 if the next byte decides. */
static int line_end(const el_source *source, el_span text)
{
    const char c = *text.at;
    if (c == '\n')
        return 1;
    if (source->kind->ends == EL_AT_LINE_FEEDS)
        return 0;
    if (c == '\r')
        return text.length > 1 ? 1 + (text.at[1] == '\n') : source->rest ? 1 : -1;
    if (source->kind->ends == EL_AT_ANY_NEWLINE)
        return 0;
    if (c == '\v' || c == '\f' || (c >= 0x1c && c <= 0x1e))
        return 1;
    if (text.length >= 2 && memcmp(text.at, "\302\205", 2) == 0)
        return 2;
    return text.length >= 3 && (memcmp(text.at, "\342\200\250", 3) == 0 || memcmp(text.at, "\342\200\251", 3) == 0) ? 3
                                                                                                                   : 0;
}

/* Give out `length` bytes, and pass over `ending` more. */
static void give(el_source *source, el_piece *piece, size_t length, size_t ending)
{
    *piece = (el_piece){{source->bytes + source->begin, length}, ending != 0, 0};
    source->begin += length + ending;
    source->position += (int64_t)(length + ending);
}

static int out_of_bytes(el_source *source)
{
    if (!source->rest)
        return EL_EMPTY;
    source->rest = 0;
    source->skipping = 0;
    return source->over ? 0 : EL_EMPTY;
}

static int next_sample(el_source *source, el_piece *piece)
{
    const size_t left = source->end - source->begin;
    if (left >= source->sample_bytes) {
        give(source, piece, source->sample_bytes, 0);
        piece->whole = 1;
        return 1;
    }
    if (left == 0 || !source->rest)
        return out_of_bytes(source);
    give(source, piece, left, 0);
    return 1;
}

static int next_frame(el_source *source, el_piece *piece)
{
    if (source->taken)
        el_frame_done(&source->receiver);
    source->taken = 0;
    while (source->begin != source->end) {
        source->position++;
        if (!el_frame_take(&source->receiver, (uint8_t)source->bytes[source->begin++]))
            continue;
        source->taken = 1;
        piece->text = (el_span){(const char *)source->frame + EL_FRAME_HEAD, el_frame_payload_bytes(source->frame)};
        piece->whole = source->frame[EL_FRAME_HEAD - 1] == EL_SAMPLE && piece->text.length == source->sample_bytes;
        return 1;
    }
    return out_of_bytes(source);
}

/* The length of the next line and of its end; whether the end has come. */
static int find_end(const el_source *source, size_t *length, int *ending)
{
    const char *from = source->bytes + source->begin;
    const size_t left = source->end - source->begin;
    if (source->kind->ends == EL_AT_LINE_FEEDS) {
        const char *feed = memchr(from, '\n', left);
        *length = feed == NULL ? left : (size_t)(feed - from);
        *ending = feed != NULL;
        return feed != NULL;
    }
    for (*length = 0; *length < left; ++*length) {
        *ending = line_end(source, (el_span){from + *length, left - *length});
        if (*ending != 0)
            return *ending > 0;
    }
    return 0;
}

static int next_line(el_source *source, el_piece *piece)
{
    for (;;) {
        size_t length;
        int ending;
        const int found = find_end(source, &length, &ending), skipping = source->skipping;
        const size_t left = source->end - source->begin;
        if (found) {
            give(source, piece, length, (size_t)ending);
            source->skipping = 0;
            piece->too_long = length > EL_LONGEST_LINE;
        } else if (left > EL_LONGEST_LINE) {
            give(source, piece, left, 0);
            source->skipping = 1;
            piece->too_long = 1;
        } else if (source->rest && left != 0) {
            give(source, piece, left, 0);
            /* A datagram is whole, whether or not its last line has an end. */
            piece->whole = source->kind->ends == EL_AT_LINE_BOUNDARIES;
        } else
            return out_of_bytes(source);
        if (!skipping)
            return 1;
    }
}

int el_next_piece(el_source *source, el_piece *piece)
{
    static int (*const next[])(el_source *source, el_piece *piece) = {next_line, next_sample, next_frame};
    return next[source->input](source, piece);
}

int el_fill_source(el_source *source)
{
    memmove(source->bytes, source->bytes + source->begin, source->end - source->begin);
    source->end -= source->begin;
    source->begin = 0;
    const ssize_t count = source->kind->fill(source);
    if (count < 0)
        return (int)count;
    source->end += (size_t)count;
    return 0;
}

void el_resume_source(el_source *source, int64_t file, int64_t position)
{
    if (source->kind == &el_file_source && file == source->file)
        source->position = position;
}

int el_await(int handle, int milliseconds)
{
    for (;;) {
        el_notify_alive();
        const int due = el_notify_due();
        const int first = due >= 0 && (milliseconds < 0 || due < milliseconds);
        const int ready = el_wait(handle, POLLIN, first ? due : milliseconds);
        if (ready != 0 || !first)
            return ready;
        milliseconds -= milliseconds < 0 ? 0 : due;
    }
}

ssize_t el_read_bytes(el_source *source, const char *move)
{
    for (;;) {
        const int ready = el_await(source->handle, -1);
        if (ready < 0)
            return ready;
        const ssize_t count = read(source->handle, source->bytes + source->end, EL_LONGEST_LINE);
        if (count >= 0)
            return count;
        if (errno != EINTR && errno != EAGAIN)
            return el_complain("%s: the source is gone: %s; %s", source->address.url, strerror(errno), move);
    }
}
