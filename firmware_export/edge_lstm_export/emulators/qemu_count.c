/* TCG plugin of QEMU: instructions between two addresses, one line a visit, in the plugin's log.
 *
 * Options begin=ADDRESS and end=ADDRESS: the instruction at begin is not counted, what follows it is, the one at end is
 * not. Distributions ship no header for plugins, so the part of API version 1 used here is declared by hand
 * (QEMU 7.2, include/qemu/qemu-plugin.h). No libc: QEMU's process has one, but a compiler need not know.
 */
#include <stddef.h>
#include <stdint.h>

#define EXPORTED __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { NO_REGISTERS = 0, ADD_UINT64 = 0 };

typedef void on_translation(plugin_id id, struct qemu_plugin_tb *block);
typedef void on_execution(unsigned int cpu, void *given);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, on_translation *call);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *i, on_execution *call, int flags, void *given);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *i, int operation, void *sum, uint64_t addend);
void qemu_plugin_outs(const char *text);

EXPORTED int qemu_plugin_version = 1;
EXPORTED int qemu_plugin_install(plugin_id id, const void *about, int count, char **options);

static uint64_t begin, end, executed, before;

static void at_begin(unsigned int cpu, void *given)
{
    (void)cpu, (void)given;
    before = executed + 1; /* callbacks run before the instruction is added */
}

static void at_end(unsigned int cpu, void *given)
{
    (void)cpu, (void)given;
    char line[24], *digit = line + sizeof line;
    *--digit = '\0';
    *--digit = '\n';
    uint64_t left = executed - before;
    do {
        *--digit = (char)('0' + left % 10);
        left /= 10;
    } while (left != 0);
    qemu_plugin_outs(digit);
}

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    const size_t count = qemu_plugin_tb_n_insns(block);
    for (size_t k = 0; k < count; k++) {
        struct qemu_plugin_insn *const instruction = qemu_plugin_tb_get_insn(block, k);
        const uint64_t address = qemu_plugin_insn_vaddr(instruction);
        if (address == begin)
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, at_begin, NO_REGISTERS, NULL);
        if (address == end)
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, at_end, NO_REGISTERS, NULL);
        qemu_plugin_register_vcpu_insn_exec_inline(instruction, ADD_UINT64, &executed, 1);
    }
}

/* Decimal, after the '=' of an option. */
static uint64_t number(const char *option)
{
    uint64_t value = 0;
    while (*option++ != '=') {
    }
    for (; *option != '\0'; option++)
        value = 10 * value + (uint64_t)(*option - '0');
    return value;
}

int qemu_plugin_install(plugin_id id, const void *about, int count, char **options)
{
    (void)about;
    if (count != 2)
        return 1;
    begin = number(options[0]);
    end = number(options[1]);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
