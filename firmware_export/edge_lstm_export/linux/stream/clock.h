/* Microseconds since any start. */
#ifndef EL_CLOCK_H
#define EL_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t el_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

#endif
