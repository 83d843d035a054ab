/* Codes on standard input, one (channels) row a step; on standard output the codes of each step and the taps after it.
 * Exit code 2: something was written behind the state, 3: behind the outputs. Compiled with EL_TAP. */
#include "model.h"

#include <stdio.h>
#include <string.h>

#define GUARD 0xa5

static struct {
    el_state state;
    unsigned char guard[64];
} stream;

static struct {
    el_code y[EL_OUTPUTS];
    unsigned char guard[64];
} out;

static int broken(const unsigned char *guard)
{
    for (int k = 0; k < 64; k++)
        if (guard[k] != GUARD)
            return 1;
    return 0;
}

int main(void)
{
    el_code x[EL_CHANNELS];
    memset(stream.guard, GUARD, sizeof stream.guard);
    memset(out.guard, GUARD, sizeof out.guard);
    el_init(&stream.state);
    while (fread(x, sizeof x, 1, stdin) == 1) {
        el_step(&stream.state, x, out.y);
        if (broken(stream.guard))
            return 2;
        if (broken(out.guard))
            return 3;
        fwrite(out.y, sizeof out.y, 1, stdout);
        fwrite(stream.state.taps, sizeof stream.state.taps, 1, stdout);
    }
    return 0;
}
