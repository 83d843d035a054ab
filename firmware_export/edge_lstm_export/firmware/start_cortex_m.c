/* What a Cortex-M runs before its program: vector table, coprocessors, variables. The program defines board_main and
 * board_fault; the linker script cortex_m.ld defines where things lie. */
#include <stdint.h>

extern uint32_t board_ram_end[], board_data_from[], board_data[], board_data_end[], board_bss[], board_bss_end[];

void board_start(void);
void board_start_in_c(void);
void board_on_fault(void);
void board_main(void);
void board_fault(const uint32_t *frame);

typedef void (*board_vector)(void);

__attribute__((used, section(".vectors"))) const board_vector board_vectors[16] = {
    (board_vector)(uintptr_t)board_ram_end, board_start,
    board_on_fault, board_on_fault, board_on_fault, board_on_fault, board_on_fault, board_on_fault,
    0, 0, 0, board_on_fault, board_on_fault, 0, board_on_fault, board_on_fault,
};

/* FPU and MVE are off after reset: CP10 and CP11 of CPACR turn both on. Before any C, where a compiler may use them. */
__attribute__((naked)) void board_start(void)
{
    __asm__ volatile(
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
        "ldr r0, =0xe000ed88\n"
        "ldr r1, [r0]\n"
        "orr r1, r1, #0x00f00000\n"
        "str r1, [r0]\n"
        "dsb\n"
        "isb\n"
#endif
        "ldr r0, =board_start_in_c\n"
        "bx r0\n");
}

/* Called by assembly alone: link-time optimisation would not see it used. */
__attribute__((used)) void board_start_in_c(void)
{
    const uint32_t *from = board_data_from;
    for (uint32_t *to = board_data; to != board_data_end; to++)
        *to = *from++;
    for (uint32_t *to = board_bss; to != board_bss_end; to++)
        *to = 0;
    board_main();
    for (;;) {
    }
}

/* The frame: r0-r3, r12, lr, then the address of what faulted. */
__attribute__((naked)) void board_on_fault(void)
{
    __asm__ volatile("mov r0, sp\n"
                     "ldr r1, =board_fault\n"
                     "bx r1\n");
}
