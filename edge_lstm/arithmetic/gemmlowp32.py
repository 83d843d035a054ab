"""Sigmoid and tanh of int8 codes in the ``tflm`` arithmetic: gemmlowp's fixed-point library on int32.

The same polynomials as ``gemmlowp`` (int16) with gemmlowp's int32 literals unreduced. "F_n" is an int32 with n integer
bits: 1.0 is ``2**(31 - n)``. TensorFlow Lite Micro reads the operator's argument as F_4, an interval of ±16.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edge_lstm.arithmetic.fixed import (
    INT32_MAX,
    doubling_high_mul32,
    multiply_by_quantised_multiplier,
    quantise_multiplier,
    rounding_divide_by_pot,
)
from edge_lstm.arithmetic.gemmlowp import (
    EXP_MINUS_EIGHTH,
    EXP_OF_POWERS,
    FORTY_EIGHT_17THS,
    MINUS_THIRTY_TWO_17THS,
    ONE_THIRD,
)
from edge_lstm.integer import Int64, Quant

ALL_INT8 = np.arange(-128, 128, dtype=np.int64)

_ARGUMENT_BITS = 4
_ONE_IN_F2 = 1 << 29
_HALF_IN_F0 = 1 << 30


def sigmoid_table(source: Quant, target: Quant) -> Int64:
    """(256,) LOGISTIC of every int8 code; index is the code plus 128."""
    return _table(_sigmoid, source, target, fraction_bits=8)


def tanh_table(source: Quant, target: Quant) -> Int64:
    """(256,) TANH of every int8 code; index is the code plus 128."""
    return _table(_tanh, source, target, fraction_bits=7)


def _table(function: Any, source: Quant, target: Quant, fraction_bits: int) -> Int64:
    multiplier = quantise_multiplier(source.scale * 2.0 ** (31 - _ARGUMENT_BITS))
    # Beyond the radius the argument would leave F_4; the kernel gives the limits of int8 there.
    radius = math.floor(((1 << _ARGUMENT_BITS) - 1) * 2.0 ** (31 - _ARGUMENT_BITS - multiplier[1]))
    centred = ALL_INT8 - source.zero
    y = function(multiply_by_quantised_multiplier(centred, multiplier))
    codes = np.clip(rounding_divide_by_pot(y, 31 - fraction_bits) + target.zero, -128, 127)
    return np.asarray(np.where(centred <= -radius, -128, np.where(centred >= radius, 127, codes)), np.int64)


def _sigmoid(a: Int64) -> Int64:
    """F_4 → F_0."""
    positive = _multiply_by_pot(_newton(_exp_on_negative(-np.abs(a), _ARGUMENT_BITS)), 1)
    return np.where(a == 0, _HALF_IN_F0, np.where(a > 0, positive, INT32_MAX - positive))


def _tanh(a: Int64) -> Int64:
    """F_4 → F_0: (1 - e) / (1 + e) with e = exp(-2|a|); reading F_4 as F_5 doubles the argument."""
    e = _exp_on_negative(-np.abs(a), _ARGUMENT_BITS + 1)
    magnitude = _multiply_by_pot(_newton(e) - _ONE_IN_F2, 2)
    return np.where(a == 0, 0, np.where(a > 0, magnitude, -magnitude))


def _exp_on_negative(a: Int64, integer_bits: int) -> Int64:
    """exp(a), a <= 0 in F_integer_bits → F_0: a polynomial for the fraction, a factor for every bit above it."""
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    fraction = (a & (quarter - 1)) - quarter
    result = _exp_on_quarter(_multiply_by_pot(fraction, integer_bits))
    remainder = fraction - a
    for exponent, factor in EXP_OF_POWERS:
        if integer_bits > exponent:
            bit = remainder & (1 << (fraction_bits + exponent))
            result = np.where(bit != 0, doubling_high_mul32(result, factor), result)
    return np.asarray(np.where(a == 0, INT32_MAX, result), np.int64)


def _exp_on_quarter(a: Int64) -> Int64:
    """exp(a) for a in [-1/4, 0), F_0: a fourth-order polynomial around -1/8."""
    x = a + (1 << 28)
    x2 = doubling_high_mul32(x, x)
    x3, x4 = doubling_high_mul32(x2, x), doubling_high_mul32(x2, x2)
    inner = doubling_high_mul32(_multiply_by_pot(x4, -2) + x3, ONE_THIRD) + x2
    return np.asarray(
        EXP_MINUS_EIGHTH + doubling_high_mul32(EXP_MINUS_EIGHTH, x + _multiply_by_pot(inner, -1)), np.int64
    )


def _newton(e: Int64) -> Int64:
    """2 / (1 + e) in F_2, e in [0, 1) F_0: three Newton-Raphson steps from 48/17 - 32/17 d."""
    half_sum = (e + INT32_MAX + 1) >> 1  # both terms are positive, so gemmlowp's rounding half sum is this
    x = FORTY_EIGHT_17THS + doubling_high_mul32(half_sum, MINUS_THIRTY_TWO_17THS)
    for _ in range(3):
        x = x + _multiply_by_pot(doubling_high_mul32(x, _ONE_IN_F2 - doubling_high_mul32(half_sum, x)), 2)
    return np.asarray(x, np.int64)


def _multiply_by_pot(x: Int64, exponent: int) -> Int64:
    """``x * 2**exponent`` on int32: rounds for a negative exponent, saturates for a positive one."""
    if exponent <= 0:
        return rounding_divide_by_pot(x, -exponent)
    return np.asarray(np.clip(x << exponent, -INT32_MAX - 1, INT32_MAX), np.int64)
