/* LSTM layer in the arithmetic tflm for Cortex-M4, M7 and M33: a function for one layer, included once a layer after macros
 * for its shape and its multipliers (EL_LAYER_*).
 *
 * The stream of constants is words, unit by unit: for x, then for h, 4 biases and 4 words for every 4 columns, as
 * kernel_sets/tflm_dsp.py packs them. Two rows of weights share a halfword, low + 256 high, and a word holds two columns:
 *
 *     both += word . codes            (SMLAD)         = low + 256 high, summed over the columns
 *     low  += bytes 0 and 2 . codes   (SXTB16, SMLAD)
 *     256 high = both - low           exact modulo 2^32: the exporter keeps |high| below 2^23
 *
 * Rows i and g are low, f and o high. Codes wait in the scratch as halfwords, four columns in the order 0 2 1 3, which is
 * how SXTB16 takes bytes apart. Loads may be unaligned, as these cores allow by default.
 *
 * Registers: r0-r3 sums, then f i o g · r4-r9, r12 spoilt · r10 stream · r11 codes · lr unit - units.
 * Frame: 0 halves over x · 16 end of cells · 20 end of hidden state · 24 scratch · 28 constants. */
#include "el_asm.h"
#include "el_tflm_dsp.h"

static __attribute__((naked, noinline, used)) void EL_LAYER(step)(
    const el_tflm_lstm *layer __attribute__((unused)), const el_tflm_lstm_state *state __attribute__((unused)),
    const int8_t *x __attribute__((unused)))
{
    __asm__ volatile(
        ".syntax unified\n"
        EL_ASM(.set .Lfeatures, EL_LAYER_FEATURES)
        EL_ASM(.set .Lunits, EL_LAYER_UNITS)
        EL_ASM(.set .Lsquash, EL_LAYER_CELL_EXPONENT + 12)
        EL_ASM(.set .Ladded, EL_LAYER_CELL_EXPONENT + 30)
        EL_ASM(.set .Lhidden, EL_LAYER_HIDDEN_SHIFT)
        EL_ASM(.set .Lzero, EL_LAYER_HIDDEN_ZERO)
        EL_ASM(.set .Lxi, EL_LAYER_X_SHIFT_I)
        EL_ASM(.set .Lxf, EL_LAYER_X_SHIFT_F)
        EL_ASM(.set .Lxg, EL_LAYER_X_SHIFT_G)
        EL_ASM(.set .Lxo, EL_LAYER_X_SHIFT_O)
        EL_ASM(.set .Lhi, EL_LAYER_H_SHIFT_I)
        EL_ASM(.set .Lhf, EL_LAYER_H_SHIFT_F)
        EL_ASM(.set .Lhg, EL_LAYER_H_SHIFT_G)
        EL_ASM(.set .Lho, EL_LAYER_H_SHIFT_O));
    __asm__ volatile(
        /* Codes as halfwords to r11. */
        ".macro el_widened\n"
        "    sxtb16 r5, r4\n"
        "    sxtb16 r6, r4, ror #8\n"
        "    strd r5, r6, [r11], #8\n"
        ".endm\n"

        ".macro el_widen from, count\n"
        "    .if \\count >= 4\n"
        "    movw r12, #\\count / 4\n"
        "1:  ldr r4, [\\from], #4\n"
        "    el_widened\n"
        "    subs r12, r12, #1\n"
        "    bne 1b\n"
        "    .endif\n"
        "    .if \\count & 2\n"
        "    ldrh r4, [\\from], #2\n"
        "    .elseif \\count & 1\n"
        "    ldrb r4, [\\from]\n"
        "    .endif\n"
        "    .if (\\count & 3) == 3\n"
        "    ldrb r5, [\\from]\n"
        "    orr r4, r4, r5, lsl #16\n"
        "    .endif\n"
        "    .if \\count & 3\n"
        "    el_widened\n"
        "    .endif\n"
        ".endm\n"

        /* Four columns of four rows. */
        ".macro el_columns\n"
        "    ldm r10!, {r4-r7}\n"
        "    ldrd r8, r9, [r11], #8\n"
        "    smlad r0, r4, r8, r0\n"
        "    sxtb16 r4, r4\n"
        "    smlad r1, r4, r8, r1\n"
        "    smlad r0, r5, r9, r0\n"
        "    sxtb16 r5, r5\n"
        "    smlad r1, r5, r9, r1\n"
        "    smlad r2, r6, r8, r2\n"
        "    sxtb16 r6, r6\n"
        "    smlad r3, r6, r8, r3\n"
        "    smlad r2, r7, r9, r2\n"
        "    sxtb16 r7, r7\n"
        "    smlad r3, r7, r9, r3\n"
        ".endm\n"

        /* r0-r3 = f i o g over `count` columns, each shifted left by 1 more than its multiplier says. */
        ".macro el_sums count, i, f, g, o\n"
        "    ldm r10!, {r0-r3}\n"
        "    .rept ((\\count + 3) / 4) & 3\n"
        "    el_columns\n"
        "    .endr\n"
        "    .if \\count > 28\n"
        "    movw r12, #(\\count + 3) / 16\n"
        "1:\n"
        "    .endif\n"
        "    .if \\count > 12\n"
        "    .rept 4\n"
        "    el_columns\n"
        "    .endr\n"
        "    .endif\n"
        "    .if \\count > 28\n"
        "    subs r12, r12, #1\n"
        "    bne 1b\n"
        "    .endif\n"
        "    sub r0, r0, r1\n"
        "    sub r2, r2, r3\n"
        "    el_lift_high r0, \\f\n"
        "    el_lift_low r1, \\i\n"
        "    el_lift_high r2, \\o\n"
        "    el_lift_low r3, \\g\n"
        ".endm\n"

        ".macro el_lift_low sum, shift\n"
        "    .if \\shift > 0\n"
        "    lsl \\sum, \\sum, #\\shift + 1\n"
        "    .else\n"
        "    lsl \\sum, \\sum, #1\n"
        "    .endif\n"
        ".endm\n"

        /* It is 256 times the sum. */
        ".macro el_lift_high sum, shift\n"
        "    .if \\shift <= 0\n"
        "    asr \\sum, \\sum, #7\n"
        "    .elseif \\shift < 7\n"
        "    asr \\sum, \\sum, #7 - \\shift\n"
        "    .elseif \\shift > 7\n"
        "    lsl \\sum, \\sum, #\\shift - 7\n"
        "    .endif\n"
        ".endm\n"

        /* Ties away from zero in the shift: what is negative loses one before the half is added. */
        ".macro el_multiply sum, mantissa, shift\n"
        "    smmulr \\sum, \\sum, \\mantissa\n"
        "    .if \\shift < 0\n"
        "    add \\sum, \\sum, \\sum, asr #31\n"
        "    add \\sum, \\sum, #1 << (-\\shift - 1)\n"
        "    ssat \\sum, #16, \\sum, asr #-\\shift\n"
        "    .else\n"
        "    ssat \\sum, #16, \\sum\n"
        "    .endif\n"
        ".endm\n"

        ".macro el_halves mantissas, i, f, g, o\n"
        "    adr r12, \\mantissas\n"
        "    ldm r12, {r4-r7}\n"
        "    el_multiply r0, r5, \\f\n"
        "    el_multiply r1, r4, \\i\n"
        "    el_multiply r2, r7, \\o\n"
        "    el_multiply r3, r6, \\g\n"
        ".endm\n"

        ".macro el_add_halves sum, other\n"
        "    add \\sum, \\sum, \\other\n"
        "    ssat \\sum, #16, \\sum\n"
        ".endm\n"

        /* r8, r9 = two entries of the table and what each weighs, for 3 z in 512ths. */
        ".macro el_interpolate z\n"
        "    asr r8, \\z, #9\n"
        "    ubfx r9, \\z, #0, #9\n"
        "    mla r9, r9, r4, r5\n"
        "    ldr r8, [r7, r8, lsl #1]\n"
        ".endm\n"

        /* 3 z = 4 z - z borrows where z is negative. That carry waits for the rounding, which is one less there. */
        ".macro el_sigmoid z\n"
        "    rsbs \\z, \\z, \\z, lsl #2\n"
        "    el_interpolate \\z\n"
        "    smlad \\z, r8, r9, r6\n"
        "    adc \\z, \\z, #0\n"
        "    asr \\z, \\z, #10\n"
        ".endm\n"

        /* Of z with scale 2^(shift - 12); the table is read at 2 z. */
        ".macro el_tanh z, shift\n"
        "    rsbs \\z, \\z, \\z, lsl #2\n"
        "    .if \\shift < 0\n"
        "    add \\z, \\z, #1 << (-\\shift - 1)\n"
        "    asr \\z, \\z, #-\\shift\n"
        "    lsl \\z, \\z, #1\n"
        "    .else\n"
        "    ssat \\z, #18, \\z, lsl #\\shift + 1\n"
        "    .endif\n"
        "    el_interpolate \\z\n"
        "    smuad \\z, r8, r9\n"
        "    adc \\z, \\z, #255\n"
        "    asr \\z, \\z, #9\n"
        ".endm\n"

        /* product = gate * other + 2^(bits - 1) and 1 more, or 1 less where `other` is negative: its rounding, as the two
         * of a multiplier that is a power of two come to. */
        ".macro el_gate product, gate, other, bits\n"
        "    asr r9, \\other, #31\n"
        "    orr r9, r9, #1\n"
        "    smlabb \\product, \\gate, \\other, r9\n"
        "    add \\product, \\product, #1 << (\\bits - 1)\n"
        ".endm\n");
    __asm__ volatile(
        "    push {r4-r11, lr}\n"
        "    sub sp, sp, #36\n"
        "    ldr r12, [r0, #4]\n"
        "    str r12, [sp, #28]\n"
        "    ldr r10, [r12, #16]\n"
        "    ldm r1, {r0, r3, r11}\n"
        "    movw lr, #.Lunits\n"
        "    add r4, r0, lr, lsl #1\n"
        "    add r5, r3, lr\n"
        "    strd r4, r5, [sp, #16]\n"
        "    str r11, [sp, #24]\n"
        "    rsb lr, lr, #0\n"
        "    el_widen r2, .Lfeatures\n"
        "    el_widen r3, .Lunits\n"
        "2:  ldr r11, [sp, #24]\n"
        "    el_sums .Lfeatures, .Lxi, .Lxf, .Lxg, .Lxo\n"
        "    el_halves 7f, .Lxi, .Lxf, .Lxg, .Lxo\n"
        "    stm sp, {r0-r3}\n"
        "    el_sums .Lunits, .Lhi, .Lhf, .Lhg, .Lho\n"
        "    el_halves 8f, .Lhi, .Lhf, .Lhg, .Lho\n"
        "    ldm sp, {r4-r7}\n"
        "    el_add_halves r0, r4\n"
        "    el_add_halves r1, r5\n"
        "    el_add_halves r2, r6\n"
        "    el_add_halves r3, r7\n"
        "    ldr r12, [sp, #28]\n"
        "    ldm r12, {r4-r7}\n"
        "    el_sigmoid r1\n"
        "    el_tanh r3, 0\n"
        "    el_gate r1, r1, r3, .Ladded\n"
        "    asr r1, r1, #.Ladded\n"
        "    el_sigmoid r0\n"
        "    ldr r12, [sp, #16]\n"
        "    ldrsh r8, [r12, lr, lsl #1]\n"
        "    el_gate r0, r0, r8, 15\n"
        "    add r3, r1, r0, asr #15\n"
        "    ssat r3, #16, r3\n"
        "    strh r3, [r12, lr, lsl #1]\n"
        "    el_sigmoid r2\n"
        "    el_tanh r3, .Lsquash\n"
        "    smulbb r3, r2, r3\n"
        "    lsl r3, r3, #1\n"
        "    ldr r0, 6f\n"
        "    smmulr r3, r3, r0\n"
        "    add r3, r3, r3, asr #31\n"
        "    add r3, r3, #1 << (-.Lhidden - 1)\n"
        "    asr r3, r3, #-.Lhidden\n"
        "    .if .Lzero >= 0\n"
        "    add r3, r3, #.Lzero\n"
        "    .else\n"
        "    sub r3, r3, #-.Lzero\n"
        "    .endif\n"
        "    ssat r3, #8, r3\n"
        "    ldr r0, [sp, #20]\n"
        "    strb r3, [r0, lr]\n"
        "    adds lr, lr, #1\n"
        "    bne 2b\n"
        "    add sp, sp, #36\n"
        "    pop {r4-r11, pc}\n"
        "    .balign 4\n"
        EL_ASM(6: .word EL_LAYER_HIDDEN_MANTISSA)
        EL_ASM(7: .word EL_LAYER_X_MANTISSA_I, EL_LAYER_X_MANTISSA_F, EL_LAYER_X_MANTISSA_G, EL_LAYER_X_MANTISSA_O)
        EL_ASM(8: .word EL_LAYER_H_MANTISSA_I, EL_LAYER_H_MANTISSA_F, EL_LAYER_H_MANTISSA_G, EL_LAYER_H_MANTISSA_O)
        ".purgem el_widened\n"
        ".purgem el_widen\n"
        ".purgem el_columns\n"
        ".purgem el_sums\n"
        ".purgem el_lift_low\n"
        ".purgem el_lift_high\n"
        ".purgem el_multiply\n"
        ".purgem el_halves\n"
        ".purgem el_add_halves\n"
        ".purgem el_interpolate\n"
        ".purgem el_sigmoid\n"
        ".purgem el_tanh\n"
        ".purgem el_gate\n");
}
