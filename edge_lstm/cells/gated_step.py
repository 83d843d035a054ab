"""GRU, simple RNN, FastGRNN, dense, convolution of the explicit-state step model, operator by operator; the equations
are in ``edge_lstm.integer_step``.

On (B, F) int8 codes. An operator of two int8 codes has 65,536 cases, so each is tabulated once and looked up ever
after.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.arithmetic import tflite_ops as ops
from edge_lstm.arithmetic.gemmlowp32 import ALL_INT8
from edge_lstm.cells.common import CellTap, report
from edge_lstm.integer import Quant
from edge_lstm.integer_step import (
    FINE_STEPS,
    SIGMOID_OUTPUT,
    TANH_OUTPUT,
    Joint,
    StepConv,
    StepDense,
    StepFastGrnn,
    StepGru,
    StepGruBefore,
    StepLayer,
    StepRnn,
    StepRnnRelu,
    constant,
)

Array = NDArray[Any]
Table = Callable[..., Array]


def tabulated(operator: Table, a: Quant, b: Quant, target: Quant) -> Table:
    """The operator on pairs of codes, looked up."""
    table = operator(ALL_INT8[:, None], a, ALL_INT8[None, :], b, target)
    return lambda left, right: table[left + 128, right + 128]


def times_constant(mul: ops.Operator, source: Quant, value: float, target: Quant) -> Table:
    """MUL by a number, looked up."""
    code, quant = constant(value)
    table = mul(ALL_INT8, source, np.int64(code), quant, target)
    return lambda codes: table[codes + 128]


def joined(at: Joint, below: Quant, arithmetic: ops.TfliteArithmetic) -> Table:
    """x of a layer from h of the one below, looked up."""
    times = times_constant(ops.mul_of(arithmetic), below, at.factor, at.product)
    if not at.lift:
        return times
    code, quant = constant(at.lift)
    table = ops.add(ALL_INT8, at.product, np.int64(code), quant, at.source)
    return lambda codes: table[times(codes) + 128]


class Move:
    """What (h, c) becomes when it gives up a·b: see ``edge_lstm.integer_step``.

    Args:
        mul: the product of the arithmetic.
        a, b: quantisations of the factors.
        hidden: that of h.
        coarse: that of the product; None where fine codes hold it.
    """

    def __init__(self, mul: ops.Operator, a: Quant, b: Quant, hidden: Quant, coarse: Quant | None) -> None:
        fine, whole = Quant(hidden.scale / FINE_STEPS), Quant(hidden.scale)
        self._coarse = None if coarse is None else _Coarse(mul, a, b, hidden, coarse, fine)
        self._small = tabulated(mul, a, b, fine)
        self._rest = tabulated(ops.sub, fine, fine, fine)
        self._add = tabulated(ops.add, hidden, fine, hidden)
        self._moved = tabulated(ops.sub, hidden, hidden, whole)
        self._lost = tabulated(ops.sub, fine, whole, fine)

    def __call__(self, a: Array, b: Array, h: Array, c: Array) -> tuple[Array, Array]:
        if self._coarse is not None:
            h = self._coarse(a, b, h)
        rest = self._rest(c, self._small(a, b))
        h_new = self._add(h, rest)
        return h_new, self._lost(rest, self._moved(h_new, h))


class _Coarse:
    """What h gives up at once: as much of the product as fine codes do not hold."""

    def __init__(self, mul: ops.Operator, a: Quant, b: Quant, hidden: Quant, coarse: Quant, fine: Quant) -> None:
        self._large = tabulated(mul, a, b, coarse)
        self._held = times_constant(mul, coarse, 1.0, fine)
        self._excess = tabulated(ops.sub, coarse, fine, coarse)
        self._give_up = tabulated(ops.sub, hidden, coarse, hidden)

    def __call__(self, a: Array, b: Array, h: Array) -> Array:
        large = self._large(a, b)
        return self._give_up(h, self._excess(large, self._held(large)))


class _GatedStep:
    """What the cells share: h starts at its zero point, c at 0."""

    def __init__(self, layer: StepLayer) -> None:
        self.units, self._zero = layer.units, layer.hidden.zero

    def zero_state(self, batch: int) -> tuple[Array, Array]:
        shape = (batch, self.units)
        return np.full(shape, self._zero, np.int64), np.zeros(shape, np.int64)


class StepGruCell(_GatedStep):
    def __init__(self, layer: StepGru | StepGruBefore, arithmetic: ops.TfliteArithmetic = "tflite") -> None:
        super().__init__(layer)
        self._update, self._reset, *candidate = [ops.FullyConnected(block, arithmetic) for block in layer.gates]
        self._sigmoids = [ops.sigmoid_table(gate.output, SIGMOID_OUTPUT, arithmetic) for gate in layer.gates[:2]]
        self._candidate: _ResetAfter | _ResetBefore
        mul = ops.mul_of(arithmetic)
        if isinstance(layer, StepGru):
            self._candidate, pre = _ResetAfter(mul, layer, *candidate), layer.candidate
        else:
            self._candidate, pre = _ResetBefore(mul, layer, *candidate), layer.gates[2].output
        self._tanh = ops.tanh_table(pre, TANH_OUTPUT, arithmetic)
        self._away = tabulated(ops.sub, layer.hidden, TANH_OUTPUT, layer.away)
        self._move = Move(mul, SIGMOID_OUTPUT, layer.away, layer.hidden, layer.coarse)

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        joint = np.concatenate([x, h], axis=1)
        gate_pre = self._update(joint), self._reset(joint)
        u, r = (table[pre + 128] for table, pre in zip(self._sigmoids, gate_pre, strict=True))
        n_pre = self._candidate(x, h, r)
        n = self._tanh[n_pre + 128]
        h_new, c_new = self._move(u, self._away(h, n), h, c)
        if tap is not None:
            report(tap, ("u", "r", "n"), x, h, (*gate_pre, n_pre), (u, r, n), c_new, h_new)
        return h_new, c_new


class _ResetAfter:
    """Pre-activation of the candidate: the reset gate scales the rows over h."""

    def __init__(
        self, mul: ops.Operator, layer: StepGru, over_x: ops.FullyConnected, over_h: ops.FullyConnected
    ) -> None:
        self._over_x, self._over_h = over_x, over_h
        self._scale = tabulated(mul, SIGMOID_OUTPUT, layer.gates[3].output, layer.reset)
        self._sum = tabulated(ops.add, layer.gates[2].output, layer.reset, layer.candidate)

    def __call__(self, x: Array, h: Array, r: Array) -> Array:
        return self._sum(self._over_x(x), self._scale(r, self._over_h(h)))


class _ResetBefore:
    """Pre-activation of the candidate: the reset gate scales h."""

    def __init__(self, mul: ops.Operator, layer: StepGruBefore, rows: ops.FullyConnected) -> None:
        self._rows, self._scale = rows, tabulated(mul, SIGMOID_OUTPUT, layer.hidden, layer.hidden)

    def __call__(self, x: Array, h: Array, r: Array) -> Array:
        return self._rows(np.concatenate([x, self._scale(r, h)], axis=1))


class StepRnnCell(_GatedStep):
    """Its c is its h: it carries nothing else."""

    def __init__(self, layer: StepRnn | StepRnnRelu, arithmetic: ops.TfliteArithmetic = "tflite") -> None:
        super().__init__(layer)
        (block,) = layer.gates
        self._rows = ops.FullyConnected(block, arithmetic)
        squashed = isinstance(layer, StepRnn)
        self._table = ops.tanh_table(block.output, TANH_OUTPUT, arithmetic) if squashed else ALL_INT8

    def zero_state(self, batch: int) -> tuple[Array, Array]:
        h, _ = super().zero_state(batch)
        return h, h

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        del c
        pre = self._rows(np.concatenate([x, h], axis=1))
        h_new = self._table[pre + 128]
        if tap is not None:
            report(tap, StepRnn.rows, x, h, (pre,), (h_new,), h_new, h_new)
        return h_new, h_new


class StepDenseCell(_GatedStep):
    """It remembers nothing: its state is what it gave last."""

    def __init__(self, layer: StepDense, arithmetic: ops.TfliteArithmetic = "tflite") -> None:
        super().__init__(layer)
        (block,) = layer.gates
        self._rows = ops.FullyConnected(block, arithmetic)
        codes = {"TANH": ops.tanh_table, "LOGISTIC": ops.sigmoid_table}
        self._table = ALL_INT8 if layer.squash is None else codes[layer.squash](block.output, layer.hidden, arithmetic)

    def zero_state(self, batch: int) -> tuple[Array, Array]:
        h, _ = super().zero_state(batch)
        return h, h

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        del c
        pre, h_new = self._squashed(x)
        if tap is not None:
            report(tap, StepDense.rows, x, h, (pre,), (h_new,), h_new, h_new)
        return h_new, h_new

    def _squashed(self, x: Array) -> tuple[Array, Array]:
        """Codes that the rows are over → pre-activations and the hidden state."""
        pre = self._rows(x)
        return pre, self._table[pre + 128]


class StepConvCell(StepDenseCell):
    """Its c is the codes of the steps before."""

    def __init__(self, layer: StepConv, arithmetic: ops.TfliteArithmetic = "tflite") -> None:
        super().__init__(layer, arithmetic)
        self._features = layer.features
        self._cells, source = layer.state["c"]
        self._still = source.zero

    def zero_state(self, batch: int) -> tuple[Array, Array]:
        h, _ = super().zero_state(batch)
        return h, np.full((batch, self._cells), self._still, np.int64)

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        window = np.concatenate([c, x], axis=1)
        c_new = window[:, self._features :]
        pre, h_new = self._squashed(window)
        if tap is not None:
            report(tap, StepConv.rows, x, h, (pre,), (h_new,), c_new, h_new)
        return h_new, c_new


class StepFastGrnnCell(_GatedStep):
    def __init__(self, layer: StepFastGrnn, arithmetic: ops.TfliteArithmetic = "tflite") -> None:
        super().__init__(layer)
        self._rows = [ops.FullyConnected(block, arithmetic) for block in layer.gates]
        update, candidate = (block.output for block in layer.gates)
        self._sigmoid = ops.sigmoid_table(update, SIGMOID_OUTPUT, arithmetic)
        self._tanh = ops.tanh_table(candidate, TANH_OUTPUT, arithmetic)
        self._scaled = times_constant(ops.mul_of(arithmetic), TANH_OUTPUT, layer.zeta, layer.scaled)
        self._away = tabulated(ops.add, layer.hidden, layer.scaled, layer.away)
        self._move = Move(ops.mul_of(arithmetic), SIGMOID_OUTPUT, layer.away, layer.hidden, layer.coarse)
        code, pull = constant(layer.nu)
        self._nu = np.array(code)
        self._pull = Move(ops.mul_of(arithmetic), pull, TANH_OUTPUT, layer.hidden, layer.coarse_pull)

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        joint = np.concatenate([x, h], axis=1)
        pre = [rows(joint) for rows in self._rows]
        u, m = self._sigmoid[pre[0] + 128], self._tanh[pre[1] + 128]
        h_new, c_new = self._move(u, self._away(h, self._scaled(m)), h, c)
        h_new, c_new = self._pull(self._nu, m, h_new, c_new)
        if tap is not None:
            report(tap, StepFastGrnn.rows, x, h, pre, (u, m), c_new, h_new)
        return h_new, c_new
