"""The int8 operators of the explicit-state step model, exactly as the runtimes compute them without delegates.

ADD and SUB are the same everywhere. FULLY_CONNECTED, LOGISTIC, TANH and MUL have two arithmetics, ``tflite``
(tflite-runtime, LiteRT) and ``tflm``; small FULLY_CONNECTED blocks have two more on Arm. Codes are int64 arrays; every
result is clamped to int8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from edge_lstm.arithmetic import gemmlowp32
from edge_lstm.arithmetic.fixed import multiply_by_quantised_multiplier, quantise_multiplier
from edge_lstm.arithmetic.fused import RULES
from edge_lstm.arithmetic.gemmlowp32 import ALL_INT8
from edge_lstm.integer import Int64, Quant, TfliteDense

_ADD_LEFT_SHIFT = 20
Operator = Callable[[Any, Quant, Any, Quant, Quant], Int64]
TfliteArithmetic = Literal["tflite", "tflm", "tflite-arm", "litert-arm"]
"""Rows of ``edge_lstm.arithmetic.fused.RULES``."""


def clamp8(x: Any) -> Int64:
    """Clamp to int8."""
    return np.asarray(np.clip(x, -128, 127), np.int64)


class FullyConnected:
    """A block, ready to be applied to (B, N) codes: int32 accumulator, then the requantisation of the fused head."""

    def __init__(self, block: TfliteDense, arithmetic: TfliteArithmetic = "tflite") -> None:
        # float64 products of int8 codes are exact: sums stay far below 2**53.
        self._weights = block.weights.astype(np.float64).T
        self._bias = block.bias - block.input.zero * block.weights.sum(axis=1, dtype=np.int64)
        rules, self._zero = RULES[arithmetic], block.output.zero
        self._requantise = rules.dense_of(*block.weights.shape)
        self._multiplier = rules.dense_multiplier(block.weight_scale, block.input, block.output)

    def __call__(self, v: Any) -> Int64:
        """(B, N) codes → (B, R)."""
        accumulator = (np.asarray(v) @ self._weights).astype(np.int64) + self._bias
        return clamp8(self._requantise(accumulator, self._multiplier) + self._zero)


def mul_of(arithmetic: TfliteArithmetic) -> Operator:
    """Product of two tensors: (codes, quantisation, codes, quantisation, quantisation of the product) → codes.

    The kernels form ``a · b / product`` of the scales, ``tflm`` in float64, all others in float32; so one product in
    many thousands is rounded to the other side.
    """
    wide = np.float64 if arithmetic == "tflm" else np.float32

    def mul(a: Any, a_quant: Quant, b: Any, b_quant: Quant, target: Quant) -> Int64:
        product = (np.asarray(a, np.int64) - a_quant.zero) * (np.asarray(b, np.int64) - b_quant.zero)
        scale = wide(a_quant.scale) * wide(b_quant.scale) / wide(target.scale)
        return clamp8(multiply_by_quantised_multiplier(product, quantise_multiplier(float(scale))) + target.zero)

    return mul


def add(a: Any, a_quant: Quant, b: Any, b_quant: Quant, target: Quant) -> Int64:
    """Sum of two tensors: both go to twice the larger scale with 20 bits below the point, the sum to the target."""
    for_a, for_b, for_sum = _add_multipliers(a_quant.scale, b_quant.scale, target.scale)
    total = _on_common_scale(a, a_quant, for_a) + _on_common_scale(b, b_quant, for_b)
    return clamp8(multiply_by_quantised_multiplier(total, for_sum) + target.zero)


def sub(a: Any, a_quant: Quant, b: Any, b_quant: Quant, target: Quant) -> Int64:
    """Difference of two tensors, on the common scale of ``add``."""
    for_a, for_b, for_sum = _add_multipliers(a_quant.scale, b_quant.scale, target.scale)
    total = _on_common_scale(a, a_quant, for_a) - _on_common_scale(b, b_quant, for_b)
    return clamp8(multiply_by_quantised_multiplier(total, for_sum) + target.zero)


def _add_multipliers(a: float, b: float, target: float) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    common = 2.0 * max(a, b)
    total = quantise_multiplier(common / ((1 << _ADD_LEFT_SHIFT) * target))
    return quantise_multiplier(a / common), quantise_multiplier(b / common), total


def _on_common_scale(x: Any, quant: Quant, multiplier: tuple[int, int]) -> Int64:
    shifted = (np.asarray(x, np.int64) - quant.zero) << _ADD_LEFT_SHIFT
    return multiply_by_quantised_multiplier(shifted, multiplier)


def sigmoid_table(source: Quant, target: Quant, arithmetic: TfliteArithmetic = "tflite") -> Int64:
    """(256,) LOGISTIC of every int8 code; index is the code plus 128."""
    if arithmetic == "tflm":
        return gemmlowp32.sigmoid_table(source, target)
    x = _dequantised(source)
    with np.errstate(over="ignore"):  # exp(-x) may be infinite, which gives 0 as it should
        return _quantised(np.float32(1.0) / (np.float32(1.0) + np.exp(-x)), target)


def tanh_table(source: Quant, target: Quant, arithmetic: TfliteArithmetic = "tflite") -> Int64:
    """(256,) TANH of every int8 code; index is the code plus 128."""
    if arithmetic == "tflm":
        return gemmlowp32.tanh_table(source, target)
    return _quantised(np.tanh(_dequantised(source)), target)


def _dequantised(quant: Quant) -> Any:
    return np.float32(quant.scale) * (ALL_INT8 - quant.zero).astype(np.float32)


def _quantised(y: Any, quant: Quant) -> Int64:
    """Round half away from zero, as C's ``round`` does, in float32 like the kernel's table builder."""
    scaled = np.asarray(y, np.float32) * (np.float32(1.0) / np.float32(quant.scale))
    rounded = np.copysign(np.floor(np.abs(scaled) + np.float32(0.5)), scaled)
    return clamp8(rounded.astype(np.int64) + quant.zero)
