/* Assembly as text of C, so that a register has a name and an instruction sequence is a macro.
 *
 * EL_ASM(add acc, acc, weight) is the string "add a2, a2, t0\n" where acc and weight are macros for a2 and t0. */
#ifndef EL_ASM_H
#define EL_ASM_H

#define EL_ASM(...) EL_ASM_TEXT(__VA_ARGS__)
#define EL_ASM_TEXT(...) #__VA_ARGS__ "\n"

/* A function that is nothing but assembly, which returns by itself. Its parameters are registers, which nothing names;
 * its text is longer than the 4095 characters that every compiler of C99 must take.
 *
 * Not assembly outside of functions: link-time optimisation has to know the name and what it refers to. */
#define EL_NAKED                                                                                                       \
    _Pragma("GCC diagnostic ignored \"-Wunused-parameter\"")                                                           \
    _Pragma("GCC diagnostic ignored \"-Woverlength-strings\"")                                                         \
    __attribute__((naked))

#endif
