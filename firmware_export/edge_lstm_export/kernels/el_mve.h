/* Kernels for Cortex-M55: MVE (Helium), a step in assembly for the shape of each layer. For gcc and clang. */
#ifndef EL_MVE_H
#define EL_MVE_H

#include "el_native.h"

#ifndef __ARM_FEATURE_MVE
#error "the kernel set mve is for cores with MVE (Cortex-M55); export for this core's board"
#endif

/* layer->constants: one stream of bytes, in the order in which a step reads it. Units go in blocks of eight, padded
 * with units of zeros, and within a block in the order 0 4 1 5 2 6 3 7, so that after a transposition the even lanes of
 * a vector hold units 0-3 and the odd ones 4-7. Columns are x, then h. Of each unit:
 *
 *   w8a16  bias                   (4) int32, and 128 times the weights of the split columns, see below
 *          weights, split         (groups, 4, 16) int8
 *          weights, whole         (4, 8) int8, if there is such a group
 *          multiplier << 31 - s   (4) int32
 *   w8a8   bias over x, over h    (2, 4) int32
 *          weights over x         (groups, 4, 16) int8
 *          weights over h         (groups, 4, 16) int8
 *          of x, then of h: multiplier << 31 - up - s (4) int32, where `up` serves every shift of the layer;
 *          else multiplier (4) uint8, -s (4) int8
 *
 * Split columns: a code v is 256 a + b + 128 with a and b of eight bits, and a sum over sixteen columns takes one
 * instruction for a and one for b, where sixteen bits take two and load the weights in two parts. The 128 is in the
 * bias.
 *
 * A GRU: block by block, those rows of eight units that go over x and then those over h; of either the gates z, r, n one
 * after another, four units and four units in the order above. Of four rows: bias (4) int32; weights as above, split and
 * whole for w8a16, (groups, 4, 16) for w8a8; multiplier << 31 - s (4) int32. */

#ifdef __cplusplus
extern "C" {
#endif

/* (2, 128): bases, then slopes of the segments of sigma, as el_sigmoid.h; from z = 0 up, then from z = -32768 up: a
 * segment's number is the high bits of z as they are. */
extern const uint16_t el_mve_sigmoid[256];

/* head->constants: one stream, and of each four rows, rows of zeros making the last four whole:
 *
 *          bias                   (4) int32
 *          weights                (groups, 4, 8) int8, columns padded with zeros
 *          multiplier << 31 - s   (4) int32 */
void el_head_mve(const el_head *head, const int16_t *h, int16_t *y);

#ifdef __cplusplus
}
#endif

#endif
