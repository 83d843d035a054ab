/* LSTM layers and the head with AVX2. */
#include "el_x86_avx2.h"
#include "el_x86_step.h"

const el_x86_kernels el_x86_avx2 = {EL_AVX2, el_w8a16, el_w8a8, el_head_of};
