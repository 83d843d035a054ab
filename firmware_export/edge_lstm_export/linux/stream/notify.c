#include "notify.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"

static int handle = -1;
static struct sockaddr_un manager;
static socklen_t manager_bytes;
static int64_t every, next; /* microseconds; 0: no watchdog */

static int64_t number_in(const char *variable)
{
    const char *text = getenv(variable);
    return text == NULL ? 0 : strtoll(text, NULL, 10);
}

void el_notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    const size_t length = path == NULL ? 0 : strlen(path);
    if (length < 2 || length >= sizeof manager.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    manager.sun_family = AF_UNIX;
    memcpy(manager.sun_path, path, length);
    if (path[0] == '@') /* of the abstract names, which begin with NUL */
        manager.sun_path[0] = 0;
    manager_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    handle = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int64_t process = number_in("WATCHDOG_PID");
    if (process == 0 || process == getpid())
        every = number_in("WATCHDOG_USEC") / 2;
    next = el_clock();
}

void el_notify(const char *state)
{
    if (handle >= 0)
        sendto(handle, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&manager,
               manager_bytes);
}

void el_notify_alive(void)
{
    if (handle < 0 || every <= 0 || el_clock() < next)
        return;
    el_notify("WATCHDOG=1");
    next = el_clock() + every;
}

int el_notify_due(void)
{
    if (handle < 0 || every <= 0)
        return -1;
    const int64_t left = next - el_clock();
    return left <= 0 ? 0 : (int)(left / 1000 > 3600000 ? 3600000 : left / 1000 + 1);
}
