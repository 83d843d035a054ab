/* `tcp://HOST:PORT` asks a sender for lines, `tcp-listen://[HOST]:PORT` waits for senders, one at a time, and
 * `udp://[HOST]:PORT` takes datagrams, each with one line or several. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "complaint.h"
#include "source.h"

static int open_tcp(el_source *source)
{
    if (el_read_host(&source->address, 0) < 0)
        return EL_FAILED;
    source->handle = el_connect(&source->address);
    return source->handle < 0 ? EL_FAILED : 0;
}

static ssize_t fill_connection(el_source *source)
{
    const ssize_t count = el_read_bytes(source, "check the sender and the network, and start again");
    if (count == 0)
        source->rest = 1;
    return count;
}

static ssize_t fill_tcp(el_source *source)
{
    const ssize_t count = fill_connection(source);
    if (count == 0)
        source->over = 1;
    return count;
}

static int open_listening(el_source *source, int kind, int *handle)
{
    if (el_read_host(&source->address, 1) < 0)
        return EL_FAILED;
    *handle = el_listen(&source->address, kind);
    return *handle < 0 ? EL_FAILED : 0;
}

static int open_tcp_listen(el_source *source)
{
    return open_listening(source, SOCK_STREAM, &source->listener);
}

static int gone(const el_source *source)
{
    return el_complain("%s: the source is gone: %s; start again", source->address.url, strerror(errno));
}

/* The next one who connects. */
static int take_client(el_source *source)
{
    while (source->handle < 0) {
        const int ready = el_await(source->listener, -1);
        if (ready < 0)
            return ready;
        source->handle = accept4(source->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (source->handle < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            return gone(source);
    }
    return 0;
}

static ssize_t fill_tcp_listen(el_source *source)
{
    const int taken = take_client(source);
    if (taken < 0)
        return taken;
    const ssize_t count = fill_connection(source);
    if (count == 0) {
        close(source->handle);
        source->handle = -1;
    }
    return count;
}

static int open_udp(el_source *source)
{
    return open_listening(source, SOCK_DGRAM, &source->handle);
}

/* An empty datagram is no end of anything. */
static ssize_t fill_udp(el_source *source)
{
    const ssize_t count = el_read_bytes(source, "start again");
    source->rest = count >= 0;
    return count;
}

const el_source_kind el_tcp_source = {"tcp", 0, 0, EL_AT_LINE_FEEDS, open_tcp, fill_tcp};
const el_source_kind el_tcp_listen_source = {"tcp-listen", 0, 0, EL_AT_LINE_FEEDS, open_tcp_listen, fill_tcp_listen};
const el_source_kind el_udp_source = {"udp", 0, 1, EL_AT_LINE_BOUNDARIES, open_udp, fill_udp};
