/* The segments of el_sigmoid.h, each as the line it lies on: sigmoid(z) = at_zero + ((slope * z) >> 9). The same numbers,
 * since at_zero = base - slope * (z >> 9), without the need to cut z into segment and fraction. */
#ifndef EL_SIGMOID_LINES_H
#define EL_SIGMOID_LINES_H

#include "el_port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* (128, 2): value at z = 0 and slope, Q0.15, of segment (z >> 9) + 64. */
extern const uint16_t el_sigmoid_lines[256];

#ifdef __cplusplus
}
#endif

#endif
