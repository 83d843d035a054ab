"""The ``native`` arithmetic: int8 weights with a scale a row, one requantisation a gate, an int32 cell.

Formats: pre-activations int16 Q3.12, gates Q0.15, cell state int32 Q8.23, hidden state Q0.hf. One step is ::

    z = sat16((m · (A v + B)) >> s)                  rows of gate g carry a factor 2, because tanh(y) = 2σ(2y) - 1
    i, f, o = σ(z)      g = tanh(z)
    c = clamp(((f·c >> 16) + (i·g >> 8)) << 1, -2**30, 2**30 - 1)
    t = tanh(sat16((c + 512) >> 10))
    h = (o·t + 2**(29 - hf)) >> (30 - hf)       saturated to int8 in w8a8

Every shift is arithmetic (floor); the rounding half of the requantisation is in B. This module and the C kernels
are the only two places where these rules are written, and they give equal bytes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from edge_lstm.integer import Int32, Int64
from edge_lstm.model import Float64

PRE_ACTIVATION_ONE = 4096
"""1.0 in Q3.12."""

CELL_FRACTION_BITS = 23
CELL_LIMIT = 1 << 30
"""The cell saturates at ±128."""

ACCUMULATOR_LIMIT = 1 << 23
"""Accumulators stay below this, so that ``m · acc`` fits 32 bits and two of them can share a 32-bit multiply."""

SHIFTS = range(9, 27)
"""Shifts every w8a16 kernel can apply: ``m << (32 - s)`` and ``m << (26 - s)`` fit 31 bits."""

NARROW_SHIFTS = range(1, 27)
"""Shifts of w8a8: at least 1, so that the sum of its two halves fits 32 bits."""

SEGMENTS, SEGMENT_BITS = 128, 9


@cache
def sigmoid_segments() -> tuple[Int32, Int32]:
    """(128,) base and (128,) slope of the σ table: ``σ = base[k] + (slope[k] * fraction >> 9)``, Q0.15.

    The segments have zero mean error rather than touching the curve at their ends: chords lie on one side of a
    sigmoid, and a recurrent network integrates that bias.
    """
    left = (np.arange(SEGMENTS) * 512 - 32768) / PRE_ACTIVATION_ONE
    right = left + 512 / PRE_ACTIVATION_ONE
    bow = _sigmoid((left + right) / 2) - (_sigmoid(left) + _sigmoid(right)) / 2
    base = np.floor(32768 * (_sigmoid(left) + bow * 2 / 3) + 1)
    slope = np.rint(32768 * (_sigmoid(right) - _sigmoid(left)))
    return base.astype(np.int32), slope.astype(np.int32)


def _sigmoid(x: Float64) -> Float64:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


@cache
def sigmoid_table() -> Int32:
    """(65536,) σ of every z, Q0.15 in 0..32756; index is the code plus 32768."""
    base, slope = sigmoid_segments()
    u = np.arange(65536)
    k, fraction = u >> SEGMENT_BITS, u & 511
    return np.asarray(base[k] + ((slope[k] * fraction) >> SEGMENT_BITS), np.int32)


@cache
def tanh_table() -> Int32:
    """(65536,) tanh of half of every z, Q0.15; callers pass twice the argument."""
    return np.asarray(2 * sigmoid_table() - 32768, np.int32)


def requantise(accumulator: Any, multiplier: Int32, shift: Int32) -> Int32:
    """(..., R) accumulators below 2**23 → (..., R) Q3.12 or output codes, not yet saturated."""
    return np.asarray((np.asarray(accumulator, np.int32) * multiplier) >> shift, np.int32)


def saturate16(x: Int32) -> Int32:
    return np.asarray(np.clip(x, -32768, 32767), np.int32)


def update_cell(f: Int32, c: Int32, i: Int32, g: Int32) -> Int32:
    """New cell state, Q8.23."""
    # f·c >> 16 without 64 bits: 15 x 14 bits above, 15 x 16 bits below, both within int32.
    kept = f * (c >> 16) + ((f * (c & 0xFFFF)) >> 16)
    doubled = (kept + ((i * g) >> 8)) << 1
    return np.asarray(np.clip(doubled, -CELL_LIMIT, CELL_LIMIT - 1), np.int32)


def squash_cell(c: Int32) -> Int32:
    """tanh of the cell state, Q0.15. ``c >> 11`` would be Q3.12; one bit less doubles it for the table."""
    return np.asarray(tanh_table()[saturate16((c + 512) >> 10) + 32768], np.int32)


def update_hidden(o: Int32, t: Int32, hidden_bits: int, narrow: bool) -> Int32:
    """New hidden state, Q0.hidden_bits; ``narrow`` saturates it to int8, where w8a16 has nothing to saturate."""
    h = (o * t + (1 << (29 - hidden_bits))) >> (30 - hidden_bits)
    return np.asarray(np.clip(h, -128, 127) if narrow else h, np.int32)


def round_multiplier_up(real: Any) -> tuple[Int64, Int64]:
    """(R,) real multipliers → the next ``m * 2**-s`` not below them, m in 128..255.

    Scales are then set to the rounded multiplier, so that the product is exact.
    """
    real = np.asarray(real, np.float64)
    shift = 7 - np.floor(np.log2(real)).astype(np.int64)
    m = np.ceil(real * 2.0**shift - 1e-9)
    over = m > 255
    shift = np.where(over, shift - 1, shift)
    m = np.where(over, np.ceil(real * 2.0**shift - 1e-9), m)
    return m.astype(np.int64), shift
