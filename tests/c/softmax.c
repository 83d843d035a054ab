/* Output codes on standard input, their probabilities on standard output. */
#include "model.h"

#include <stdio.h>

int main(void)
{
    el_code y[EL_OUTPUTS];
    uint16_t probabilities[EL_OUTPUTS];
    while (fread(y, sizeof y, 1, stdin) == 1) {
        el_softmax(y, probabilities);
        fwrite(probabilities, sizeof probabilities, 1, stdout);
    }
    return 0;
}
