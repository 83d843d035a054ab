#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "complaint.h"
#include "waiting.h"

#define LAST_MICROSECONDS 1000000 /* that a receiver is given after SIGTERM */

static int open_output(el_sink *sink)
{
    sink->handle = STDOUT_FILENO;
    return 0;
}

/* Lines are added to its end, so that a restart goes on with it. */
static int open_file(el_sink *sink)
{
    sink->handle = open(sink->address.where, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (sink->handle < 0)
        return el_complain("%s: cannot be opened: %s; check the path", sink->address.url, strerror(errno));
    return 0;
}

static int open_tcp(el_sink *sink)
{
    if (el_read_host(&sink->address, 0) < 0)
        return EL_FAILED;
    sink->handle = el_connect(&sink->address);
    return sink->handle < 0 ? EL_FAILED : 0;
}

static int lost_output(const el_sink *sink)
{
    (void)sink;
    if (errno == EPIPE)
        return EL_CLOSED;
    return el_complain("%s; check the path, its permissions and the space there", strerror(errno));
}

static int lost_file(const el_sink *sink)
{
    return el_complain("%s: cannot be written: %s; check the space there", sink->address.url, strerror(errno));
}

static int lost_tcp(const el_sink *sink)
{
    return el_complain("%s: the receiver is gone: %s; start again", sink->address.url, strerror(errno));
}

static const el_sink_kind kinds[] = {
    {"-", open_output, lost_output},
    {"file", open_file, lost_file},
    {"tcp", open_tcp, lost_tcp},
};
#define KINDS (sizeof kinds / sizeof *kinds)

int el_open_sink(el_sink *sink, const char *url)
{
    const char *schemes[KINDS + 1] = {0};
    for (size_t k = 0; k < KINDS; k++)
        schemes[k] = kinds[k].scheme;
    if (el_read_address(&sink->address, url, schemes) < 0)
        return EL_FAILED;
    size_t k = 0;
    while (strcmp(kinds[k].scheme, sink->address.scheme) != 0)
        k++;
    sink->kind = kinds + k;
    sink->sent = sink->count = 0;
    return sink->kind->open(sink);
}

int el_send(el_sink *sink, el_say *say, const el_prediction *prediction)
{
    sink->count += say(sink->bytes + sink->count, prediction);
    return sink->count >= EL_BATCH ? el_flush(sink) : 0;
}

/* Wait until the receiver takes something. After a signal it is given a last while. */
static int await_receiver(el_sink *sink)
{
    const int ready = el_wait(sink->handle, POLLOUT, -1);
    if (ready != EL_STOPPED)
        return ready;
    if (sink->end == 0)
        sink->end = el_clock() + LAST_MICROSECONDS;
    struct pollfd waited = {sink->handle, POLLOUT, 0};
    const int64_t left = sink->end - el_clock();
    return left > 0 && poll(&waited, 1, (int)(left / 1000)) > 0 ? 1 : EL_STOPPED;
}

int el_flush(el_sink *sink)
{
    while (sink->sent < sink->count) {
        const int ready = await_receiver(sink);
        if (ready < 0)
            return ready;
        const size_t left = sink->count - sink->sent;
        const ssize_t count = write(sink->handle, sink->bytes + sink->sent, left < EL_BATCH ? left : EL_BATCH);
        if (count < 0 && errno != EINTR && errno != EAGAIN)
            return sink->kind->lost(sink);
        sink->sent += count < 0 ? 0 : (size_t)count;
    }
    sink->sent = sink->count = 0;
    return 0;
}
