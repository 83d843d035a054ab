/* What a compiler or a target may do differently, and nothing else. */
#ifndef EL_PORT_H
#define EL_PORT_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

/* AVR reads program memory by instructions of its own; what is not declared to lie there is copied to RAM. clang has no
 * such declaration. */
#if defined(__AVR__) && !defined(__clang__)
#include <avr/pgmspace.h>
#define EL_FLASH PROGMEM
#define EL_LOAD_I8(p) ((int8_t)pgm_read_byte(p))
#define EL_LOAD_U8(p) ((uint8_t)pgm_read_byte(p))
#define EL_LOAD_I16(p) ((int16_t)pgm_read_word(p))
#define EL_LOAD_U16(p) ((uint16_t)pgm_read_word(p))
#define EL_LOAD_I32(p) ((int32_t)pgm_read_dword(p))
#define EL_LOAD_F32(p) pgm_read_float(p)
#endif

/* Constants are declared EL_FLASH and read through EL_LOAD_*. */
#ifndef EL_FLASH
#define EL_FLASH
#define EL_LOAD_I8(p) (*(p))
#define EL_LOAD_U8(p) (*(p))
#define EL_LOAD_I16(p) (*(p))
#define EL_LOAD_U16(p) (*(p))
#define EL_LOAD_I32(p) (*(p))
#define EL_LOAD_F32(p) (*(p))
#endif

/* Constants that a kernel loads in words wider than their type; such kernels are for gcc and clang. */
#define EL_ALIGNED(bytes) __attribute__((aligned(bytes)))

/* The arithmetic floors with >>. C leaves >> of a negative number to the compiler; every known one is arithmetic. */
typedef char el_needs_arithmetic_shift[((int32_t)-1 >> 1) == (int32_t)-1 ? 1 : -1];

/* Input codes are computed in binary32. */
typedef char el_needs_binary32[FLT_RADIX == 2 && FLT_MANT_DIG == 24 && sizeof(float) == 4 ? 1 : -1];

/* How a compiler aligns words in a struct: to 4 bytes, but to fewer where words are narrower. */
typedef struct {
    char byte;
    int32_t word;
} el_word_behind_a_byte;

/* Where the words of a struct lie that come after `bytes` bytes of other members. */
static inline void *el_words_behind(void *memory, size_t bytes)
{
    const size_t align = offsetof(el_word_behind_a_byte, word);
    return (unsigned char *)memory + ((bytes + align - 1) & ~(align - 1));
}

/* Bare toolchains have no <string.h>. */
static inline void el_zero(void *memory, size_t bytes)
{
    unsigned char *byte = (unsigned char *)memory;
    for (; bytes != 0; bytes--)
        *byte++ = 0;
}

#endif
