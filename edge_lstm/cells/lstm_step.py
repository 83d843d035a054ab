"""The LSTM cell of the explicit-state step model, without and with peepholes, operator by operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.arithmetic import tflite_ops as ops
from edge_lstm.arithmetic.gemmlowp32 import ALL_INT8
from edge_lstm.cells.common import CellTap
from edge_lstm.integer import Quant
from edge_lstm.integer_step import PEEPHOLE_GATES, SIGMOID_OUTPUT, TANH_OUTPUT, StepLstm, StepPeepholeLstm
from edge_lstm.model import GATES

Array = NDArray[Any]

_SIGMOID, _TANH = (ops.sigmoid_table, SIGMOID_OUTPUT), (ops.tanh_table, TANH_OUTPUT)
_SQUASH = (_SIGMOID, _SIGMOID, _TANH, _SIGMOID)  # in the order of GATES


class StepCell:
    """On (B, F) int8 codes; h and c are int8 codes too, and start at their zero points.

    An operator of two int8 codes has 65,536 cases, so products and sums are tabulated once and looked up ever after.
    """

    def __init__(self, layer: StepLstm, arithmetic: ops.TfliteArithmetic = "tflite") -> None:
        self.units, self._hidden_zero, self._cell_zero = layer.units, layer.hidden.zero, layer.cell.zero
        self._rows = [ops.FullyConnected(block, arithmetic) for block in layer.gates]
        self._squash = {
            gate: table(layer.pre(gate), output, arithmetic)
            for gate, (table, output) in zip(GATES, _SQUASH, strict=True)
        }
        self._squash_cell = ops.tanh_table(layer.cell, TANH_OUTPUT, arithmetic)
        self._mul = ops.mul_of(arithmetic)
        self._keep = _tabulated(self._mul, SIGMOID_OUTPUT, layer.cell, layer.kept)
        self._admit = _tabulated(self._mul, SIGMOID_OUTPUT, TANH_OUTPUT, layer.added)
        self._sum = _tabulated(ops.add, layer.kept, layer.added, layer.cell)
        self._expose = _tabulated(self._mul, SIGMOID_OUTPUT, TANH_OUTPUT, layer.hidden)

    def zero_state(self, batch: int) -> tuple[Array, Array]:
        shape = (batch, self.units)
        return np.full(shape, self._hidden_zero, np.int64), np.full(shape, self._cell_zero, np.int64)

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        joint = np.concatenate([x, h], axis=1)
        z_i, z_f, z_g, o_rows = (rows(joint) for rows in self._rows)
        z_i, z_f = self._seeing("i", z_i, c), self._seeing("f", z_f, c)
        i, f, g = (self._squash[gate][z + 128] for gate, z in (("i", z_i), ("f", z_f), ("g", z_g)))
        kept = self._keep[f + 128, c + 128]
        added = self._admit[i + 128, g + 128]
        c_new = self._sum[kept + 128, added + 128]
        z_o = self._seeing("o", o_rows, c_new)
        o = self._squash["o"][z_o + 128]
        h_new = self._expose[o + 128, self._squash_cell[c_new + 128] + 128]
        if tap is not None:
            names = ("x", "h_before", *(f"{gate}_pre" for gate in GATES), *GATES, "c", "h")
            for name, value in zip(names, (x, h, z_i, z_f, z_g, z_o, i, f, g, o, c_new, h_new), strict=True):
                tap(name, value)
        return h_new, c_new

    def _seeing(self, gate: str, rows: Array, c: Array) -> Array:  # noqa: ARG002 - a gate sees the cell by a peephole alone
        """The pre-activation of a gate."""
        return rows


class StepPeepholeCell(StepCell):
    """The same; three gates see the cell."""

    def __init__(self, layer: StepPeepholeLstm, arithmetic: ops.TfliteArithmetic = "tflite") -> None:
        super().__init__(layer, arithmetic)
        self._peepholes = {}
        for gate in PEEPHOLE_GATES:
            codes, quant, seen = layer.peepholes(gate)
            times = _tabulated(self._mul, quant, layer.cell, seen)
            plus = _tabulated(ops.add, layer.gates[GATES.index(gate)].output, seen, layer.pre(gate))
            self._peepholes[gate] = codes.astype(np.int64), times, plus

    def _seeing(self, gate: str, rows: Array, c: Array) -> Array:
        codes, times, plus = self._peepholes[gate]
        return np.asarray(plus[rows + 128, times[codes + 128, c + 128] + 128])


def _tabulated(operator: Callable[..., Array], a: Quant, b: Quant, target: Quant) -> Array:
    """(256, 256) results of an operator for every pair of codes; indices are the codes plus 128."""
    return operator(ALL_INT8[:, None], a, ALL_INT8[None, :], b, target)
