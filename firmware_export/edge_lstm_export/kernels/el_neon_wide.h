/* Sums of eight units by four gates over int16 codes, weights int16: a code is a lane that meets 32 weights. */
#ifndef EL_NEON_WIDE_H
#define EL_NEON_WIDE_H

#include "el_neon_units.h"

/* In assembly, because compilers do without the post-increment, and know less of the half vectors of ARMv7. The next
 * weights are on their way while some are used. Operands: sums from 0 on. */
#ifdef __aarch64__

#define EL_LOAD_EVEN "ld1 {v16.8h-v19.8h}, [%[weights]], #64\n\t"
#define EL_LOAD_ODD "ld1 {v20.8h-v23.8h}, [%[weights]], #64\n\t"
#define EL_GATE(low, high, weights, lane)                                                                              \
    "smlal %" low ".4s, " weights ".4h, v15.h[" lane "]\n\t"                                                           \
    "smlal2 %" high ".4s, " weights ".8h, v15.h[" lane "]\n\t"
#define EL_EVEN(lane)                                                                                                  \
    EL_GATE("0", "1", "v16", lane) EL_GATE("2", "3", "v17", lane)                                                      \
    EL_GATE("4", "5", "v18", lane) EL_GATE("6", "7", "v19", lane)
#define EL_ODD(lane)                                                                                                   \
    EL_GATE("0", "1", "v20", lane) EL_GATE("2", "3", "v21", lane)                                                      \
    EL_GATE("4", "5", "v22", lane) EL_GATE("6", "7", "v23", lane)

#define EL_ONE "ldr h15, [%[v]], #2\n\t" EL_LOAD_EVEN EL_EVEN("0")
#define EL_TWO "ldr s15, [%[v]], #4\n\t" EL_LOAD_EVEN EL_LOAD_ODD EL_EVEN("0") EL_ODD("1")
#define EL_FOUR                                                                                                        \
    "ldr d15, [%[v]], #8\n\t" EL_LOAD_EVEN EL_LOAD_ODD                                                                 \
    EL_EVEN("0") EL_LOAD_EVEN EL_ODD("1") EL_LOAD_ODD EL_EVEN("2") EL_ODD("3")
#define EL_EIGHT                                                                                                       \
    "ldr q15, [%[v]], #16\n\t" EL_LOAD_EVEN EL_LOAD_ODD                                                                \
    EL_EVEN("0") EL_LOAD_EVEN EL_ODD("1") EL_LOAD_ODD EL_EVEN("2") EL_LOAD_EVEN EL_ODD("3")                            \
    EL_LOAD_ODD EL_EVEN("4") EL_LOAD_EVEN EL_ODD("5") EL_LOAD_ODD EL_EVEN("6") EL_ODD("7")
#define EL_CLOBBERED "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23"

#else

#define EL_LOAD                                                                                                        \
    "vld1.16 {d16-d19}, [%[weights]]!\n\t"                                                                             \
    "vld1.16 {d20-d23}, [%[weights]]!\n\t"
#define EL_GATE(low, high, first, second, code)                                                                        \
    "vmlal.s16 %q" low ", " first ", " code "\n\t"                                                                     \
    "vmlal.s16 %q" high ", " second ", " code "\n\t"
#define EL_COLUMN(code)                                                                                                \
    EL_LOAD EL_GATE("0", "1", "d16", "d17", code) EL_GATE("2", "3", "d18", "d19", code)                                \
    EL_GATE("4", "5", "d20", "d21", code) EL_GATE("6", "7", "d22", "d23", code)

#define EL_COLUMNS_4 EL_COLUMN("d6[0]") EL_COLUMN("d6[1]") EL_COLUMN("d6[2]") EL_COLUMN("d6[3]")
#define EL_ONE "vld1.16 {d6[0]}, [%[v]]!\n\t" EL_COLUMN("d6[0]")
#define EL_TWO "vld1.32 {d6[0]}, [%[v]]!\n\t" EL_COLUMN("d6[0]") EL_COLUMN("d6[1]")
#define EL_FOUR "vld1.16 {d6}, [%[v]]!\n\t" EL_COLUMNS_4
#define EL_EIGHT                                                                                                       \
    "vld1.16 {d6-d7}, [%[v]]!\n\t" EL_COLUMNS_4                                                                        \
    EL_COLUMN("d7[0]") EL_COLUMN("d7[1]") EL_COLUMN("d7[2]") EL_COLUMN("d7[3]")
#define EL_CLOBBERED "q3", "q8", "q9", "q10", "q11"

#endif

#define EL_COLUMNS(instructions)                                                                                       \
    __asm__(instructions                                                                                               \
            : "+w"(i.val[0]), "+w"(i.val[1]), "+w"(f.val[0]), "+w"(f.val[1]), "+w"(g.val[0]), "+w"(g.val[1]),          \
              "+w"(o.val[0]), "+w"(o.val[1]), [weights] "+r"(weights), [v] "+r"(v)                                     \
            :                                                                                                          \
            : EL_CLOBBERED, "memory")

/* sums (gates) += weights v; returns where the next weights are. */
EL_INLINE const int16_t *el_add_wide(el_sums *sums, const int16_t *weights, const int16_t *v, uint32_t columns)
{
    el_sums i = sums[EL_I], f = sums[EL_F], g = sums[EL_G], o = sums[EL_O];
    for (; columns >= 8; columns -= 8)
        EL_COLUMNS(EL_EIGHT);
    if (columns != 0) {
        if (columns & 4)
            EL_COLUMNS(EL_FOUR);
        if (columns & 2)
            EL_COLUMNS(EL_TWO);
        if (columns & 1)
            EL_COLUMNS(EL_ONE);
    }
    sums[EL_I] = i;
    sums[EL_F] = f;
    sums[EL_G] = g;
    sums[EL_O] = o;
    return weights;
}

/* A step of a layer of w8a16. */
EL_INLINE void el_step_wide(const el_layer *layer, const el_layer_state *state, const int16_t *x,
                            const int16_t *weights, const int32_t *bias, const int32_t *multiplier)
{
    const uint32_t columns = (uint32_t)layer->features + layer->units;
    int16_t *const codes = (int16_t *)state->work;
    el_place place = el_first_place(layer, state);
    int16x8_t z[EL_GATES];
    el_join_codes(codes, layer, state, x);
    do {
        el_sums sums[EL_GATES];
        el_load_gates(sums, bias, EL_GATES);
        weights = el_add_wide(sums, weights, codes, columns);
        el_requantise16(z, sums, multiplier, EL_GATES);
        bias += EL_GROUP_ROWS;
        multiplier += EL_GROUP_ROWS;
    } while (el_update_group(z, &place, 0));
}

#endif
