"""Sigmoid and tanh of the ``tflite`` arithmetic, as gemmlowp's fixed-point library computes them on int16.

Both take 65,536 inputs at most, so they are tabulated once and looked up ever after. "F_n" is an int16 with n integer
bits: 1.0 is ``2**(15 - n)``. Constants are gemmlowp's int32 literals, halved to int16 with rounding.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from edge_lstm.arithmetic.fixed import (
    INT16_MAX,
    doubling_high_mul16,
    rounding_divide_by_pot,
    saturate16,
    saturating_multiply_by_pot16,
    wrap16,
)
from edge_lstm.integer import Int64

ALL_INT16 = np.arange(-32768, 32768, dtype=np.int64)

# Literals of gemmlowp on int32; this module halves them.
EXP_OF_POWERS = (
    (-2, 1672461947),
    (-1, 1302514674),
    (0, 790015084),
    (1, 290630308),
    (2, 39332535),
    (3, 720401),
    (4, 242),
)
"""exp(-2**e) in F_0, for the barrel shifter."""

EXP_MINUS_EIGHTH, ONE_THIRD = 1895147668, 715827883
FORTY_EIGHT_17THS, MINUS_THIRTY_TWO_17THS = 1515870810, -1010580540
"""In F_2."""


def _constant(literal: int) -> Int64:
    return rounding_divide_by_pot(np.int64(literal), 16)


_EXP_MINUS_EIGHTH = _constant(EXP_MINUS_EIGHTH)
_ONE_THIRD = _constant(ONE_THIRD)
_48_OVER_17 = _constant(FORTY_EIGHT_17THS)
_MINUS_32_OVER_17 = _constant(MINUS_THIRTY_TWO_17THS)
_ONE_IN_F2 = 1 << 13


def _exp_on_quarter(a: Int64) -> Int64:
    """exp(a) for a in [-1/4, 0), F_0: a fourth-order polynomial around -1/8."""
    x = wrap16(a + (1 << 12))
    x2 = doubling_high_mul16(x, x)
    x3 = doubling_high_mul16(x2, x)
    x4 = doubling_high_mul16(x2, x2)
    x4_over_4 = saturating_multiply_by_pot16(x4, -2)
    inner = wrap16(doubling_high_mul16(wrap16(x4_over_4 + x3), _ONE_THIRD) + x2)
    polynomial = wrap16(x + saturating_multiply_by_pot16(inner, -1))
    return np.asarray(saturate16(_EXP_MINUS_EIGHTH + doubling_high_mul16(_EXP_MINUS_EIGHTH, polynomial)), np.int64)


def _exp_on_negative(a: Int64, integer_bits: int) -> Int64:
    """exp(a) for a ≤ 0 in F_integer_bits; the result is in F_0."""
    fraction_bits = 15 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    within = wrap16((a & (quarter - 1)) - quarter)
    result = _exp_on_quarter(saturating_multiply_by_pot16(within, integer_bits))
    remainder = wrap16(within - a)
    for exponent, literal in EXP_OF_POWERS:
        if integer_bits > exponent:
            scaled = doubling_high_mul16(result, _constant(literal))
            result = np.where(remainder & (1 << (fraction_bits + exponent)), scaled, result)
    if integer_bits > 5:
        result = np.where(a < -(32 << fraction_bits), 0, result)
    return np.asarray(np.where(a == 0, INT16_MAX, result), np.int64)


def _two_over_one_plus(e: Int64) -> Int64:
    """2 / (1 + e) in F_2 for e in F_0, by three Newton-Raphson steps."""
    total = e + INT16_MAX
    half = np.where(total >= 0, (total + 1) // 2, -((1 - total) // 2))
    x = wrap16(_48_OVER_17 + doubling_high_mul16(half, _MINUS_32_OVER_17))
    for _ in range(3):
        error = wrap16(_ONE_IN_F2 - doubling_high_mul16(half, x))
        x = wrap16(x + saturating_multiply_by_pot16(doubling_high_mul16(x, error), 2))
    return np.asarray(x, np.int64)


@cache
def sigmoid_table() -> Int64:
    """(65536,) σ of every int16 in F_3, as Q0.15; index is the code plus 32768."""
    v = ALL_INT16
    positive = saturating_multiply_by_pot16(_two_over_one_plus(_exp_on_negative(wrap16(-np.abs(v)), 3)), 1)
    result = np.where(v > 0, positive, wrap16(INT16_MAX - positive))
    return np.asarray(np.where(v == 0, 1 << 14, result), np.int64)


@cache
def tanh_table(integer_bits: int) -> Int64:
    """(65536,) tanh of every int16 in F_integer_bits (0..6), as Q0.15; index is the code plus 32768."""
    v = ALL_INT16
    negative = wrap16(-np.abs(v))
    # e**(2n): the same bits read with one integer bit more are twice the number.
    over = _two_over_one_plus(_exp_on_negative(negative, integer_bits + 1))
    magnitude = saturating_multiply_by_pot16(wrap16(over - _ONE_IN_F2), 2)
    result = np.where(v < 0, wrap16(-magnitude), magnitude)
    return np.asarray(np.where(v == 0, 0, result), np.int64)
