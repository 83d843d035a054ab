/* `serial:PORT[?baud=N]`: lines of a serial port. It may be opened in the middle of one. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "complaint.h"
#include "source.h"

#define BAUD 115200

static const struct {
    long baud;
    speed_t speed;
} speeds[] = {
    {300, B300},         {600, B600},         {1200, B1200},       {2400, B2400},       {4800, B4800},
    {9600, B9600},       {19200, B19200},     {38400, B38400},     {57600, B57600},     {115200, B115200},
    {230400, B230400},   {460800, B460800},   {500000, B500000},   {576000, B576000},   {921600, B921600},
    {1000000, B1000000}, {1152000, B1152000}, {1500000, B1500000}, {2000000, B2000000}, {2500000, B2500000},
    {3000000, B3000000}, {3500000, B3500000}, {4000000, B4000000},
};

static int cannot(const el_source *source, const char *why)
{
    return el_complain("%s: cannot be opened: %s; check the name, the cable, and who else has it open",
                       source->address.url, why);
}

/* Bytes as they come, eight bits, no parity, no flow control. */
static int make_raw(const el_source *source, speed_t speed)
{
    struct termios port;
    if (tcgetattr(source->handle, &port) < 0)
        return cannot(source, strerror(errno));
    cfmakeraw(&port);
    port.c_cflag |= CLOCAL | CREAD;
    port.c_cflag &= ~(tcflag_t)(CSTOPB | CRTSCTS);
    port.c_iflag &= ~(tcflag_t)(IXOFF | IXANY);
    port.c_cc[VMIN] = 1;
    port.c_cc[VTIME] = 0;
    cfsetispeed(&port, speed);
    cfsetospeed(&port, speed);
    if (tcsetattr(source->handle, TCSANOW, &port) < 0)
        return cannot(source, strerror(errno));
    return 0;
}

static int open_serial(el_source *source)
{
    const char *path = source->address.where;
    const long baud = source->address.baud == 0 ? BAUD : (long)source->address.baud;
    size_t k = 0;
    if (*path == 0)
        return el_complain("%s: what to open is missing; write serial:PORT[?baud=115200]", source->address.url);
    if (strstr(path, "://") != NULL)
        return el_complain("%s: is a port of pyserial's own, which edge-lstm stream opens; give one such as /dev/ttyUSB0",
                           source->address.url);
    while (k < sizeof speeds / sizeof *speeds && speeds[k].baud != baud)
        k++;
    if (k == sizeof speeds / sizeof *speeds)
        return el_complain("%s: %ld baud is no speed that Linux names; give one such as 9600 or 115200",
                           source->address.url, baud);
    source->handle = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (source->handle < 0)
        return cannot(source, strerror(errno));
    if (flock(source->handle, LOCK_EX | LOCK_NB) < 0)
        return cannot(source, "another program has it open");
    if (make_raw(source, speeds[k].speed) < 0)
        return EL_FAILED;
    ioctl(source->handle, TIOCEXCL); /* a courtesy to programs that do not lock */
    tcflush(source->handle, TCIFLUSH);
    return 0;
}

static ssize_t fill_serial(el_source *source)
{
    static const char move[] = "plug it in and start again";
    const ssize_t count = el_read_bytes(source, move);
    if (count == 0)
        return el_complain("%s: the source is gone: the port hung up; %s", source->address.url, move);
    return count;
}

const el_source_kind el_serial_source = {"serial", 1, 1, EL_AT_LINE_FEEDS, open_serial, fill_serial};
