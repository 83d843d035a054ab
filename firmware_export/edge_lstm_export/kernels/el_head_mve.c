/* Rows over codes, MVE: the head, and what cells other than the LSTM are made of. Four rows at a time, so that codes are
 * loaded once for them; lanes beyond the last code or the last row do nothing, so neither h nor y is padded.
 *
 *   r0 r2 r4 r6  sums, in even registers as VMLADAVA wants      r1  stream      r3  next codes      r5  next outputs
 *   r7  rows to do      r8  codes      r12  how many */
#include "el_mve.h"

typedef char el_mve_needs_members_of_head
    [offsetof(el_head, constants) == 4 && offsetof(el_head, units) == 8 && offsetof(el_head, outputs) == 10 ? 1 : -1];

/* clang-format off */

#define ROW(sum, weights)                                                                                              \
    "vmladava.s16 " sum ", " weights ", q0\n"

__attribute__((naked, noinline)) void el_head_mve(const el_head *head __attribute__((unused)),
                                                  const int16_t *h __attribute__((unused)),
                                                  int16_t *y __attribute__((unused)))
{
    __asm__("push {r4-r8, lr}\n"
            "mov r8, r1\n"
            "mov r5, r2\n"
            "ldr r1, [r0, #4]\n" /* head->constants */
            "ldrh.w r12, [r0, #8]\n" /* head->units */
            "ldrh r7, [r0, #10]\n" /* head->outputs */
            "1:\n"
            "ldm r1!, {r0, r2, r4, r6}\n"
            "mov r3, r8\n"
            "dlstp.16 lr, r12\n"
            "2:\n"
            "vldrh.u16 q0, [r3], #16\n"
            "vldrb.s16 q1, [r1], #8\n"
            "vldrb.s16 q2, [r1], #8\n"
            ROW("r0", "q1")
            "vldrb.s16 q1, [r1], #8\n"
            ROW("r2", "q2")
            "vldrb.s16 q2, [r1], #8\n"
            ROW("r4", "q1")
            ROW("r6", "q2")
            "letp lr, 2b\n"
            "vmov d0, r0, r2\n"
            "vmov d1, r4, r6\n"
            "vldrw.u32 q1, [r1], #16\n"
            "vctp.32 r7\n"
            "vqdmulh.s32 q0, q0, q1\n"
            "vqmovnb.s32 q0, q0\n"
            "vpst\n"
            "vstrht.32 q0, [r5], #8\n"
            "subs r7, r7, #4\n"
            "bgt 1b\n"
            "pop {r4-r8, pc}\n");
}

/* clang-format on */
