"""Cells other than the plain LSTM, dense, convolution in ``edge_lstm.arithmetic.native``, where their steps are
written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edge_lstm.arithmetic import native
from edge_lstm.cells.common import AffineRows, Array, Cell, CellTap, report
from edge_lstm.integer import (
    Int32,
    NativeCell,
    NativeConv,
    NativeDense,
    NativeFastGrnn,
    NativeGru,
    NativeGruBefore,
    NativePeepholeLstm,
    NativeRnn,
    NativeRnnRelu,
)


class _NativeCell:
    """What the cells share: saturated rows, and a hidden state that is rounded from c."""

    def __init__(self, layer: NativeCell) -> None:
        self.units, self._layer = layer.units, layer
        self._over_x, *self._more = [AffineRows(block) for block in layer.blocks]

    def zero_state(self, batch: int) -> tuple[Array, Array]:
        shape = (batch, self.units)
        return np.zeros(shape, np.int32), np.zeros(shape, np.int32)

    def _rows(self, x: Array, h: Array) -> tuple[Int32, Int32]:
        return native.saturate16(self._over_x(x)), native.saturate16(self._more[0](h))

    def _pre(self, rows: Array) -> Int32:
        return native.rows_to_z(rows, self._layer.row_bits)

    def _show(self, c: Int32) -> Int32:
        return native.show_hidden(c, self._layer.hidden_bits, self._layer.scheme == "w8a8")


class NativeGruCell(_NativeCell):
    """Both kinds of GRU."""

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        a, d = self._rows(x, h)
        a_zr, a_n = np.split(a, [2 * self.units], axis=1)
        d_zr, d_n = np.split(d, [2 * self.units], axis=1)
        z_pre, r_pre = np.split(self._pre(a_zr + d_zr), 2, axis=1)
        z, r = _sigmoid(z_pre), _sigmoid(r_pre)
        n_pre = self._pre(2 * (a_n + self._reset(r, h, d_n)))
        n = _tanh(n_pre)
        c_new = native.blend(z, c, n)
        h_new = self._show(c_new)
        if tap is not None:
            report(tap, self._layer.gates, x, h, (z_pre, r_pre, n_pre), (z, r, n), c_new, h_new)
        return h_new, c_new

    def _reset(self, r: Int32, h: Array, d_n: Int32) -> Int32:
        """What the candidate takes of the hidden state."""
        if len(self._more) > 1:
            return native.saturate16(self._more[1](native.reset_product(r, np.asarray(h, np.int32))))
        return native.reset_product(r, d_n)


class NativePeepholeLstmCell(_NativeCell):
    def __init__(self, layer: NativePeepholeLstm) -> None:
        super().__init__(layer)
        self._bits, self._peephole = layer.peephole_bits, layer.peephole.astype(np.int32)

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        a, d = self._rows(x, h)
        i_rows, f_rows, g_rows, o_rows = np.split(a + d, 4, axis=1)
        p_i, p_f, p_o = self._peephole
        z_i, z_f, z_g = self._seeing(i_rows, p_i, c), self._seeing(f_rows, p_f, c), self._pre(2 * g_rows)
        i, f, g = _sigmoid(z_i), _sigmoid(z_f), _tanh(z_g)
        c_new = native.update_cell(f, c, i, g)
        z_o = self._seeing(o_rows, p_o, c_new)
        o = _sigmoid(z_o)
        narrow = self._layer.scheme == "w8a8"
        h_new = native.update_hidden(o, native.squash_cell(c_new), self._layer.hidden_bits, narrow)
        if tap is not None:
            report(tap, self._layer.gates, x, h, (z_i, z_f, z_g, z_o), (i, f, g, o), c_new, h_new)
        return h_new, c_new

    def _seeing(self, rows: Array, peephole: Int32, c: Array) -> Int32:
        seen = native.seen_through(peephole, np.asarray(c, np.int32), self._bits)
        return native.rows_to_z(rows, self._layer.row_bits, seen)


class NativeRnnCell(_NativeCell):
    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        del c  # carries nothing beyond h
        a, d = self._rows(x, h)
        pre = self._pre(2 * (a + d))
        n = _tanh(pre)
        c_new = np.asarray(n << 8, np.int32)
        h_new = self._show(c_new)
        if tap is not None:
            report(tap, self._layer.gates, x, h, (pre,), (n,), c_new, h_new)
        return h_new, c_new


class NativeRnnReluCell(_NativeCell):
    def __init__(self, layer: NativeRnnRelu) -> None:
        super().__init__(layer)
        self._reach_bits = layer.reach_bits

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        del c  # carries nothing beyond h
        a, d = self._rows(x, h)
        c_new = native.widen_rows(_relu(a + d), self._layer.row_bits, self._reach_bits)
        h_new = self._show(c_new)
        if tap is not None:
            pre = self._pre(a + d)
            report(tap, self._layer.gates, x, h, (pre,), (_relu(pre),), c_new, h_new)
        return h_new, c_new


class NativeFastGrnnCell(_NativeCell):
    def __init__(self, layer: NativeFastGrnn) -> None:
        super().__init__(layer)
        self._candidate = layer.candidate.astype(np.int32)
        self._blend = layer.zeta, layer.nu, layer.reach_bits

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        a, d = self._rows(x, h)
        z_pre, n_pre = self._pre(a + d), self._pre(2 * (a + d + self._candidate))
        z, n = _sigmoid(z_pre), _tanh(n_pre)
        c_new = native.leak(z, c, n, *self._blend)
        h_new = self._show(c_new)
        if tap is not None:
            report(tap, self._layer.gates, x, h, (z_pre, n_pre), (z, n), c_new, h_new)
        return h_new, c_new


class NativeDenseLayer(_NativeCell):
    """On (B, F) codes, as all."""

    def __init__(self, layer: NativeDense) -> None:
        super().__init__(layer)
        self._activation, self._reach_bits, self._cells = layer.activation, layer.reach_bits, layer.cells

    def zero_state(self, batch: int) -> tuple[Array, Array]:
        return np.zeros((batch, self.units), np.int32), np.zeros((batch, self._cells), np.int32)

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        pre, n, h_new = self._squashed(x)
        if tap is not None:
            report(tap, self._layer.gates, x, h, (pre,), (n,), c, h_new)
        return h_new, c

    def _squashed(self, x: Array) -> tuple[Int32, Int32, Int32]:
        """Codes that the rows are over → pre-activations, their values and the hidden state."""
        a = native.saturate16(self._over_x(x))
        pre = self._pre(2 * a if self._activation == "tanh" else a)
        if self._activation in ("tanh", "sigmoid"):
            n = _tanh(pre) if self._activation == "tanh" else _sigmoid(pre)
            full = np.asarray(n << 8, np.int32)
        else:
            n = _relu(a) if self._activation == "relu" else a
            full = native.widen_rows(n, self._layer.row_bits, self._reach_bits)
        return pre, n, self._show(full)


class NativeConvLayer(NativeDenseLayer):
    """Its c is memory of int16 codes, those of the steps before, the oldest first."""

    def __init__(self, layer: NativeConv) -> None:
        super().__init__(layer)
        self._features, self._kept = layer.features, layer.kept

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        before = np.ascontiguousarray(c).view(np.int16)[:, : self._kept]
        window = np.concatenate([before, np.asarray(x, np.int16)], axis=1)
        codes = np.zeros((len(window), 2 * self._cells), np.int16)
        codes[:, : self._kept] = window[:, self._features :]
        c_new = codes.view(np.int32)
        pre, n, h_new = self._squashed(window)
        if tap is not None:
            report(tap, self._layer.gates, x, h, (pre,), (n,), c_new, h_new)
        return h_new, c_new


def _relu(rows: Int32) -> Int32:
    return np.asarray(np.maximum(rows, 0), np.int32)


def _sigmoid(z: Int32) -> Int32:
    return np.asarray(native.sigmoid_table()[z + 32768], np.int32)


def _tanh(doubled: Int32) -> Int32:
    return np.asarray(native.tanh_table()[doubled + 32768], np.int32)


NATIVE_STEPS: dict[type, Callable[[Any], Cell]] = {
    NativeGru: NativeGruCell,
    NativeGruBefore: NativeGruCell,
    NativePeepholeLstm: NativePeepholeLstmCell,
    NativeRnn: NativeRnnCell,
    NativeRnnRelu: NativeRnnReluCell,
    NativeFastGrnn: NativeFastGrnnCell,
    NativeDense: NativeDenseLayer,
    NativeConv: NativeConvLayer,
}
"""The step of each kind of layer."""
