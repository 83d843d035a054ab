"""The two arithmetics of the fused int8 LSTM op, side by side: what tflite-runtime and LiteRT compute, and what
TensorFlow Lite Micro and CMSIS-NN compute on the very same file.

Per gate, with x and h the raw int8 codes, both compute ::

    a = sat16(MBQM(W x + b - zx ΣW, m_x))        m_x = sW · sx · 4096
    r =       MBQM(R h     - zh ΣR, m_h)         m_h = sR · sh · 4096      (tflm saturates r too)
    v = sat16(a + r)                             Q3.12

and differ in the activations, in how the cell is rounded, and in the rounding of the dense head. MBQM is
``multiply_by_quantised_multiplier``. Hidden state and cell state start at the zero point of h and at 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edge_lstm.arithmetic import gemmlowp, interpolated
from edge_lstm.arithmetic.fixed import (
    doubling_high_mul32,
    multiply_by_quantised_multiplier,
    quantise_multiplier,
    rounding_divide_by_pot,
    saturate16,
)
from edge_lstm.integer import Int64, Quant

CELL_EXPONENTS = range(-15, -8)
"""Cell scales 2**-15 .. 2**-9 are the ones TFLite's tanh can read; outside them it silently does nothing."""

SMALL_ROWS, SMALL_COLUMNS = 4, 8

Multiplier = tuple[int, int]


def _product_in_float32(a: float, b: float) -> float:
    return float(np.float32(a) * np.float32(b))


def _product_in_double(a: float, b: float) -> float:
    return float(np.float32(a)) * float(np.float32(b))


@dataclass(frozen=True)
class FusedRules:
    """What differs between the two.

    Args:
        product: how the scales of weights and activations, float32 values, are multiplied. The two roundings differ by
            a relative 2**-25, which shows wherever an accumulator lands on a tie.
        sigmoid: () → (65536,) table over Q3.12.
        tanh: exponent of the argument's scale → (65536,) table.
        recurrent: what is done to the recurrent half of a gate before the sum.
        cell: (f, c, i, g, cell exponent) → new int16 cell.
        hidden_multiplier: quantisation of h → multiplier of ``o · tanh(c)``.
        dense: (accumulator, multiplier) → output code before the zero point.
        small_dense: the same of a block of fewer than ``SMALL_ROWS`` rows or ``SMALL_COLUMNS`` columns, if it differs.
    """

    product: Callable[[float, float], float]
    sigmoid: Callable[[], Int64]
    tanh: Callable[[int], Int64]
    recurrent: Callable[[Any], Any]
    cell: Callable[[Int64, Int64, Int64, Int64, int], Int64]
    hidden_multiplier: Callable[[Quant], Multiplier]
    dense: Callable[[Int64, Multiplier], Int64]
    small_dense: Callable[[Int64, Multiplier], Int64] | None = None

    def dense_of(self, rows: int, columns: int) -> Callable[[Int64, Multiplier], Int64]:
        """``dense`` or ``small_dense``, as a block of that shape has it."""
        small = rows < SMALL_ROWS or columns < SMALL_COLUMNS
        return self.small_dense if small and self.small_dense is not None else self.dense

    def gate_multiplier(self, weight_scale: float, activation_scale: float) -> Multiplier:
        """Accumulator of a gate → Q3.12."""
        return quantise_multiplier(self.product(weight_scale, activation_scale) * 4096.0)

    def dense_multiplier(self, weight_scale: float, source: Quant, target: Quant) -> Multiplier:
        """Accumulator of the head → output code; the division is in double."""
        return quantise_multiplier(self.product(source.scale, weight_scale) / target.scale)


def _tflite_cell(f: Int64, c: Int64, i: Int64, g: Int64, exponent: int) -> Int64:
    kept = rounding_divide_by_pot(f * c, 15)
    added = rounding_divide_by_pot(i * g, 30 + exponent)
    return np.asarray(saturate16(kept + added), np.int64)


def _tflite_hidden_multiplier(hidden: Quant) -> Multiplier:
    ratio = np.float32(np.float32(2.0**-15) / np.float32(hidden.scale))
    return quantise_multiplier(float(np.float32(ratio * np.float32(2.0**-15))))


def _tflite_dense(accumulator: Int64, multiplier: Multiplier) -> Int64:
    """Round to nearest in the product, then half up in the shift, as the optimised int8 kernel does."""
    mantissa, shift = multiplier
    high = doubling_high_mul32(accumulator << max(shift, 0), mantissa)
    right = max(-shift, 0)
    return np.asarray((high + (1 << (right - 1))) >> right if right else high, np.int64)


def _dense_rounded_once(accumulator: Int64, multiplier: Multiplier) -> Int64:
    """One rounding of the whole product, half up."""
    mantissa, shift = multiplier
    return np.asarray((accumulator * mantissa + (1 << (30 - shift))) >> (31 - shift), np.int64)


def _tflm_cell(f: Int64, c: Int64, i: Int64, g: Int64, exponent: int) -> Int64:
    # Both products go through a quantised multiplier, so f·c is rounded twice.
    kept = saturate16(multiply_by_quantised_multiplier(f * c, quantise_multiplier(2.0**-15)))
    added = saturate16(multiply_by_quantised_multiplier(i * g, quantise_multiplier(2.0 ** (-30 - exponent))))
    return np.asarray(saturate16(kept + added), np.int64)


def _tflm_hidden_multiplier(hidden: Quant) -> Multiplier:
    return quantise_multiplier(2.0**-30 / hidden.scale)


RULES = {
    "tflite": FusedRules(
        product=_product_in_float32,
        sigmoid=gemmlowp.sigmoid_table,
        tanh=lambda exponent: gemmlowp.tanh_table(15 + exponent),
        recurrent=lambda r: r,
        cell=_tflite_cell,
        hidden_multiplier=_tflite_hidden_multiplier,
        dense=_tflite_dense,
    ),
    "tflm": FusedRules(
        product=_product_in_double,
        sigmoid=interpolated.sigmoid_table,
        tanh=interpolated.tanh_table,
        recurrent=saturate16,
        cell=_tflm_cell,
        hidden_multiplier=_tflm_hidden_multiplier,
        dense=multiply_by_quantised_multiplier,
    ),
}
RULES["tflite-arm"] = replace(RULES["tflite"], small_dense=multiply_by_quantised_multiplier)
RULES["litert-arm"] = replace(RULES["tflite"], small_dense=_dense_rounded_once)

ON_ARM = {"tflite-runtime": "tflite-arm", "litert": "litert-arm"}
"""Runtime → its row on Arm, measured with tflite-runtime 2.14 and LiteRT 2.3 (``tests/test_emulated_boards.py``): for a
small block they have another kernel there, and a code in a hundred is one more or less than on x86."""
