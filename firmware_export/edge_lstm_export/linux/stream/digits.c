#include "digits.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS 9
#define LEAST_NORMAL 2.2250738585072014e-308

static size_t special(char *to, double value, const char *infinite, const char *none)
{
    return (size_t)sprintf(to, "%s%s", value < 0 ? "-" : "", isnan(value) ? none : infinite);
}

size_t el_fixed(char *to, double value, int places)
{
    return isfinite(value) ? (size_t)sprintf(to, "%.*f", places, value) : special(to, value, "inf", "nan");
}

size_t el_general(char *to, double value, int digits)
{
    return isfinite(value) ? (size_t)sprintf(to, "%.*g", digits, value) : special(to, value, "inf", "nan");
}

/* repr of the double next to ±0.d1 d2 d3... · 10^point. Up to fifteen digits, no shorter text gives the same double. */
static size_t written(char *to, int negative, const char *digits, int count, int point)
{
    char *end = to;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    if (negative)
        *end++ = '-';
    if (point > 16 || point < -3) {
        *end++ = digits[0];
        if (count > 1) {
            *end++ = '.';
            memcpy(end, digits + 1, (size_t)count - 1);
            end += count - 1;
        }
        end += sprintf(end, "e%c%02d", point - 1 < 0 ? '-' : '+', abs(point - 1));
        return (size_t)(end - to);
    }
    int k = 0;
    if (point <= 0)
        *end++ = '0';
    for (; k < point; k++)
        *end++ = k < count ? digits[k] : '0';
    *end++ = '.';
    for (int zeros = point; zeros < 0; zeros++)
        *end++ = '0';
    if (k >= count)
        *end++ = '0';
    for (; k < count; k++)
        *end++ = digits[k];
    return (size_t)(end - to);
}

/* Below the normal numbers a double keeps fewer digits than nine, and the shortest text that gives it is another. */
static int precision(double value)
{
    char text[32];
    int digits = DIGITS;
    if (value == 0 || fabs(value) >= LEAST_NORMAL)
        return digits;
    sprintf(text, "%.*e", DIGITS - 1, value);
    const double kept = strtod(text, NULL);
    for (digits = 1; digits < DIGITS; digits++) {
        sprintf(text, "%.*e", digits - 1, kept);
        if (strtod(text, NULL) == kept)
            break;
    }
    return digits;
}

size_t el_nine_digits(char *to, double value)
{
    char text[32], digits[DIGITS];
    if (!isfinite(value))
        return special(to, value, "Infinity", "NaN");
    const int count = precision(value);
    sprintf(text, "%.*e", count - 1, fabs(value));
    const char *exponent = strchr(text, 'e') + 1;
    digits[0] = text[0];
    for (int k = 1; k < count; k++)
        digits[k] = text[k + 1];
    return written(to, signbit(value) != 0, digits, count, value == 0 ? 1 : atoi(exponent) + 1);
}

size_t el_six_places(char *to, double value)
{
    char text[16];
    if (isnan(value))
        return special(to, value, "Infinity", "NaN");
    /* Exact unless the product lies where its own rounding decides between two neighbours. */
    const double millionths = value * 1e6, whole = floor(millionths);
    uint32_t rounded = (uint32_t)whole + (millionths - whole > 0.5);
    if (fabs(millionths - whole - 0.5) < 1e-6) {
        sprintf(text, "%.6f", value);
        rounded = (uint32_t)(text[0] - '0') * 1000000 + (uint32_t)strtoul(text + 2, NULL, 10);
    }
    if (rounded == 0)
        return written(to, 0, "0", 1, 1);
    int count = 0, zeros = 0;
    while (rounded % 10 == 0)
        rounded /= 10, zeros++;
    char digits[8];
    for (; rounded != 0; rounded /= 10)
        digits[7 - count++] = (char)('0' + rounded % 10);
    return written(to, 0, digits + 8 - count, count, count + zeros - 6);
}
