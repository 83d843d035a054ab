/* Which of the kernels this processor runs. */
#include "el_x86.h"

/* Bits of CPUID and XCR0, Intel's manual, volume 1, sections 14.3 and 15.2. */
#define EL_OSXSAVE_AVX (1UL << 27 | 1UL << 28)                 /* leaf 1, ecx */
#define EL_AVX2_BIT (1UL << 5)                                 /* leaf 7, ebx */
#define EL_AVX512_F_BW_VL (1UL << 16 | 1UL << 30 | 1UL << 31) /* leaf 7, ebx */
#define EL_AVX512_VNNI (1UL << 11)                             /* leaf 7, ecx */
#define EL_YMM_SAVED 0x06UL                                    /* XCR0: the system keeps these registers */
#define EL_ZMM_SAVED 0xe6UL

typedef struct {
    uint32_t a, b, c, d;
} el_cpuid_leaf;

static el_cpuid_leaf el_cpuid(uint32_t leaf)
{
    el_cpuid_leaf r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "0"(leaf), "2"(0));
    return r;
}

static uint32_t el_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static int el_has(uint32_t found, uint32_t all)
{
    return (found & all) == all;
}

static const el_x86_kernels *el_x86_best(void)
{
    if (el_cpuid(0).a < 7 || !el_has(el_cpuid(1).c, EL_OSXSAVE_AVX))
        return &el_x86_sse2;
    const uint32_t saved = el_xcr0();
    const el_cpuid_leaf seven = el_cpuid(7);
    if (!el_has(saved, EL_YMM_SAVED) || !el_has(seven.b, EL_AVX2_BIT))
        return &el_x86_sse2;
    if (!el_has(saved, EL_ZMM_SAVED) || !el_has(seven.b, EL_AVX512_F_BW_VL) || !el_has(seven.c, EL_AVX512_VNNI))
        return &el_x86_avx2;
    return &el_x86_avx512;
}

/* The one variable of any kernel, written once: CPUID traps in virtual machines and takes longer there than a step.
 * Threads that meet here find and write the same value, in one piece. */
const el_x86_kernels *el_x86(void)
{
    static const el_x86_kernels *chosen;
    const el_x86_kernels *kernels = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
    if (kernels == NULL) {
        kernels = el_x86_best();
        __atomic_store_n(&chosen, kernels, __ATOMIC_RELAXED);
    }
    return kernels;
}

void el_lstm_w8a16_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    el_x86()->w8a16(layer, state, x);
}

void el_lstm_w8a8_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x)
{
    el_x86()->w8a8(layer, state, x);
}

void el_head_x86(const el_head *head, const int16_t *h, int16_t *y)
{
    el_x86()->head(head, h, y);
}
