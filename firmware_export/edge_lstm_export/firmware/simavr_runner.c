/* simavr as a device: memory is written and read, functions are called, cycles are counted.
 *
 * Compiled for the computer at hand and linked with libsimavr. Commands come on stdin: one byte, an address and a
 * length (uint32_t each), then the bytes where there are some; answers go to stdout. Numbers are little-endian.
 *
 *   F  write program memory             no answer
 *   W  write data memory                no answer
 *   R  read data memory                 the bytes
 *   C  call the function at an address  how it ended (uint8_t), where (uint32_t), cycles (uint64_t), `ret` included
 *
 * It begins with the last address of RAM (uint32_t) and ends when stdin does. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <simavr/sim_avr.h>
#include <simavr/sim_core.h>

enum { RETURNED, FAULTED, ENDLESS };

#define MOST_CYCLES ((avr_cycle_count_t)1 << 28) /* of one call */

static void say_nothing(avr_t *avr, const int level, const char *format, va_list arguments)
{
    (void)avr, (void)level, (void)format, (void)arguments;
}

static uint32_t take(void)
{
    unsigned char b[4] = {0};
    if (fread(b, 1, sizeof b, stdin) != sizeof b)
        return 0;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void give(uint64_t value, int bytes)
{
    for (; bytes > 0; bytes--, value >>= 8)
        putchar((int)(value & 255));
}

/* The function returns to the last word of program memory, which is never executed. */
static void call(avr_t *avr, avr_flashaddr_t function)
{
    const avr_flashaddr_t end = avr->flashend - 1;
    const avr_cycle_count_t start = avr->cycle;
    avr->data[1] = 0; /* what compiled code counts on */
    avr->state = cpu_Running;
    _avr_sp_set(avr, avr->ramend);
    _avr_push_addr(avr, end);
    avr->pc = function;
    while (avr->pc != end && avr->state == cpu_Running && avr->cycle - start < MOST_CYCLES) {
        avr->run_cycle_count = 1; /* one instruction at a time */
        avr->pc = avr_run_one(avr);
    }
    /* A program that runs away through erased memory comes to the end too, but not by `ret`. */
    const int returned = avr->pc == end && _avr_sp_get(avr) == avr->ramend;
    const int endless = avr->pc != end && avr->state == cpu_Running;
    give(returned ? RETURNED : endless ? ENDLESS : FAULTED, 1);
    give(avr->pc, 4);
    give(avr->cycle - start, 8);
}

int main(int count, char **arguments)
{
    avr_global_logger_set(say_nothing);
    avr_t *avr = count == 2 ? avr_make_mcu_by_name(arguments[1]) : NULL;
    if (avr == NULL || avr_init(avr) != 0)
        return 2;
    give(avr->ramend, 4);
    fflush(stdout);
    for (int command; (command = getchar()) != EOF; fflush(stdout)) {
        const uint32_t address = take(), length = take();
        const uint32_t size = command == 'F' ? avr->flashend + 1 : avr->ramend + 1;
        if (address > size || length > size - address)
            return 3;
        if (command == 'C')
            call(avr, address);
        else if (command == 'R')
            fwrite(avr->data + address, 1, length, stdout);
        else if (fread((command == 'F' ? avr->flash : avr->data) + address, 1, length, stdin) != length)
            return 4;
    }
    return 0;
}
