/* The flags: those of `edge-lstm stream` that this program has, with the same words. */
#ifndef EL_OPTIONS_H
#define EL_OPTIONS_H

#include "gaps.h"
#include "policy.h"
#include "say.h"
#include "state_file.h"

typedef enum { EL_DO_STREAM, EL_DO_SELF_TEST, EL_DO_DESCRIBE, EL_DO_VERSION, EL_DO_HELP } el_task;

typedef struct {
    el_task task;
    const char *from, *to;
    el_input input;
    el_say *say;
    uint8_t as_json, every_step, skip_malformed;
    uint8_t plain; /* a pipe without policies: clamping is no news to it */
    el_policy policy;
    el_gaps gaps;
    el_state_file state;
} el_options;

/* 0 or EL_FAILED. */
int el_read_options(el_options *options, int count, char **arguments);

extern const char el_help[];

#endif
