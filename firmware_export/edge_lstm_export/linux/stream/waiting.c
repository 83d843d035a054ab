#include "waiting.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "complaint.h"

static int signals = -1; /* handle that is ready when one came */
static int came;

int el_begin_waiting(void)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    return signals < 0 ? el_complain("signals cannot be waited for: %s; start again", strerror(errno)) : 0;
}

static void take_signal(void)
{
    struct signalfd_siginfo info;
    if (came == 0 && read(signals, &info, sizeof info) == (ssize_t)sizeof info)
        came = (int)info.ssi_signo;
}

int el_wait(int handle, short events, int milliseconds)
{
    struct pollfd waited[2] = {{handle, events, 0}, {signals, POLLIN, 0}};
    if (came != 0)
        return EL_STOPPED;
    while (poll(waited, 2, milliseconds) < 0)
        if (errno != EINTR)
            return el_complain("cannot wait: %s; start again", strerror(errno));
    if (waited[1].revents != 0)
        take_signal();
    if (came != 0)
        return EL_STOPPED;
    return waited[0].revents != 0;
}

int el_signal(void)
{
    return came;
}
