/* Codes on standard input, one (channels) row a step; output codes and the state after each step on standard output.
 * Two streams of one model take turns, so that a hidden global would show. */
#include "model.h"

#include <stdio.h>

int main(void)
{
    static el_state streams[2];
    el_state saved;
    el_code x[EL_CHANNELS], y[EL_OUTPUTS];
    el_init(&streams[0]);
    el_init(&streams[1]);
    while (fread(x, sizeof x, 1, stdin) == 1) {
        for (int k = 0; k < 2; k++) {
            saved = streams[k];
            el_step(&streams[k], x, NULL);
            streams[k] = saved;
            el_step(&streams[k], x, y);
            fwrite(y, sizeof y, 1, stdout);
            fwrite(streams[k].cell, sizeof streams[k].cell, 1, stdout);
            fwrite(streams[k].hidden, sizeof streams[k].hidden, 1, stdout);
        }
        if ((int)x[0] % 7 == 0)
            el_reset(&streams[1]);
    }
    return 0;
}
