/* Kernels for x86-64: AVX-512 with VNNI, AVX2, or SSE2, whichever the processor has. Constants are packed alike for all
 * three, so one library serves every x86-64. For gcc and clang. */
#ifndef EL_X86_H
#define EL_X86_H

#include "el_native.h"

#define EL_X86_BLOCK 16 /* rows that lie side by side: the lanes of the widest vector */

/* A block of rows: z = (multiplier * (weights v + bias)) >> shift. The rounding half is in the bias.
 * |weights v + bias| stays below 2^23 for any codes v within their limits. Rows are padded with zeros to whole
 * blocks of units, columns of x and of h each to whole pairs. */
typedef struct {
    const int8_t *weights;     /* (blocks, pairs of columns, gates, 16 units, 2 columns); the head has one gate */
    const int32_t *bias;       /* (blocks, gates, 16 units) */
    const uint8_t *multiplier; /* the same; 128..255, padding 0 */
    const uint8_t *shift;      /* the same; 1..26, padding 0 */
} el_x86_rows;

enum { EL_SSE2, EL_AVX2, EL_AVX512 };

/* What a processor can do. */
typedef struct {
    int level;
    el_layer_kernel *w8a16, *w8a8;
    el_head_kernel *head;
} el_x86_kernels;

extern const el_x86_kernels el_x86_sse2, el_x86_avx2, el_x86_avx512;

/* Parts of one function, whose numbers of gates are constants there. */
#define EL_X86_INLINE EL_X86 __attribute__((always_inline)) static inline

#ifdef __cplusplus
extern "C" {
#endif

/* What this processor can do. */
const el_x86_kernels *el_x86(void);

/* layer->constants: w8a16 one el_x86_rows over x and h side by side; w8a8 one over x, one over h.
 * head->constants: one el_x86_rows, a unit being an output. */
void el_lstm_w8a16_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_lstm_w8a8_x86(const el_layer *layer, const el_layer_state *state, const int16_t *x);
void el_head_x86(const el_head *head, const int16_t *h, int16_t *y);

#ifdef __cplusplus
}
#endif

#endif
