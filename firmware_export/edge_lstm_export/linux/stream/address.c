#include "address.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "complaint.h"
#include "number.h"

#define CONNECT_SECONDS 10

static int known(const char *scheme, const char *const *schemes)
{
    for (; *schemes != NULL; schemes++)
        if (strcmp(scheme, *schemes) == 0)
            return 1;
    return 0;
}

/* Schemes of `edge-lstm stream` that need a library a static program has not. */
static const char *const elsewhere[] = {"mqtt", "iio", NULL};

static int unknown(const char *url, size_t length, const char *const *schemes)
{
    static char all[128];
    size_t end = 0;
    for (const char *const *s = schemes; *s != NULL; s++)
        end += (size_t)sprintf(all + end, "%s%s%s", s == schemes ? "" : ", ", *s, strcmp(*s, "-") == 0 ? "" : ":");
    char scheme[64];
    snprintf(scheme, sizeof scheme, "%.*s", (int)length, url);
    if (known(scheme, elsewhere))
        return el_complain("%s: %s: is not in this program; take edge-lstm stream for it", url, scheme);
    char quoted[512];
    snprintf(quoted, sizeof quoted, "%s", el_quoted(el_span_of(url)));
    return el_complain("%s: %s is no kind of address; choose from %s", quoted, el_quoted((el_span){url, length}), all);
}

static int read_query(el_address *address, const char *query)
{
    const int serial = strcmp(address->scheme, "serial") == 0;
    while (*query != 0) {
        const size_t length = strcspn(query, "&"), key = strcspn(query, "=&");
        const el_span name = {query, key};
        const el_span value = {query + key + 1, key < length ? length - key - 1 : 0};
        if (length != 0) {
            if (!serial || !el_equal(name, el_span_of("baud")))
                return el_complain("%s: %s is not known there; it takes %s", address->url, el_quoted(name),
                                   serial ? "baud" : "nothing");
            if (!el_number(value, '.', &address->baud) || !(address->baud > 0 && address->baud < 1e9))
                return el_complain("%s: baud is %s; give a positive number", address->url, el_quoted(value));
        }
        query += length + (query[length] != 0);
    }
    return 0;
}

int el_read_address(el_address *address, const char *url, const char *const *schemes)
{
    const char *colon = strchr(url, ':');
    const size_t length = colon == NULL ? strlen(url) : (size_t)(colon - url);
    memset(address, 0, sizeof *address);
    address->url = url;
    if (strcmp(url, "-") == 0) {
        strcpy(address->scheme, url);
        return 0;
    }
    if (colon != NULL && length < sizeof address->scheme)
        memcpy(address->scheme, url, length);
    if (!known(address->scheme, schemes))
        return unknown(url, length, schemes);
    const char *where = colon + 1;
    const size_t bytes = strcspn(where, "?");
    if (bytes >= sizeof address->where)
        return el_complain("%.64s...: is too long; %zu bytes are taken", url, sizeof address->where - 1);
    memcpy(address->where, where, bytes);
    return read_query(address, where[bytes] == '?' ? where + bytes + 1 : "");
}

static int no_host(const el_address *address)
{
    return el_complain("%s: host or port is missing; write %s://HOST:PORT", address->url, address->scheme);
}

int el_read_host(el_address *address, int any_host)
{
    const char *host = address->where + 2, *end;
    if (strncmp(address->where, "//", 2) != 0)
        return no_host(address);
    const size_t all = strcspn(host, "/");
    if (*host == '[') {
        host++;
        end = strchr(host, ']');
        if (end == NULL)
            return el_complain("%s: Invalid IPv6 URL; correct it", address->url);
    } else
        end = host + strcspn(host, ":/");
    const size_t length = (size_t)(end - host);
    if (length >= EL_HOST_BYTES || memchr(host, '@', length) != NULL)
        return no_host(address);
    memcpy(address->host, host, length);
    const char *port = end + (*end == ']');
    const size_t digits = port + 1 < address->where + 2 + all ? (size_t)(address->where + 2 + all - port - 1) : 0;
    if (*port != ':' || digits == 0 || (length == 0 && !any_host))
        return no_host(address);
    const el_span text = {port + 1, digits};
    for (size_t k = 0; k < digits; k++)
        if (port[k + 1] < '0' || port[k + 1] > '9')
            return el_complain("%s: Port could not be cast to integer value as %s; give a port from 1 to 65535",
                               address->url, el_quoted(text));
    const long value = digits > 5 ? 65536 : strtol(port + 1, NULL, 10);
    if (value > 65535)
        return el_complain("%s: Port out of range 0-65535; give a port from 1 to 65535", address->url);
    if (value == 0)
        return no_host(address);
    address->port = (uint16_t)value;
    return 0;
}

/* Why a connection is not there; 0: it is. */
static int failure_of(int handle)
{
    int error = 0;
    socklen_t bytes = sizeof error;
    struct pollfd waited = {handle, POLLOUT, 0};
    int ready;
    while ((ready = poll(&waited, 1, CONNECT_SECONDS * 1000)) < 0 && errno == EINTR)
        ;
    if (ready == 0)
        return ETIMEDOUT;
    getsockopt(handle, SOL_SOCKET, SO_ERROR, &error, &bytes);
    return error;
}

static int unreachable(const el_address *address, const char *why)
{
    return el_complain("%s: cannot be reached: %s; check host, port and network", address->url, why);
}

int el_connect(const el_address *address)
{
    struct addrinfo wanted = {0}, *found = NULL;
    char port[8];
    int error = 0;
    snprintf(port, sizeof port, "%u", address->port);
    wanted.ai_socktype = SOCK_STREAM;
    const int unnamed = getaddrinfo(address->host, port, &wanted, &found);
    if (unnamed != 0)
        return unreachable(address, gai_strerror(unnamed));
    for (const struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        const int handle = socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        error = handle < 0 ? errno : 0;
        if (handle >= 0 && connect(handle, one->ai_addr, one->ai_addrlen) < 0)
            error = errno == EINPROGRESS ? failure_of(handle) : errno;
        if (error == 0) {
            freeaddrinfo(found);
            return handle;
        }
        if (handle >= 0)
            close(handle);
    }
    freeaddrinfo(found);
    return unreachable(address, strerror(error));
}

int el_listen(const el_address *address, int kind)
{
    struct addrinfo wanted = {0}, *found = NULL;
    const int on = 1;
    char port[8];
    snprintf(port, sizeof port, "%u", address->port);
    wanted.ai_socktype = kind;
    wanted.ai_family = strchr(address->host, ':') == NULL ? AF_INET : AF_INET6;
    wanted.ai_flags = AI_PASSIVE;
    const int unnamed = getaddrinfo(address->host[0] == 0 ? NULL : address->host, port, &wanted, &found);
    if (unnamed != 0)
        return el_complain("%s: cannot listen there: %s; free the port or choose another", address->url,
                           gai_strerror(unnamed));
    const int handle = socket(found->ai_family, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int bad = handle < 0;
    if (!bad && kind == SOCK_STREAM) /* so that a restart need not wait for connections of the last run */
        setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bad = bad || bind(handle, found->ai_addr, found->ai_addrlen) < 0 || (kind == SOCK_STREAM && listen(handle, 8) < 0);
    const int error = errno;
    freeaddrinfo(found);
    if (!bad)
        return handle;
    if (handle >= 0)
        close(handle);
    return el_complain("%s: cannot listen there: %s; free the port or choose another", address->url, strerror(error));
}
