/* LSTM layers and the head with SSE2. */
#include "el_x86_sse2.h"
#include "el_x86_step.h"

const el_x86_kernels el_x86_sse2 = {EL_SSE2, el_w8a16, el_w8a8, el_head_of};
