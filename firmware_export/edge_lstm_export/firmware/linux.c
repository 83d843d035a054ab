/* The calls of harness.c as a Linux program that needs no libc. Standard input says what to call, one letter each:
 * r reset, s step and then the codes of x, l the first layer alone. Standard output has y and the whole state after
 * every step, and at the end the most bytes that any call had on the stack, uint32.
 */
#include "model.h"

enum { STACK_BYTES = 1 << 16, PAINT = 0xa5 };

extern el_state board_state;
extern el_code board_x[EL_CHANNELS], board_y[EL_OUTPUTS];
void board_reset(void);
void board_step(void);
void board_layer(void);

void board_main(void);
void board_call(void (*function)(void), unsigned char *stack_top);

__attribute__((aligned(16))) static unsigned char stack[STACK_BYTES];

/* One architecture each: the numbers of system calls, how one is made, the entry of the program, and a call on a stack
 * of its own. An emulator counts from board_call_begin, not counted, to board_call_end. */
#define MARKED_CALL(instruction) ".global board_call_begin\nboard_call_begin: " instruction "\n"                       \
                                 ".global board_call_end\nboard_call_end: "

#if defined(__aarch64__)
enum { READ = 63, WRITE = 64, EXIT = 93 };

static long system_call(long number, long a, const volatile void *b, size_t c)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register const volatile void *x1 __asm__("x1") = b;
    register size_t x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}

__asm__(".text\n.global _start\n_start: bl board_main\n"
        ".global board_call\n"
        "board_call: stp x29, x30, [sp, #-16]!\n"
        "mov x29, sp\n"
        "mov sp, x1\n" MARKED_CALL("blr x0")
        "mov sp, x29\n"
        "ldp x29, x30, [sp], #16\n"
        "ret\n");

#elif defined(__arm__)
enum { READ = 3, WRITE = 4, EXIT = 1 };

static long system_call(long number, long a, const volatile void *b, size_t c)
{
    register long r7 __asm__("r7") = number;
    register long r0 __asm__("r0") = a;
    register const volatile void *r1 __asm__("r1") = b;
    register size_t r2 __asm__("r2") = c;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2) : "memory");
    return r0;
}

__asm__(".text\n.arm\n.global _start\n_start: bl board_main\n"
        ".global board_call\n"
        "board_call: push {r4, lr}\n"
        "mov r4, sp\n"
        "mov sp, r1\n" MARKED_CALL("blx r0")
        "mov sp, r4\n"
        "pop {r4, pc}\n");

#elif defined(__x86_64__)
enum { READ = 0, WRITE = 1, EXIT = 60 };

static long system_call(long number, long a, const volatile void *b, size_t c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

__asm__(".text\n.global _start\n_start: call board_main\n"
        ".global board_call\n"
        "board_call: push %rbp\n"
        "mov %rsp, %rbp\n"
        "mov %rsi, %rsp\n" MARKED_CALL("call *%rdi")
        "mov %rbp, %rsp\n"
        "pop %rbp\n"
        "ret\n");
#endif

/* Transfers everything; returns 0 where the file ends before. */
static int transfer(long number, long file, volatile void *memory, size_t bytes)
{
    volatile unsigned char *at = (volatile unsigned char *)memory;
    while (bytes != 0) {
        const long done = system_call(number, file, at, bytes);
        if (done <= 0)
            return 0;
        at += done;
        bytes -= (size_t)done;
    }
    return 1;
}

/* Compilers copy structures with it, libc or not. */
void *memcpy(void *to, const void *from, size_t bytes);

void *memcpy(void *to, const void *from, size_t bytes)
{
    for (size_t k = 0; k < bytes; k++)
        ((unsigned char *)to)[k] = ((const unsigned char *)from)[k];
    return to;
}

/* Of the linker: what runs before main; a kernel set may look there which instructions the processor has. */
typedef void constructor(void);
extern constructor *const __init_array_start[], *const __init_array_end[];

void board_main(void)
{
    for (constructor *const *run = __init_array_start; run != __init_array_end; run++)
        (*run)();
    for (size_t k = 0; k < STACK_BYTES; k++)
        stack[k] = PAINT;
    for (unsigned char call; transfer(READ, 0, &call, 1);) {
        if (call == 's')
            transfer(READ, 0, board_x, sizeof board_x);
        board_call(call == 's' ? board_step : call == 'r' ? board_reset : board_layer, stack + STACK_BYTES);
        if (call == 's') {
            transfer(WRITE, 1, board_y, sizeof board_y);
            transfer(WRITE, 1, &board_state, sizeof board_state);
        }
    }
    uint32_t used = STACK_BYTES;
    for (size_t k = 0; k < STACK_BYTES && stack[k] == PAINT; k++)
        used--;
    transfer(WRITE, 1, &used, sizeof used);
    system_call(EXIT, 0, NULL, 0);
}
