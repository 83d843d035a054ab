/* What a compiler may call without being asked: a bare program has no library to find them in. */
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);

/* volatile, or the compiler would know the loop for what it is and call the function it stands in. */
void *memcpy(void *to, const void *from, size_t bytes)
{
    volatile unsigned char *target = (volatile unsigned char *)to;
    const unsigned char *source = (const unsigned char *)from;
    for (; bytes != 0; bytes--)
        *target++ = *source++;
    return to;
}

void *memset(void *to, int byte, size_t bytes)
{
    volatile unsigned char *target = (volatile unsigned char *)to;
    for (; bytes != 0; bytes--)
        *target++ = (unsigned char)byte;
    return to;
}
