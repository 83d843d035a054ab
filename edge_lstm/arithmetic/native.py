"""The ``native`` arithmetic: int8 weights with a scale a row, one requantisation a gate, an int32 cell.

Formats: pre-activations int16 Q3.12, gates Q0.15, cell state int32 Q8.23, hidden state Q0.hf. One step is ::

    z = sat16((m · (A v + B)) >> s)                  rows of gate g carry a factor 2, because tanh(y) = 2σ(2y) - 1
    i, f, o = σ(z)      g = tanh(z)
    c = clamp(((f·c >> 16) + (i·g >> 8)) << 1, -2**30, 2**30 - 1)
    t = tanh(sat16((c + 512) >> 10))
    h = (o·t + 2**(29 - hf)) >> (30 - hf)       saturated to int8 in w8a8

Cells other than the LSTM take rows over x and rows over h apart, each saturated (Q(15-b).b, b ≤ 12), and keep their
hidden state in full precision in c, from which h is rounded; up(v) = sat16(v << (12 - b)). A step of each is ::

    a = sat16((m · (A x + B)) >> s)     d = sat16((m · (D h + E)) >> s)       h = (c + 2**(22 - hf)) >> (23 - hf)

    rnn       n = tanh(up(2(a + d)))                                          c = n << 8
    rnn-relu  c = clamp(max(a + d, 0) << (23 - b), ±2**(23 + reach))
    gru       z, r = σ(up(a + d))       n = tanh(up(2(a + (r·d + 2**14 >> 15))))
    gru-before                          n = tanh(up(2(a + d')))               d' = rows over (r·h + 2**14) >> 15
    both      c = (n << 8) + ((z·(c - (n << 8)) >> 16) << 1)
    fastgrnn  z = σ(up(a + d))          n = tanh(up(2(a + d + e)))            w = ν + (ζ·(2**15 - z) >> 15)
              c = clamp(((z·c >> 16) << 1) + (w·n >> 7), ±2**(23 + reach))
    dense     c = σ(up(a)) << 8,  tanh(up(2a)) << 8,  clamp(a << (23 - b), ±2**(23 + reach)), or of max(a, 0) for relu

A dense layer does not keep its c. A convolution is a dense layer whose x is the codes of its last steps side by side.

The LSTM with peepholes is one of these in its rows, and for the rest the LSTM above: i and f see c, o the new c. A step
of it is, with s = peephole_bits - 5 ::

    i, f, o = σ(sat16((a + d << (12 - b)) + ((p·c >> 16) + 2**(s - 1) >> s)))         g = tanh(up(2(a + d)))

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
    doubled = (_product_above(f, c) + ((i * g) >> 8)) << 1
    return np.asarray(np.clip(doubled, -CELL_LIMIT, CELL_LIMIT - 1), np.int32)


def rows_to_z(rows: Int32, row_bits: int, seen: Any = 0) -> Int32:
    """Rows, or sums of them, in ``row_bits`` fraction bits, and Q.12 that is added → pre-activations Q3.12."""
    return saturate16(np.asarray((rows << (12 - row_bits)) + seen, np.int32))


def seen_through(peephole: Int32, c: Int32, peephole_bits: int) -> Int32:
    """What a gate sees of the cell, Q.12: int16 weights in Q.peephole_bits times c, rounded."""
    shift = peephole_bits - 5  # the product above 16 bits has peephole_bits + 23 - 16 fraction bits
    return np.asarray((_product_above(peephole, c) + (1 << (shift - 1))) >> shift, np.int32)


def reset_product(r: Int32, v: Int32) -> Int32:
    """A row or a code scaled by the reset gate, rounded."""
    return np.asarray((r * v + (1 << 14)) >> 15, np.int32)


def blend(z: Int32, c: Int32, n: Int32) -> Int32:
    """New hidden state of a GRU, Q8.23: z·c + (1 - z)·n, within the span of c and n but for two codes."""
    candidate = n << 8
    return np.asarray(candidate + (_product_above(z, c - candidate) << 1), np.int32)


def leak(z: Int32, c: Int32, n: Int32, zeta: int, nu: int, reach_bits: int) -> Int32:
    """New hidden state of a FastGRNN, Q8.23: z·c + (ζ(1 - z) + ν)·n, saturated at ±2**reach_bits."""
    share = nu + ((zeta * (32768 - z)) >> 15)  # at most 65534, so that its product with n fits int32
    limit = 1 << (CELL_FRACTION_BITS + reach_bits)
    return np.asarray(np.clip((_product_above(z, c) << 1) + ((share * n) >> 7), -limit, limit), np.int32)


def _product_above(gate: Int32, value: Int32) -> Int32:
    """``gate·value >> 16`` of 15 bits and a sign and of 32 bits, without 64 bits."""
    return np.asarray(gate * (value >> 16) + ((gate * (value & 0xFFFF)) >> 16), np.int32)


def widen_rows(rows: Int32, row_bits: int, reach_bits: int) -> Int32:
    """Rows of 8 fraction bits or more, or sums of two from 0, as a hidden state, Q8.23, saturated at ±2**reach_bits."""
    limit = 1 << (CELL_FRACTION_BITS + reach_bits)
    return np.asarray(np.clip(rows << (CELL_FRACTION_BITS - row_bits), -limit, limit), np.int32)


def show_hidden(c: Int32, hidden_bits: int, narrow: bool) -> Int32:
    """The hidden state that products are made with, Q.hidden_bits, of the one in full precision."""
    drop = CELL_FRACTION_BITS - hidden_bits
    h = (c + (1 << (drop - 1))) >> drop
    return np.asarray(np.clip(h, -128, 127) if narrow else h, np.int32)


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
