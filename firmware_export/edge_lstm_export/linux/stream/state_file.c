#include "state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "complaint.h"
#include "facts.h"

#define VERSION 1U
#define TIMED 1U
#define FORETOLD 2U
#define HEADED 4U
#define SIZE_AT 12 /* of the file's size */
#define MODEL_AT 16

static const char magic[] = "EdgeLSTM";

/* What the file holds besides the stream. */
typedef struct {
    uint32_t flags, url_bytes, header_bytes;
    int64_t inode, position;
    const char *url, *header;
} remembered_source;

#define FIXED_BYTES                                                                                                    \
    (MODEL_AT + EL_DIGEST_BYTES + 5 * 8 + 4 + EL_CELLS * 4 + EL_UNITS * 2 + EL_OUTPUTS * 8 + EL_CHANNELS * 8 + 2 * 4 + 4)

static char contents[FIXED_BYTES + sizeof((el_address *)0)->where + 32 + EL_LONGEST_LINE];
static remembered_source remembered;

static uint32_t crc32(const char *bytes, size_t count)
{
    uint32_t crc = 0xffffffffU;
    for (size_t k = 0; k < count; k++) {
        crc ^= (unsigned char)bytes[k];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
    }
    return ~crc;
}

/* One list of what is in the file serves reading and writing. */
typedef void mover(char **at, void *value, size_t bytes);

static void get(char **at, void *value, size_t bytes)
{
    memcpy(value, *at, bytes);
    *at += bytes;
}

static void put(char **at, void *value, size_t bytes)
{
    memcpy(*at, value, bytes);
    *at += bytes;
}

static void move_stream(mover *move, char **at, el_live *live, remembered_source *source)
{
    move(at, &live->step, sizeof live->step);
    move(at, &live->gaps.last, sizeof live->gaps.last);
    move(at, &live->scorer.score, sizeof live->scorer.score);
    move(at, &source->inode, sizeof source->inode);
    move(at, &source->position, sizeof source->position);
    move(at, &source->flags, sizeof source->flags);
    move(at, live->state.cell, sizeof live->state.cell);
    move(at, live->state.hidden, sizeof live->state.hidden);
    move(at, live->scorer.forecast, sizeof live->scorer.forecast);
    move(at, live->admission.held, sizeof live->admission.held);
    move(at, &source->url_bytes, sizeof source->url_bytes);
    move(at, &source->header_bytes, sizeof source->header_bytes);
}

static int is_no_stream(const el_state_file *file)
{
    return el_complain("%s: is no saved stream; give another file, or remove it", file->path);
}

static void in_hex(char *text, const char *bytes)
{
    for (int k = 0; k < 6; k++)
        sprintf(text + 2 * k, "%02x", (unsigned char)bytes[k]);
}

/* The bytes of a whole, undamaged state of this model. */
static int check(const el_state_file *file, size_t bytes)
{
    uint32_t version, size, crc;
    if (bytes < FIXED_BYTES || memcmp(contents, magic, 8) != 0)
        return is_no_stream(file);
    memcpy(&version, contents + 8, sizeof version);
    memcpy(&size, contents + SIZE_AT, sizeof size);
    memcpy(&crc, contents + bytes - sizeof crc, sizeof crc);
    if (version != VERSION)
        return el_complain("%s: stream state: it is of schema %u, this stream has %u; move this file away", file->path,
                           version, VERSION);
    if (size != bytes || crc != crc32(contents, bytes - sizeof crc))
        return el_complain("%s: is a damaged stream state; move this file away", file->path);
    if (memcmp(contents + MODEL_AT, el_facts.model, EL_DIGEST_BYTES) != 0) {
        char found[13], own[13];
        in_hex(found, contents + MODEL_AT);
        in_hex(own, (const char *)el_facts.model);
        return el_complain("%s: stream state: it is of model %s, this stream has %s; reset the stream instead; or move "
                           "this file away",
                           file->path, found, own);
    }
    return 0;
}

static ssize_t read_whole(int handle)
{
    size_t bytes = 0;
    ssize_t count;
    while (bytes < sizeof contents && (count = read(handle, contents + bytes, sizeof contents - bytes)) != 0) {
        if (count < 0 && errno != EINTR)
            return -1;
        bytes += count < 0 ? 0 : (size_t)count;
    }
    return (ssize_t)bytes;
}

int el_read_state(const el_state_file *file, el_live *live)
{
    if (file->path == NULL)
        return 0;
    const int handle = open(file->path, O_RDONLY | O_CLOEXEC);
    if (handle < 0 && errno == ENOENT)
        return 0;
    const ssize_t bytes = handle < 0 ? -1 : read_whole(handle);
    if (bytes < 0)
        return el_complain("%s: cannot be read: %s; check the path", file->path, strerror(errno));
    close(handle);
    if (bytes < FIXED_BYTES || memcmp(contents, magic, 8) != 0)
        return is_no_stream(file);
    if (check(file, (size_t)bytes) < 0)
        return EL_FAILED;
    char *at = contents + MODEL_AT + EL_DIGEST_BYTES;
    move_stream(get, &at, live, &remembered);
    if ((size_t)bytes != FIXED_BYTES + (size_t)remembered.url_bytes + remembered.header_bytes)
        return is_no_stream(file);
    live->gaps.timed = (remembered.flags & TIMED) != 0;
    live->scorer.foretold = (remembered.flags & FORETOLD) != 0;
    remembered.url = at;
    remembered.header = at + remembered.url_bytes;
    return 0;
}

int el_take_up(const el_state_file *file, el_source *source, el_line_reader *lines, el_live *live)
{
    if (file->path == NULL || remembered.url == NULL)
        return 0;
    if (!el_equal((el_span){remembered.url, remembered.url_bytes}, el_span_of(source->address.url)))
        return 0;
    /* A pipe or a connection begins anew and says its header again; a sensor or the middle of a file does not. */
    const int placed = source->kind == &el_file_source;
    if ((remembered.flags & HEADED) != 0 && source->input == EL_INPUT_TEXT && (source->kind->live || placed) &&
        el_resume_lines(lines, (el_span){remembered.header, remembered.header_bytes}) < 0)
        return EL_FAILED;
    if (placed) {
        el_resume_source(source, remembered.inode, remembered.position);
        live->position = source->position;
    }
    return 0;
}

static size_t compose(const el_live *live, const el_source *source, const el_line_reader *lines)
{
    static el_live copy;
    const uint32_t version = VERSION;
    char *at = contents;
    copy = *live;
    remembered.flags = (live->gaps.timed ? TIMED : 0) | (live->scorer.foretold ? FORETOLD : 0) |
                       (lines->header_length != 0 ? HEADED : 0);
    remembered.inode = source->file;
    remembered.position = live->position;
    remembered.url_bytes = (uint32_t)strlen(source->address.url);
    remembered.header_bytes = lines->header_length;
    put(&at, (void *)magic, 8);
    put(&at, (void *)&version, sizeof version);
    at += sizeof(uint32_t);
    put(&at, (void *)el_facts.model, EL_DIGEST_BYTES);
    move_stream(put, &at, &copy, &remembered);
    put(&at, (void *)source->address.url, remembered.url_bytes);
    put(&at, (void *)lines->header, lines->header_length);
    const uint32_t size = (uint32_t)(at - contents) + (uint32_t)sizeof(uint32_t);
    memcpy(contents + SIZE_AT, &size, sizeof size);
    uint32_t crc = crc32(contents, (size_t)(at - contents));
    put(&at, &crc, sizeof crc);
    return (size_t)(at - contents);
}

static int write_whole(int handle, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        const ssize_t count = write(handle, contents + done, bytes - done);
        if (count < 0 && errno != EINTR)
            return -1;
        done += count < 0 ? 0 : (size_t)count;
    }
    return fsync(handle);
}

static void make_folders(char *folder)
{
    for (char *slash = folder; (slash = strchr(slash + 1, '/')) != NULL;) {
        *slash = 0;
        mkdir(folder, 0777);
        *slash = '/';
    }
    mkdir(folder, 0777);
}

/* Beside its place first, then renamed into it; the folder's own record is forced to the disk, too. */
static int replace(const char *path, size_t bytes)
{
    char folder[PATH_MAX], work[PATH_MAX];
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    const int length = slash == NULL ? 0 : (int)(slash - path) + 1;
    if (snprintf(folder, sizeof folder, "%.*s", length, length == 0 ? "" : path) >= (int)sizeof folder ||
        snprintf(work, sizeof work, "%s.%s.XXXXXX", folder, name) >= (int)sizeof work) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (length > 1)
        make_folders(folder);
    const int handle = mkstemp(work);
    if (handle < 0)
        return -1;
    const mode_t mask = umask(0);
    umask(mask);
    int bad = fchmod(handle, 0666 & ~mask) < 0 || write_whole(handle, bytes) < 0;
    bad = bad || rename(work, path) < 0;
    const int error = errno;
    close(handle);
    if (bad) {
        unlink(work);
        errno = error;
        return -1;
    }
    const int place = open(length == 0 ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place >= 0) {
        fsync(place);
        close(place);
    }
    return 0;
}

int el_write_state(el_state_file *file, const el_live *live, const el_source *source, const el_line_reader *lines)
{
    if (file->path == NULL)
        return 0;
    if (replace(file->path, compose(live, source, lines)) < 0)
        return el_complain("%s: cannot be written: %s; choose another output", file->path, strerror(errno));
    file->steps = 0;
    file->written = el_clock();
    return 0;
}

int el_state_due(el_state_file *file)
{
    if (file->path == NULL)
        return 0;
    file->steps++;
    return file->every_steps != 0 ? file->steps >= file->every_steps : el_clock() - file->written >= file->every;
}
