/* Stands for edge-lstm-stream where a deploy is tested: it tests itself, describes itself and runs as a service, and
   holds no model. Macros: MODEL, its sha256; ARCH; FAULT, 0 for a sound one (see the cases below). */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SOUND, FAILS_SELF_TEST, FAILS_TO_START, HANGS, ENDS_SOON };

static void notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int s = socket(AF_UNIX, SOCK_DGRAM, 0);

    if (path == NULL || s < 0 || strlen(path) >= sizeof to.sun_path) return;
    strcpy(to.sun_path, path);
    if (path[0] == '@') to.sun_path[0] = 0;
    sendto(s, text, strlen(text), 0, (struct sockaddr *)&to, (socklen_t)(sizeof to.sun_family + strlen(path)));
    close(s);
}

/* What follows a flag; NULL without it. */
static const char *value(int count, char **arguments, const char *flag)
{
    for (int k = 1; k + 1 < count; k++)
        if (strcmp(arguments[k], flag) == 0) return arguments[k + 1];
    return NULL;
}

static const char *state_file;

/* On its way out a stream writes its state; here, whose it is. */
static void end(int signal)
{
    int file = open(state_file, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    (void)signal;
    if (file >= 0 && write(file, MODEL, strlen(MODEL)) < 0) _exit(1);
    _exit(143);
}

/* Whether the state is this model's, or there is none. */
static int remembers(const char *path)
{
    char text[sizeof MODEL] = MODEL;
    int file = open(path, O_RDONLY);

    if (file >= 0 && read(file, text, sizeof text - 1) == 0) strcpy(text, MODEL);
    if (file >= 0) close(file);
    if (strcmp(text, MODEL) != 0) fprintf(stderr, "%s: is another model's\n", path);
    return strcmp(text, MODEL) == 0;
}

/* Whether the file can be opened: a service may be locked out. */
static int opens(const char *path, int how)
{
    int file = open(path, how, 0644);

    if (file < 0) fprintf(stderr, "%s: %s\n", path, strerror(errno));
    else close(file);
    return file >= 0;
}

static int serve(int count, char **arguments)
{
    const char *from = value(count, arguments, "--from"), *state = value(count, arguments, "--state");

    if (from && strncmp(from, "serial:", 7) == 0 && !opens(from + 7, O_RDWR | O_NOCTTY)) return 2;
    if (state && (!opens(state, O_WRONLY | O_CREAT) || !remembers(state))) return 2;
    if (state) {
        state_file = state;
        signal(SIGTERM, end);
    }
    if (FAULT == FAILS_TO_START) {
        fputs("serial:/dev/ttyUSB9: cannot be opened\n", stderr);
        return 2;
    }
    notify("READY=1");
    for (;;) {
        usleep(500000);
        if (FAULT == ENDS_SOON) return 1;
        if (FAULT != HANGS) notify("WATCHDOG=1");
    }
}

int main(int count, char **arguments)
{
    const char *asked = count > 1 ? arguments[1] : "";

    if (strcmp(asked, "--self-test") == 0) {
        if (FAULT == FAILS_SELF_TEST) {
            fputs("self-test: step 3, output 1: 17 where 18 is expected\n", stderr);
            return 1;
        }
        puts("self-test: 40 steps equal");
        return 0;
    }
    if (strcmp(asked, "--describe") == 0) {
        printf("{\"name\": \"tag\", \"arithmetic\": \"native\", \"model\": \"%s\", \"arch\": \"%s\"}\n", MODEL, ARCH);
        return 0;
    }
    return serve(count, arguments);
}
