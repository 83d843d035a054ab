/* Physical samples on standard input, their codes on standard output. */
#include "model.h"

#include <stdio.h>

int main(void)
{
    float sample[EL_CHANNELS];
    el_code x[EL_CHANNELS];
    while (fread(sample, sizeof sample, 1, stdin) == 1) {
        el_encode(sample, x);
        fwrite(x, sizeof x, 1, stdout);
    }
    return 0;
}
