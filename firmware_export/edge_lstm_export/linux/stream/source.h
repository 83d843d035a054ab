/* Where samples come from: bytes as they come, cut into lines or frames. */
#ifndef EL_SOURCE_H
#define EL_SOURCE_H

#include <sys/types.h>

#include "address.h"
#include "el_frame.h"
#include "span.h"

#define EL_LONGEST_LINE 65536   /* bytes */
#define EL_LARGEST_SAMPLE 32764 /* bytes; the kernels take 8191 channels */
#define EL_SAMPLE 6             /* kind of a frame of el_frame.h, behind those of el_serve.h */

/* How bytes are cut: into lines; into samples one behind the other; into samples in frames of el_frame.h, for wires that
 * lose bytes or are opened in the middle of one. */
typedef enum { EL_INPUT_TEXT, EL_INPUT_BINARY, EL_INPUT_FRAMED } el_input;

/* A line without its end, or a frame's sample. */
typedef struct {
    el_span text;
    uint8_t whole;    /* its end has come */
    uint8_t too_long; /* for a line here; the text is its beginning */
} el_piece;

/* What ends a line: a line feed; or what Python's text files know; or that and the ends of str.splitlines(). */
typedef enum { EL_AT_LINE_FEEDS, EL_AT_ANY_NEWLINE, EL_AT_LINE_BOUNDARIES } el_line_ends;

struct el_source;

typedef struct {
    const char *scheme;
    uint8_t torn; /* the first line may lack its beginning */
    uint8_t live; /* samples go on without being asked for */
    el_line_ends ends;
    int (*open)(struct el_source *source);
    /* Wait for bytes and put them behind `end`: how many; 0 with `rest` set: no more of this connection or datagram;
     * EL_FAILED, EL_STOPPED. */
    ssize_t (*fill)(struct el_source *source);
} el_source_kind;

typedef struct el_source {
    const el_source_kind *kind;
    el_address address;
    el_input input;
    size_t sample_bytes; /* of a frame */
    int handle;
    int listener;      /* of tcp-listen: who may connect */
    uint8_t rest;      /* what is left is a piece, too */
    uint8_t over;      /* nothing comes behind it */
    uint8_t skipping;  /* the rest of a line that was too long */
    int64_t file;      /* inode */
    int64_t position;  /* in it, behind the last piece */
    size_t begin, end; /* of the bytes that are not yet cut */
    uint8_t taken;     /* the frame in the receiver was given out */
    el_receiver receiver;
    uint8_t frame[EL_LARGEST_SAMPLE + EL_FRAME_EXTRA];
    char bytes[2 * EL_LONGEST_LINE];
} el_source;

/* Take `url` apart and open what is behind it. */
int el_open_source(el_source *source, const char *url, el_input input, size_t sample_bytes);

/* The next piece: 1; 0: the source has ended. EL_FAILED, EL_STOPPED, or EL_EMPTY: fill first. */
enum { EL_EMPTY = 2 };
int el_next_piece(el_source *source, el_piece *piece);
int el_fill_source(el_source *source);

/* Begin where a source of the same file stood, if it is still that file. */
void el_resume_source(el_source *source, int64_t file, int64_t position);

/* For the kinds: wait until `handle` has something, telling the service manager that this program is alive. 1, EL_FAILED
 * or EL_STOPPED; 0 after `milliseconds`, -1 never. */
int el_await(int handle, int milliseconds);

/* For the kinds: read what there is. A lost source is a complaint that ends with `move`. */
ssize_t el_read_bytes(el_source *source, const char *move);

extern const el_source_kind el_pipe_source, el_file_source, el_serial_source;
extern const el_source_kind el_tcp_source, el_tcp_listen_source, el_udp_source;

#endif
