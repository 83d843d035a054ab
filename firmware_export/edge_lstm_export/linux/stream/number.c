#include "number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "source.h"

/* A product or a quotient of two exact numbers is rounded once: 10^22 is the largest exact power of ten, 10^15 < 2^53. */
static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define MOST_EXACT_DIGITS 15
#define LARGEST_EXACT_POWER 22
#define LARGEST_EXPONENT 1000000 /* beyond it a number is 0 or infinite whatever its digits are */

/* What stands in a number, as far as it is exact. */
typedef struct {
    uint64_t digits;
    int count;     /* of digits, without leading zeros */
    long exponent; /* of ten */
} decimal_number;

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void take_digit(decimal_number *number, char c, int behind_sign)
{
    if (number->count < MOST_EXACT_DIGITS)
        number->digits = number->digits * 10 + (uint64_t)(c - '0');
    if (number->count != 0 || c != '0')
        number->count++;
    number->exponent -= behind_sign;
}

/* Take apart [digits][.digits][e[sign]digits]; whether it is that. */
static int is_decimal(el_span text, char decimal, decimal_number *number)
{
    size_t k = 0, digits = 0;
    int behind_sign = 0;
    for (; k < text.length; k++) {
        const char c = text.at[k];
        if (is_digit(c)) {
            take_digit(number, c, behind_sign);
            digits++;
        } else if ((c == '.' || c == decimal) && !behind_sign)
            behind_sign = 1;
        else
            break;
    }
    if (digits == 0)
        return 0;
    if (k == text.length)
        return 1;
    if (text.at[k] != 'e' && text.at[k] != 'E')
        return 0;
    k++;
    const int below = k < text.length && text.at[k] == '-';
    if (k < text.length && (text.at[k] == '-' || text.at[k] == '+'))
        k++;
    if (k == text.length)
        return 0;
    long exponent = 0;
    for (; k < text.length && is_digit(text.at[k]); k++)
        if (exponent < LARGEST_EXPONENT)
            exponent = exponent * 10 + (text.at[k] - '0');
    number->exponent += below ? -exponent : exponent;
    return k == text.length;
}

static int is_word(el_span text, double *value)
{
    if (el_equal_lower(text, "inf") || el_equal_lower(text, "infinity")) {
        *value = INFINITY;
        return 1;
    }
    *value = NAN;
    return el_equal_lower(text, "nan");
}

/* The library's own rule for numbers of many digits or large exponents. */
static double rounded(el_span text, char decimal)
{
    static char copy[EL_LONGEST_LINE + 1];
    memcpy(copy, text.at, text.length);
    copy[text.length] = 0;
    char *sign = memchr(copy, decimal, text.length);
    if (sign != NULL)
        *sign = '.';
    return strtod(copy, NULL);
}

int el_number(el_span text, char decimal, double *value)
{
    const int negative = text.length != 0 && *text.at == '-';
    decimal_number number = {0, 0, 0};
    if (text.length != 0 && (*text.at == '-' || *text.at == '+')) {
        text.at++;
        text.length--;
    }
    if (is_decimal(text, decimal, &number)) {
        if (number.count <= MOST_EXACT_DIGITS && labs(number.exponent) <= LARGEST_EXACT_POWER)
            *value = number.exponent < 0 ? (double)number.digits / powers[-number.exponent]
                                         : (double)number.digits * powers[number.exponent];
        else
            *value = rounded(text, decimal);
    } else if (!is_word(text, value))
        return 0;
    if (negative)
        *value = -*value;
    return 1;
}
