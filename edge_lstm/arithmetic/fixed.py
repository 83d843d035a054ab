"""Rounding and saturation of the TFLite family, exact on arrays of int64.

Names follow gemmlowp's ``fixedpoint.h``, which TFLite and CMSIS-NN share. `>>` on a NumPy integer is an
arithmetic shift; where the runtimes divide and truncate instead, the code says so.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edge_lstm.integer import Int64

INT16_MIN, INT16_MAX = -(1 << 15), (1 << 15) - 1
INT32_MAX = (1 << 31) - 1


def saturate16(x: Any) -> Any:
    """Clamp to int16."""
    return np.clip(x, INT16_MIN, INT16_MAX)


def wrap16(x: Any) -> Any:
    """Keep the low 16 bits, as an int16 register does."""
    return ((x + 0x8000) & 0xFFFF) - 0x8000


def rounding_divide_by_pot(x: Any, exponent: Any) -> Int64:
    """``x / 2**exponent``, ties away from zero (gemmlowp RoundingDivideByPOT); exponents broadcast."""
    value: Int64 = np.asarray(x, np.int64)
    mask = (np.int64(1) << np.asarray(exponent, np.int64)) - 1
    threshold = (mask >> 1) + (value < 0)
    return np.asarray((value >> exponent) + ((value & mask) > threshold), np.int64)


def _doubling_high_mul(a: Any, b: Any, bits: int) -> Int64:
    """High half of ``2ab``, rounded half up and saturated."""
    product: Int64 = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    half = 1 << (bits - 2)
    # Truncation after a signed nudge is the same as this floor for every product but one, the square of the lowest.
    high = (product + half) >> (bits - 1)
    return np.minimum(high, (1 << (bits - 1)) - 1)


def doubling_high_mul16(a: Any, b: Any) -> Int64:
    """SaturatingRoundingDoublingHighMul on int16."""
    return _doubling_high_mul(a, b, 16)


def doubling_high_mul32(a: Any, b: Any) -> Int64:
    """SaturatingRoundingDoublingHighMul on int32."""
    return _doubling_high_mul(a, b, 32)


def saturating_multiply_by_pot16(x: Any, exponent: int) -> Int64:
    """``x * 2**exponent`` on int16: rounds for a negative exponent, saturates for a positive one."""
    if exponent <= 0:
        return rounding_divide_by_pot(x, -exponent)
    x = np.asarray(x, np.int64)
    threshold = (1 << (15 - exponent)) - 1
    shifted = np.where(x > threshold, INT16_MAX, x << exponent)
    return np.asarray(np.where(x < -threshold, INT16_MIN, shifted), np.int64)


def quantise_multiplier(real: float) -> tuple[int, int]:
    """TFLite QuantizeMultiplier: ``(mantissa, shift)`` with ``real ≈ mantissa * 2**(shift - 31)``."""
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    mantissa = math.floor(fraction * (1 << 31) + 0.5)
    if mantissa == 1 << 31:
        mantissa, shift = mantissa // 2, shift + 1
    return (mantissa, shift) if shift >= -31 else (0, 0)


def multiply_by_quantised_multiplier(x: Any, multiplier: tuple[Any, Any]) -> Int64:
    """TFLite MultiplyByQuantizedMultiplier: rounds twice, in the product and in the shift; multipliers broadcast."""
    mantissa, shift = multiplier
    left, right = np.maximum(shift, 0), np.maximum(np.negative(shift), 0)
    return rounding_divide_by_pot(doubling_high_mul32(np.asarray(x, np.int64) << left, mantissa), right)
