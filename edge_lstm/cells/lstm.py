"""The LSTM cell, once a family of numbers: floating point, native integers, fused TFLite integers.

Every cell has ``zero_state(batch)`` and ``step(h, c, x, tap)``; arrays carry a leading batch axis B. The equations are
Hochreiter & Schmidhuber (1997) with forget gates (Gers et al., 2000), without peepholes::

    i, f, o = σ(W x + R h + b)      g = tanh(W x + R h + b)
    c' = f·c + i·g                  h' = o·tanh(c')
"""

from __future__ import annotations

import numpy as np

from edge_lstm.arithmetic import native
from edge_lstm.arithmetic.fixed import multiply_by_quantised_multiplier, saturate16
from edge_lstm.arithmetic.fused import FusedRules
from edge_lstm.cells.common import AffineRows, Array, CellTap, report, sigmoid
from edge_lstm.integer import Int8, Int32, Int64, NativeLstm, Quant, TfliteLstm
from edge_lstm.model import GATES, Float32, LstmWeights


class FloatLstm:
    """The cell in float64, on (B, F) scaled inputs."""

    def __init__(self, weights: LstmWeights) -> None:
        self.units = weights.units
        joint = np.concatenate([weights.kernel, weights.recurrent], axis=2).astype(np.float64)
        self._weights = joint.reshape(4 * self.units, -1).T.copy()
        self._bias = weights.bias.astype(np.float64).reshape(-1)

    def zero_state(self, batch: int) -> tuple[Array, Array]:
        return np.zeros((batch, self.units)), np.zeros((batch, self.units))

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        z = np.concatenate([x, h], axis=1) @ self._weights + self._bias
        z_i, z_f, z_g, z_o = np.split(z, 4, axis=1)
        i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o)
        g = np.tanh(z_g)
        c_new = f * c + i * g
        h_new = o * np.tanh(c_new)
        if tap is not None:
            report(tap, GATES, x, h, (z_i, z_f, z_g, z_o), (i, f, g, o), c_new, h_new)
        return h_new, c_new


class NativeLstmCell:
    """The cell of ``edge_lstm.arithmetic.native``, on (B, F) codes."""

    def __init__(self, layer: NativeLstm) -> None:
        self.units, self._hidden_bits, self._narrow = layer.units, layer.hidden_bits, layer.scheme == "w8a8"
        self._rows = [AffineRows(block) for block in layer.blocks]

    def zero_state(self, batch: int) -> tuple[Array, Array]:
        shape = (batch, self.units)
        return np.zeros(shape, np.int32), np.zeros(shape, np.int32)

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        z = native.saturate16(self._pre_activations(x, h))
        z_i, z_f, z_g, z_o = np.split(z, 4, axis=1)
        squash, tanh = native.sigmoid_table(), native.tanh_table()
        i, f, o = (squash[v + 32768] for v in (z_i, z_f, z_o))
        g = tanh[z_g + 32768]
        c_new = native.update_cell(f, c, i, g)
        h_new = native.update_hidden(o, native.squash_cell(c_new), self._hidden_bits, self._narrow)
        if tap is not None:
            report(tap, GATES, x, h, (z_i, z_f, z_g, z_o), (i, f, g, o), c_new, h_new)
        return h_new, c_new

    def _pre_activations(self, x: Array, h: Array) -> Int32:
        if len(self._rows) == 1:
            return self._rows[0](np.concatenate([x, h], axis=1))
        over_x, over_h = self._rows
        return over_x(x) + over_h(h)


class FusedLstm:
    """The cell of a fused int8 TFLite op under one of its two arithmetics, on (B, F) codes."""

    def __init__(self, layer: TfliteLstm, rules: FusedRules) -> None:
        self.units, self._rules, self._hidden, self._exponent = layer.units, rules, layer.hidden, layer.cell_exponent
        self._over_x = FusedRows(layer.kernel, layer.bias, layer.input, layer.kernel_scale, rules)
        self._over_h = FusedRows(layer.recurrent, np.zeros_like(layer.bias), layer.hidden, layer.recurrent_scale, rules)
        self._hidden_multiplier = rules.hidden_multiplier(layer.hidden)
        self._sigmoid, self._tanh = rules.sigmoid(), rules.tanh(-12)
        self._cell_tanh = rules.tanh(layer.cell_exponent)

    def zero_state(self, batch: int) -> tuple[Array, Array]:
        shape = (batch, self.units)
        return np.full(shape, self._hidden.zero, np.int64), np.zeros(shape, np.int64)

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        z = saturate16(saturate16(self._over_x(x)) + self._rules.recurrent(self._over_h(h)))
        z_i, z_f, z_g, z_o = np.split(z, 4, axis=1)
        i, f, o = (self._sigmoid[v + 32768] for v in (z_i, z_f, z_o))
        g = self._tanh[z_g + 32768]
        c_new = self._rules.cell(f, c, i, g, self._exponent)
        squashed = self._cell_tanh[c_new + 32768]
        product = multiply_by_quantised_multiplier(o * squashed, self._hidden_multiplier)
        h_new = np.clip(product + self._hidden.zero, -128, 127)
        if tap is not None:
            report(tap, GATES, x, h, (z_i, z_f, z_g, z_o), (i, f, g, o), c_new, h_new)
        return h_new, c_new


class FusedRows:
    """One half of the four gates of a fused op: (B, N) codes → (B, 4H) in Q3.12, before any saturation."""

    def __init__(self, weights: Int8, bias: Int32, source: Quant, scales: Float32, rules: FusedRules) -> None:
        rows = weights.reshape(-1, weights.shape[2])
        # A float64 product of int8 codes is exact: sums stay far below 2**53.
        self._weights = rows.T.astype(np.float64)
        self._bias = bias.reshape(-1) - source.zero * rows.sum(axis=1, dtype=np.int64)
        pairs = [rules.gate_multiplier(scale, source.scale) for scale in scales]
        mantissa, shift = np.repeat(np.array(pairs), weights.shape[1], axis=0).T
        self._multiplier = mantissa, shift

    def __call__(self, v: Array) -> Int64:
        return multiply_by_quantised_multiplier((v @ self._weights).astype(np.int64) + self._bias, self._multiplier)
