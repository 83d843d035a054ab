/* The calls of harness.c, one after the other as the file "calls" asks, through Arm semihosting (Arm IHI "Semihosting
 * for AArch32 and AArch64", sections 5 and 6).
 *
 *   calls     one letter a call: r reset, s step and then the codes of x, l the first layer alone
 *   results   after every step: y, then the whole state
 *   stack     the most bytes that any call had on the stack, uint32
 *   fault     written where the program faults: address, then why (CFSR), uint32 each
 */
#include "model.h"

enum { SYS_OPEN = 0x01, SYS_CLOSE = 0x02, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT = 0x18 };
enum { READ_BINARY = 1, WRITE_BINARY = 5 };

#define APPLICATION_EXIT 0x20026U /* ADP_Stopped_ApplicationExit */
#define CFSR ((const volatile uint32_t *)0xe000ed28U)
#define UNUSED __attribute__((unused)) /* by C: assembly finds them in r0 and r1 */
#define STACK_WORDS 16384
#define PAINT 0xa5a5a5a5U

extern el_state board_state;
extern el_code board_x[EL_CHANNELS], board_y[EL_OUTPUTS];
void board_reset(void);
void board_step(void);
void board_layer(void);

void board_main(void);
void board_fault(const uint32_t *frame);
void board_call(void (*function)(void), uint32_t *stack_top);

__attribute__((aligned(8))) static uint32_t stack[STACK_WORDS];

static uint32_t host(uint32_t operation, const void *arguments)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static uint32_t open_file(const char *name, uint32_t letters, uint32_t mode)
{
    const uint32_t arguments[3] = {(uint32_t)(uintptr_t)name, mode, letters};
    return host(SYS_OPEN, arguments);
}

/* Returns the bytes that were not transferred. */
static uint32_t transfer(uint32_t operation, uint32_t file, const volatile void *memory, uint32_t bytes)
{
    const uint32_t arguments[3] = {file, (uint32_t)(uintptr_t)memory, bytes};
    return host(operation, arguments);
}

static void write_file(const char *name, uint32_t letters, const volatile void *memory, uint32_t bytes)
{
    const uint32_t file = open_file(name, letters, WRITE_BINARY);
    transfer(SYS_WRITE, file, memory, bytes);
    host(SYS_CLOSE, &file);
}

/* On a stack of its own. The plugin counts from board_call_begin, not counted, to board_call_end. */
__attribute__((naked, noinline)) void board_call(void (*function)(void) UNUSED, uint32_t *stack_top UNUSED)
{
    __asm__ volatile("push {r4, lr}\n"
                     "mov r4, sp\n"
                     "mov sp, r1\n"
                     ".global board_call_begin\n"
                     "board_call_begin: blx r0\n"
                     ".global board_call_end\n"
                     "board_call_end: mov sp, r4\n"
                     "pop {r4, pc}\n");
}

void board_main(void)
{
    const uint32_t calls = open_file("calls", 5, READ_BINARY), results = open_file("results", 7, WRITE_BINARY);
    for (uint32_t word = 0; word < STACK_WORDS; word++)
        stack[word] = PAINT;
    for (unsigned char call = 0; transfer(SYS_READ, calls, &call, 1) == 0;) {
        if (call == 's')
            transfer(SYS_READ, calls, board_x, sizeof board_x);
        board_call(call == 's' ? board_step : call == 'r' ? board_reset : board_layer, stack + STACK_WORDS);
        if (call == 's') {
            transfer(SYS_WRITE, results, board_y, sizeof board_y);
            transfer(SYS_WRITE, results, &board_state, sizeof board_state);
        }
    }
    host(SYS_CLOSE, &results);
    uint32_t used = sizeof stack;
    for (const uint32_t *word = stack; used != 0 && *word == PAINT; word++)
        used -= sizeof *word;
    write_file("stack", 5, &used, sizeof used);
    host(SYS_EXIT, (const void *)APPLICATION_EXIT);
}

void board_fault(const uint32_t *frame)
{
    const uint32_t seen[2] = {frame[6], *CFSR};
    write_file("fault", 5, seen, sizeof seen);
    host(SYS_EXIT, (const void *)APPLICATION_EXIT);
}
