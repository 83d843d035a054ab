/* Kernels for cores with the DSP extension: Cortex-M4, M7, M33. Whole steps in assembly, written for the shape of each
 * layer; el_dsp_asm.h says how.
 *
 * Two rows share a halfword, w0 + 256 w1, and a word holds it for two columns. SMLAD with two codes adds up
 * P = A0 + 256 A1; SXTB16 leaves w0, so a second SMLAD adds up A0; and 256 A1 = P - A0 is exact because |A1| < 2^23. */
#ifndef EL_DSP_H
#define EL_DSP_H

#include "el_native.h"

#ifndef __ARM_FEATURE_DSP
#error "the kernel set dsp is for cores with the DSP extension (Cortex-M4, M7, M33); export for this core's board"
#endif

/* Constants of a layer. Words of the stream, unit by unit and block by block (w8a16 one block, w8a8 h before x):
 *   4             biases: of i, of P of i and f, of g, of P of g and o
 *   columns       weights, columns padded to pairs, those of h before those of x: a word of i and f, a word of g and o
 *   4             multipliers of i f g o, shifted to what SMMUL takes; or as they are, and 4 shifts */
typedef struct {
    const int32_t *end;     /* of the stream */
    const int32_t *sigmoid; /* segment of z = 0 */
    int32_t round_cell;     /* 2^22: SMMULR by it is (c + 512) >> 10 */
    int32_t round_hidden;   /* half a step of h */
    const int32_t *stream;
} el_dsp_lstm;

/* Constants of a GRU. Words of the stream, two units after two units, four parts each: n n' over h and over x, then
 * z r z' r' over x and over h. Of a part:
 *   rows          biases: of n, of P of n and n'; of z, of P of z and r, of z', of P of z' and r'
 *   columns       weights, columns padded to pairs: a word of n and n', or one of z and r and one of z' and r'. Those of
 *                 n lie from the last columns to the first, eight by eight, what is over first, each eight upwards
 *   rows          multipliers, shifted to what SMMUL takes
 * Rows over up to eight features are plain: a bias each, then row by row a word of two columns. */
typedef struct {
    const int32_t *sigmoid; /* segment of z = 0 */
    int32_t half;           /* 2^14, which rounds what is reset */
    int32_t to_cell;        /* 2^9 and -2^23: sigma of a candidate -> tanh, Q8.23 */
    int32_t minus_one;
    int32_t to_hidden;  /* SMMULR by it is c -> h */
    const int32_t *end; /* of the stream */
    const int32_t *stream;
} el_dsp_gru;

/* Constants of the head. Words, two rows after two rows: biases of the first and of P; weights, columns padded to
 * pairs; 2 multipliers, 2 shifts. An odd number of rows is padded by one of zeros. */

#ifdef __cplusplus
extern "C" {
#endif

/* (128): base - slope k in the low half, 32 slope in the high half, of segment k in -64..63. As slope 512 k / 512 is an
 * integer, a segment may count from z = 0: sigma = (base - slope k) + (slope z >> 9), and z needs no masking. */
extern const int32_t el_dsp_sigmoid[128];

#ifdef __cplusplus
}
#endif

/* Members as the assembly finds them. */
typedef char el_dsp_needs_members[offsetof(el_layer, constants) == 4 && offsetof(el_head, constants) == 4 &&
                                          offsetof(el_layer_state, c) == 0 && offsetof(el_layer_state, h) == 4 &&
                                          offsetof(el_layer_state, work) == 8
                                      ? 1
                                      : -1];

#endif
