#include "options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complaint.h"
#include "facts.h"
#include "number.h"

const char el_help[] =
    "Usage: edge-lstm-stream [FLAGS]\n"
    "\n"
    "Samples in, predictions out, one a line, as `edge-lstm stream` of this model's bundle.\n"
    "\n"
    "  --from URL           -  file:PATH  serial:PORT[?baud=115200]  tcp://HOST:PORT\n"
    "                       tcp-listen://[HOST]:PORT  udp://[HOST]:PORT  [-]\n"
    "  --to URL             -  file:PATH  tcp://HOST:PORT  [-]\n"
    "  --input FORM         text: CSV; binary: float32 of every channel, little-endian, NaN: missing;\n"
    "                       framed: the same in frames with a checksum, as c/el_frame.h has them, kind 6  [text]\n"
    "  --format FORM        text, json or binary: step uint32, outputs float32  [text]\n"
    "  --json               the same as --format json\n"
    "  --every-step         predict at every step, also inside a window\n"
    "  --missing RULE       refuse, hold or skip a missing value  [hold if training held, else refuse]\n"
    "  --range RULE         clamp or refuse a value beyond the calibrated range  [clamp]\n"
    "  --range-factor X     half calibrated ranges from the middle  [1]\n"
    "  --malformed RULE     refuse or skip a line that is no sample  [refuse]\n"
    "  --reset RULE         never, 'gap > MS' by the samples' times, or 'every N' steps  [never]\n"
    "  --state FILE         keep the stream's state in this file, and go on from it\n"
    "  --state-every PACE   write it every '1000' (steps) or '60s'  [60s]\n"
    "  --self-test          compute the built-in steps and compare them\n"
    "  --describe           the model as one JSON object\n"
    "  --version, --help\n"
    "\n"
    "Exit codes: 0 the source ended, 2 an error said in one line, 1 a failed self-test, 130 and 143 SIGINT and SIGTERM.\n"
    "The kernel's buffers are the only queue. Under systemd (Type=notify) readiness and the watchdog are served.\n";

/* As they were written; NULL: not at all. */
typedef struct {
    const char *from, *to, *input, *format, *missing, *range, *range_factor, *malformed, *reset, *state, *state_every;
} words;

static const struct {
    const char *flag;
    size_t at; /* in `words` */
} valued[] = {
    {"--from", offsetof(words, from)},
    {"--to", offsetof(words, to)},
    {"--input", offsetof(words, input)},
    {"--format", offsetof(words, format)},
    {"--missing", offsetof(words, missing)},
    {"--range", offsetof(words, range)},
    {"--range-factor", offsetof(words, range_factor)},
    {"--malformed", offsetof(words, malformed)},
    {"--reset", offsetof(words, reset)},
    {"--state", offsetof(words, state)},
    {"--state-every", offsetof(words, state_every)},
};

static const struct {
    const char *flag;
    el_task task;
} tasks[] = {
    {"--self-test", EL_DO_SELF_TEST}, {"--describe", EL_DO_DESCRIBE}, {"--version", EL_DO_VERSION},
    {"--help", EL_DO_HELP},           {"-h", EL_DO_HELP},
};

/* Flags of `edge-lstm stream`, and why they are not here. */
static const struct {
    const char *flag, *why;
} refused[] = {
    {"--backend", "this program is one back end"},
    {"--arithmetic", "this program computes native alone"},
    {"--target", "this program runs here alone"},
    {"--project", "this program holds its model and reads no project"},
    {"--queue", "the kernel's buffers are the only queue here"},
    {"--when-full", "the kernel's buffers are the only queue here"},
    {"--require-signature", "a signature is checked when the bundle is opened or deployed"},
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

static int unknown(el_span flag)
{
    for (size_t k = 0; k < COUNT(refused); k++)
        if (el_equal(flag, el_span_of(refused[k].flag)))
            return el_complain("%s is not taken: %s; leave it out, or take edge-lstm stream", refused[k].flag,
                               refused[k].why);
    return el_complain("%s is not known; --help lists what is", el_quoted(flag));
}

static int read_words(el_options *options, words *said, int count, char **arguments)
{
    for (int k = 1; k < count; k++) {
        const char *argument = arguments[k], *equals = strchr(argument, '=');
        const el_span flag = {argument, equals == NULL ? strlen(argument) : (size_t)(equals - argument)};
        size_t row = 0;
        while (row < COUNT(valued) && !el_equal(flag, el_span_of(valued[row].flag)))
            row++;
        if (row < COUNT(valued)) {
            if (equals == NULL && ++k == count)
                return el_complain("%s: its value is missing; --help says what it takes", valued[row].flag);
            const char *value = equals == NULL ? arguments[k] : equals + 1;
            memcpy((char *)said + valued[row].at, &value, sizeof value);
            continue;
        }
        for (row = 0; row < COUNT(tasks) && strcmp(argument, tasks[row].flag) != 0;)
            row++;
        if (row < COUNT(tasks))
            options->task = tasks[row].task;
        else if (strcmp(argument, "--every-step") == 0)
            options->every_step = 1;
        else if (strcmp(argument, "--json") == 0)
            said->format = "json";
        else
            return unknown(flag);
    }
    return 0;
}

/* The index of a word among those that are known, which a comma and a blank separate. */
static int choose(const char *key, const char *word, const char *const *known, const char *listed)
{
    for (int k = 0; known[k] != NULL; k++)
        if (strcmp(word, known[k]) == 0)
            return k;
    return el_complain("%s %s is not known; choose from %s", key, el_quoted(el_span_of(word)), listed);
}

static const char *passed_blanks(const char *text)
{
    while (*text == ' ' || (*text >= '\t' && *text <= '\r'))
        text++;
    return text;
}

/* Digits, perhaps with a fraction; NULL if there are none. */
static const char *passed_number(const char *text, double *value, int *whole)
{
    const char *end = text + strspn(text, "0123456789");
    *whole = 1;
    if (end == text)
        return NULL;
    if (*end == '.' && end[1] >= '0' && end[1] <= '9') {
        end += 1 + strspn(end + 1, "0123456789");
        *whole = 0;
    }
    return el_number((el_span){text, (size_t)(end - text)}, '.', value) ? end : NULL;
}

static int read_gap(const char *text, double *amount)
{
    int whole;
    text = passed_blanks(passed_blanks(text) + 3);
    if (*text != '>')
        return 0;
    text = passed_number(passed_blanks(text + 1), amount, &whole);
    if (text == NULL)
        return 0;
    text = passed_blanks(text);
    return *passed_blanks(strncmp(text, "ms", 2) == 0 ? text + 2 : text) == 0;
}

static int read_every(const char *text, double *amount)
{
    int whole;
    const char *number = passed_blanks(text + 5), *end;
    if (number == text + 5 || *number == '0')
        return 0;
    end = passed_number(number, amount, &whole);
    return end != NULL && whole && *passed_blanks(end) == 0;
}

static int read_reset(el_gaps *gaps, const char *text)
{
    const char *rule = passed_blanks(text);
    memset(gaps, 0, sizeof *gaps);
    if (strncmp(rule, "never", 5) == 0 && *passed_blanks(rule + 5) == 0)
        return 0;
    if (strncmp(rule, "gap", 3) == 0 && read_gap(rule, &gaps->amount)) {
        gaps->rule = EL_RESET_GAP;
        return 0;
    }
    if (strncmp(rule, "every", 5) == 0 && read_every(rule, &gaps->amount)) {
        gaps->rule = EL_RESET_EVERY;
        return 0;
    }
    return el_complain("reset %s is not known; give 'never', 'gap > 500' (milliseconds) or 'every 1000'",
                       el_quoted(el_span_of(text)));
}

static int read_pace(el_state_file *state, const char *text)
{
    double amount;
    int whole;
    const char *end = passed_number(passed_blanks(text), &amount, &whole);
    if (end != NULL && amount > 0) {
        const char *unit = passed_blanks(end);
        if (*unit == 's' && *passed_blanks(unit + 1) == 0) {
            state->every = (int64_t)(amount < 1e12 ? amount * 1e6 : 1e18);
            return 0;
        }
        if (*unit == 0 && whole) {
            state->every_steps = amount < 1e18 ? (uint64_t)amount : (uint64_t)1e18;
            return 0;
        }
    }
    return el_complain("state-every %s is not known; give '1000' (steps) or '60s'", el_quoted(el_span_of(text)));
}

static int read_factor(const char *text, double *factor)
{
    if (!el_number(el_trimmed(el_span_of(text)), '.', factor))
        return el_complain("--range-factor: %s is not a number; give 1 or more", el_quoted(el_span_of(text)));
    if (!(*factor >= 1 && *factor < INFINITY))
        return el_complain("range_factor is %g; give 1 or more: the codes hold that much", *factor);
    return 0;
}

/* What cannot go together. */
static int check(const el_options *options)
{
    if (options->input == EL_INPUT_BINARY && strncmp(options->from, "serial:", 7) == 0)
        return el_complain("%s: --input binary needs a source that begins at a sample, a serial port may be opened in "
                           "the middle of one; send text, or frames (--input framed)",
                           options->from);
    if (options->gaps.rule != EL_RESET_GAP)
        return 0;
    if (options->input != EL_INPUT_TEXT)
        return el_complain("--reset 'gap > MS' needs times, and samples of bytes have none; choose --reset 'every N', or text");
    if (!el_facts.reads_times)
        return el_complain("the times of the training data are in the format %s, which this program does not read; take "
                           "edge-lstm stream, or --reset never",
                           el_quoted(el_span_of(el_facts.time_format)));
    return 0;
}

static const char *or_else(const char *word, const char *fallback)
{
    return word == NULL ? fallback : word;
}

static int understand(el_options *options, const words *said)
{
    static const char *const forms[] = {"text", "json", "binary", NULL}, *const inputs[] = {"text", "binary", "framed", NULL};
    static const char *const missings[] = {"refuse", "hold", "skip", NULL};
    static const char *const ranges[] = {"clamp", "refuse", NULL}, *const malformeds[] = {"refuse", "skip", NULL};
    static el_say *const says[] = {el_say_text, el_say_json, el_say_binary};
    const int form = choose("format", or_else(said->format, "text"), forms, "text, json, binary");
    const int input = form < 0 ? form : choose("input", or_else(said->input, "text"), inputs, "text, binary, framed");
    if (input < 0)
        return EL_FAILED;
    const char *missing = or_else(said->missing, el_facts.holds ? "hold" : "refuse");
    const int rule = choose("missing", missing, missings, "refuse, hold, skip");
    const int range = rule < 0 ? rule : choose("range", or_else(said->range, "clamp"), ranges, "clamp, refuse");
    const int malformed =
        range < 0 ? range : choose("malformed", or_else(said->malformed, "refuse"), malformeds, "refuse, skip");
    if (malformed < 0 || read_factor(or_else(said->range_factor, "1"), &options->policy.range_factor) < 0 ||
        read_reset(&options->gaps, or_else(said->reset, "never")) < 0 ||
        read_pace(&options->state, or_else(said->state_every, "60s")) < 0)
        return EL_FAILED;
    options->say = says[form];
    options->as_json = said->format != NULL && strcmp(said->format, "json") == 0;
    options->input = (el_input)input;
    options->policy.missing = (el_missing)rule;
    options->policy.range_refused = range == 1;
    options->skip_malformed = malformed == 1;
    options->from = or_else(said->from, "-");
    options->to = or_else(said->to, "-");
    options->state.path = said->state;
    options->plain = strcmp(options->from, "-") == 0 && said->state == NULL && said->missing == NULL &&
                     said->range == NULL && said->range_factor == NULL && said->malformed == NULL && said->reset == NULL;
    return check(options);
}

int el_read_options(el_options *options, int count, char **arguments)
{
    words said = {0};
    memset(options, 0, sizeof *options);
    if (read_words(options, &said, count, arguments) < 0)
        return EL_FAILED;
    return options->task == EL_DO_STREAM ? understand(options, &said) : 0;
}
