/* One stream from its source to its predictions, with a memory that outlives the process. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "complaint.h"
#include "el_self_test.h"
#include "facts.h"
#include "frames.h"
#include "lines.h"
#include "live.h"
#include "notify.h"
#include "options.h"
#include "sink.h"
#include "source.h"
#include "state_file.h"
#include "waiting.h"

enum { ENDED = 0, SELF_TEST_FAILED = 1, FAILED = 2, SIGNALLED = 128, CLOSED = 141 };

static el_options options;
static el_counts counts;
static el_source source;
static el_sink sink;
static el_line_reader lines;
static el_frame_reader frames;
static el_live live;

static int save(void)
{
    return el_write_state(&options.state, &live, &source, &lines);
}

/* The sample in a piece, through the model, to whoever listens. */
static int take(const el_piece *piece)
{
    static el_reading reading;
    static el_prediction prediction;
    const int found = options.input == EL_INPUT_TEXT ? el_read_line(&lines, piece, &reading)
                                                     : el_read_frame(&frames, piece, &reading);
    if (found <= 0)
        return found;
    reading.position = source.position;
    const int said = el_take(&live, &reading, &prediction);
    if (said < 0)
        return said;
    const int sent = said ? el_send(&sink, options.say, &prediction) : 0;
    if (sent < 0 || !el_state_due(&options.state))
        return sent;
    const int flushed = el_flush(&sink); /* what the state has seen was said */
    return flushed < 0 ? flushed : save();
}

/* Take samples until the source ends; 0, EL_FAILED, EL_STOPPED or EL_CLOSED. */
static int run(void)
{
    el_piece piece;
    for (;;) {
        int found = el_next_piece(&source, &piece);
        if (found == 1)
            found = take(&piece);
        else if (found == EL_EMPTY) {
            found = el_flush(&sink);
            if (found == 0)
                found = el_fill_source(&source);
        } else
            return found < 0 ? found : el_flush(&sink);
        if (found < 0)
            return found;
        if (el_signal() != 0) /* it was seen while predictions left */
            return EL_STOPPED;
    }
}

static int open_all(void)
{
    live.counts = lines.counts = frames.counts = live.admission.counts = &counts;
    live.admission.policy = options.policy;
    live.gaps = options.gaps;
    live.every_step = options.every_step;
    el_init(&live.state);
    el_forget(&live.admission);
    lines.form.keep_missing = frames.keep_missing = options.policy.missing != EL_MISSING_REFUSE;
    lines.form.skip_malformed = frames.skip_malformed = options.skip_malformed;
    lines.form.timed = options.gaps.rule == EL_RESET_GAP;
    options.state.written = el_clock();
    if (el_read_state(&options.state, &live) < 0 ||
        el_open_source(&source, options.from, options.input, EL_FRAME_BYTES) < 0)
        return EL_FAILED;
    lines.form.torn = source.kind->torn;
    if (el_take_up(&options.state, &source, &lines, &live) < 0 || el_open_sink(&sink, options.to) < 0)
        return EL_FAILED;
    return el_begin_waiting();
}

/* What is said and kept at the end, whatever the end is; the exit code. */
static int finish(int ended)
{
    if (ended == EL_FAILED || ended == EL_STOPPED) {
        /* Predictions that were made before leave, too. */
        const int flushed = el_flush(&sink);
        ended = flushed == EL_CLOSED ? flushed : ended;
    }
    el_notify("STOPPING=1");
    if (save() < 0)
        ended = EL_FAILED;
    el_say_counts(&counts, options.plain, options.as_json);
    if (ended == EL_FAILED)
        el_say_complaint();
    return ended == EL_FAILED ? FAILED : ended == EL_STOPPED ? SIGNALLED + el_signal() : ended == EL_CLOSED ? CLOSED : ENDED;
}

static int stream(void)
{
    if (fcntl(STDIN_FILENO, F_GETFD) < 0 || fcntl(STDOUT_FILENO, F_GETFD) < 0)
        return el_complain("stdin or stdout is closed; samples come in by one and predictions leave by the other");
    signal(SIGPIPE, SIG_IGN);
    el_notify_open();
    return open_all();
}

static int self_test(void)
{
    static el_state state;
    if (el_self_test(&state)) {
        printf("self-test: %d steps equal\n", EL_SELF_TEST_STEPS);
        return ENDED;
    }
    fputs("edge-lstm-stream: error: self-test: this processor computes other steps than the reference; copy the program "
          "again, and do not use it here\n",
          stderr);
    return SELF_TEST_FAILED;
}

/* Standard output took everything. */
static int said(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    if (errno == EPIPE)
        return CLOSED;
    el_complain("%s; check the path, its permissions and the space there", strerror(errno));
    el_say_complaint();
    return FAILED;
}

int main(int count, char **arguments)
{
    if (el_read_options(&options, count, arguments) < 0) {
        el_say_complaint();
        return FAILED;
    }
    switch (options.task) {
    case EL_DO_SELF_TEST:
        return said(self_test());
    case EL_DO_DESCRIBE:
        puts(el_facts.description);
        return said(ENDED);
    case EL_DO_VERSION:
        printf("edge-lstm-stream %s\n", el_facts.version);
        return said(ENDED);
    case EL_DO_HELP:
        fputs(el_help, stdout);
        return said(ENDED);
    case EL_DO_STREAM:
        break;
    }
    if (stream() < 0) {
        el_say_complaint();
        return FAILED;
    }
    el_notify("READY=1");
    return finish(run());
}
