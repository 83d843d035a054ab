/* Prints which kernels this processor is given. */
#include <stdio.h>

#include "el_x86.c"

const el_x86_kernels el_x86_sse2, el_x86_avx2, el_x86_avx512;

int main(void)
{
    puts(el_x86() == &el_x86_sse2 ? "sse2" : el_x86() == &el_x86_avx2 ? "avx2" : "avx512");
    return 0;
}
