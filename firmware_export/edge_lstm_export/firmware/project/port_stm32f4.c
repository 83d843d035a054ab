/* USART2 of an STM32F4 on PA2 and PA3, which a Nucleo's ST-Link shows as a serial port. Clock: the 16 MHz oscillator it
 * starts with. Registers: RM0390, sections 6.3 (RCC), 7.4 (GPIO) and 25.6 (USART). */
#include "port.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define RCC_AHB1ENR REGISTER(0x40023830UL)
#define RCC_APB1ENR REGISTER(0x40023840UL)
#define GPIOA_MODER REGISTER(0x40020000UL)
#define GPIOA_AFRL REGISTER(0x40020020UL)
#define USART2_SR REGISTER(0x40004400UL)
#define USART2_DR REGISTER(0x40004404UL)
#define USART2_BRR REGISTER(0x40004408UL)
#define USART2_CR1 REGISTER(0x4000440CUL)

enum { RXNE = 1 << 5, TXE = 1 << 7, RE = 1 << 2, TE = 1 << 3, UE = 1 << 13 };

void port_init(void)
{
    RCC_AHB1ENR |= 1U << 0;  /* GPIOA */
    RCC_APB1ENR |= 1U << 17; /* USART2 */
    (void)RCC_APB1ENR;       /* a clock runs two cycles after it was switched on: RM0390, section 6.2 */
    GPIOA_AFRL = (GPIOA_AFRL & ~0xff00UL) | 0x7700UL;
    GPIOA_MODER = (GPIOA_MODER & ~0xf0UL) | 0xa0UL;
    USART2_BRR = (16000000UL + 115200UL / 2) / 115200UL;
    USART2_CR1 = UE | TE | RE;
}

uint8_t port_read(void)
{
    while (!(USART2_SR & RXNE)) {
    }
    return (uint8_t)USART2_DR;
}

void port_write(uint8_t byte)
{
    while (!(USART2_SR & TXE)) {
    }
    USART2_DR = byte;
}
