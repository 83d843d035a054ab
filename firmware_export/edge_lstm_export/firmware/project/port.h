/* The three things a board must offer to be streamed to. */
#ifndef PORT_H
#define PORT_H

#include <stdint.h>

void port_init(void);             /* clocks, pins, 115200 baud or whatever the wire is */
uint8_t port_read(void);          /* waits for a byte */
void port_write(uint8_t byte);    /* waits for room */

#endif
