/* `file:PATH`: a file that somebody is writing, from its beginning and on. A line is one when its end has been written.
 *
 * A file that was replaced (a log that was rotated) is read to its end, then the new one from its beginning; so is one
 * that became shorter. One that was moved away is waited for. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "complaint.h"
#include "source.h"

#define POLL_MILLISECONDS 100

/* Open it anew; the place in it is kept if it is still the same file and not shorter. */
static int open_again(el_source *source)
{
    struct stat found;
    if (source->handle >= 0)
        close(source->handle);
    source->handle = open(source->address.where, O_RDONLY | O_CLOEXEC);
    if (source->handle < 0 || fstat(source->handle, &found) < 0)
        return el_complain("%s: cannot be opened: %s; check the path", source->address.url, strerror(errno));
    if (S_ISDIR(found.st_mode))
        return el_complain("%s: cannot be opened: %s; check the path", source->address.url, strerror(EISDIR));
    if ((int64_t)found.st_ino != source->file || found.st_size < source->position)
        source->position = 0;
    source->file = (int64_t)found.st_ino;
    return 0;
}

static int open_file(el_source *source)
{
    if (source->address.where[0] == 0)
        return el_complain("%s: what to open is missing; write file:PATH", source->address.url);
    return open_again(source);
}

/* Whether there is another file now, or this one became shorter. */
static int is_over(const el_source *source)
{
    struct stat own, named;
    if (fstat(source->handle, &own) < 0)
        return 0;
    const int replaced = stat(source->address.where, &named) == 0 &&
                         (own.st_ino != named.st_ino || own.st_dev != named.st_dev);
    return replaced || own.st_size < source->position;
}

static ssize_t fill_file(el_source *source)
{
    for (;;) {
        const int over = is_over(source); /* asked first: what was written before it was replaced is read below */
        /* Bytes of a line without its end may change while they wait: they are read again. */
        const size_t held = source->end - source->begin;
        const ssize_t count = pread(source->handle, source->bytes, held + EL_LONGEST_LINE, (off_t)source->position);
        if (count < 0)
            return el_complain("%s: cannot be read any more: %s; check its disk", source->address.url, strerror(errno));
        if ((size_t)count > held) {
            source->end = 0;
            return count;
        }
        source->end = 0;
        if (over) {
            if (open_again(source) < 0)
                return EL_FAILED;
            source->position = 0;
            continue;
        }
        const int stopped = el_await(-1, POLL_MILLISECONDS);
        if (stopped < 0)
            return stopped;
    }
}

const el_source_kind el_file_source = {"file", 0, 0, EL_AT_LINE_FEEDS, open_file, fill_file};
