/* UART 0 of Arm's MPS2 and MPS3 FPGA boards: CMSDK APB UART, Arm DDI 0479 section 4.3. */
#include "port.h"

#ifndef PORT_UART
#define PORT_UART 0x40004000UL /* MPS2 with AN385, AN386 and AN500 */
#endif

#define DATA (*(volatile uint32_t *)(PORT_UART + 0x00))
#define STATE (*(volatile uint32_t *)(PORT_UART + 0x04))
#define CTRL (*(volatile uint32_t *)(PORT_UART + 0x08))
#define BAUDDIV (*(volatile uint32_t *)(PORT_UART + 0x10))

enum { TX_FULL = 1, RX_FULL = 2, TX_AND_RX = 3 };

void port_init(void)
{
    BAUDDIV = 25000000UL / 115200UL;
    CTRL = TX_AND_RX;
}

uint8_t port_read(void)
{
    while (!(STATE & RX_FULL)) {
    }
    return (uint8_t)DATA;
}

void port_write(uint8_t byte)
{
    while (STATE & TX_FULL) {
    }
    DATA = byte;
}
