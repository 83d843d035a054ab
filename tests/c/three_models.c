/* Three models of three kinds in one program, each with a stream of its own, stepping in turn on the same samples. */
#include "alpha_model.h"
#include "beta_model.h"
#include "gamma_model.h"

#include <stdio.h>

int main(void)
{
    static alpha_state alpha;
    static beta_state beta;
    static gamma_state gamma;
    float sample[ALPHA_CHANNELS];
    alpha_code alpha_x[ALPHA_CHANNELS], alpha_y[ALPHA_OUTPUTS];
    beta_code beta_x[BETA_CHANNELS], beta_y[BETA_OUTPUTS];
    gamma_code gamma_x[GAMMA_CHANNELS], gamma_y[GAMMA_OUTPUTS];
    alpha_init(&alpha);
    beta_init(&beta);
    gamma_init(&gamma);
    while (fread(sample, sizeof sample, 1, stdin) == 1) {
        alpha_encode(sample, alpha_x);
        beta_encode(sample, beta_x);
        gamma_encode(sample, gamma_x);
        alpha_step(&alpha, alpha_x, alpha_y);
        beta_step(&beta, beta_x, beta_y);
        gamma_step(&gamma, gamma_x, gamma_y);
        fwrite(alpha_y, sizeof alpha_y, 1, stdout);
        fwrite(beta_y, sizeof beta_y, 1, stdout);
        fwrite(gamma_y, sizeof gamma_y, 1, stdout);
    }
    return 0;
}
