/* LSTM layers and the head with AVX-512. */
#include "el_x86_avx512.h"
#include "el_x86_step.h"

const el_x86_kernels el_x86_avx512 = {EL_AVX512, el_w8a16, el_w8a8, el_head_of};
