"""The float32 model as an explicit-state file of plain operators: what cells other than LSTM are written as, because
TFLite has no operator that keeps their state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_lstm.model import (
    BidirectionalWeights,
    CellWeights,
    ConvWeights,
    DenseLayerWeights,
    DenseWeights,
    FastGrnnWeights,
    FloatModel,
    GruWeights,
    LstmWeights,
    PeepholeLstmWeights,
    RecurrentWeights,
    RnnWeights,
)
from edge_lstm.tensor_names import cell_state, hidden_before, hidden_state, inputs_before
from edge_lstm_export.tflite import operators
from edge_lstm_export.tflite.graph import Graph
from edge_lstm_export.tflite.step import NEW


def float_step_graph(model: FloatModel) -> Graph:
    """The graph, not yet checked: inputs ``x`` (1, C), a *scaled* sample, then h0, c0, h1, …, each (1, H); outputs
    ``y`` (1, O), logits or scaled targets, then the new h0, c0, h1, …; only an LSTM and a convolution have a c.
    """
    graph = Graph("edge-lstm: float32 cells of plain operators, one step a call, state in and out")
    x = current = graph.tensor("x", np.float32, (1, model.layers[0].features))
    states: list[int] = []
    new_states: list[int] = []
    for index, layer in enumerate(model.layers):
        own = [graph.tensor(name, np.float32, (1, width)) for name, width in _states(index, layer).items()]
        ops = _Ops(graph, f"layer{index}", layer.units)
        new = _LAYERS[type(layer)](ops, layer, current, *own)
        current = new[0]
        states += own
        new_states += new
    y = _dense(graph, model.head, current)
    graph.finish([x, *states], [y, *new_states])
    return graph


@dataclass(frozen=True)
class _Ops:
    """Operators of one layer; each gives the tensor (1, H) it computes, under the name of the layer and its own.

    Args:
        shared: constants that several have in common, by name: those of a layer that is written twice.
    """

    graph: Graph
    name: str
    units: int
    shared: dict[str, int] = field(default_factory=dict)

    def beside(self, x: int, h: int, features: int, label: str = "x_and_h") -> int:
        return self.joined(x, h, features + self.units, label)

    def joined(self, a: int, b: int, width: int, label: str) -> int:
        joint = self.graph.tensor(f"{self.name}/{label}", np.float32, (1, width))
        operators.concatenation(self.graph, a, b, joint)
        return joint

    def part(self, x: int, start: int, count: int, label: str) -> int:
        taken = self.graph.tensor(f"{self.name}/{label}", np.float32, (1, count))
        operators.tail(self.graph, x, start, count, taken, version=1)
        return taken

    def rows(self, label: str, v: int, weights: Any, bias: Any, given: str = "") -> int:
        """``W v + b``, as ``given`` or as the pre-activation of ``label``."""
        operands = (self.constant(f"{label}/W", weights), self.constant(f"{label}/b", bias))
        result = self._result(given or f"{label}_pre")
        operators.fully_connected(self.graph, v, *operands, result)
        return result

    def constant(self, label: str, values: Any) -> int:
        if label not in self.shared:
            array = np.asarray(values, np.float32)
            self.shared[label] = self.graph.tensor(f"{self.name}/{label}", np.float32, array.shape, data=array)
        return self.shared[label]

    def sigmoid(self, label: str, z: int) -> int:
        return self._squash("LOGISTIC", label, z)

    def relu(self, label: str, z: int) -> int:
        return self._squash("RELU", label, z)

    def tanh(self, label: str, z: int) -> int:
        return self._squash("TANH", label, z)

    def mul(self, label: str, a: int, b: int) -> int:
        return self._of_two(operators.mul, label, a, b)

    def add(self, label: str, a: int, b: int) -> int:
        return self._of_two(operators.add, label, a, b)

    def sub(self, label: str, a: int, b: int) -> int:
        return self._of_two(operators.sub, label, a, b)

    def _squash(self, kind: str, label: str, z: int) -> int:
        result = self._result(label)
        operators.squash(self.graph, kind, z, result)
        return result

    def _of_two(self, operator: Callable[[Graph, int, int, int], None], label: str, a: int, b: int) -> int:
        result = self._result(label)
        operator(self.graph, a, b, result)
        return result

    def _result(self, label: str) -> int:
        return self.graph.tensor(f"{self.name}/{label}", np.float32, (1, self.units))


def _lstm(ops: _Ops, layer: LstmWeights, x: int, h: int, c: int) -> tuple[int, ...]:
    joint, rows = ops.beside(x, h, layer.features), _joint_rows(layer)
    pre = {gate: ops.rows(gate, joint, rows[k], layer.bias[k]) for k, gate in enumerate(layer.gates)}
    i, f, o = (ops.sigmoid(gate, pre[gate]) for gate in "ifo")
    kept, added = ops.mul("kept", f, c), ops.mul("added", i, ops.tanh("g", pre["g"]))
    c_new = ops.add(f"c{NEW}", kept, added)
    return ops.mul(f"h{NEW}", o, ops.tanh("tanh_c", c_new)), c_new


def _peephole_lstm(ops: _Ops, layer: PeepholeLstmWeights, x: int, h: int, c: int) -> tuple[int, ...]:
    joint, weights = ops.beside(x, h, layer.features), _joint_rows(layer)
    rows = {
        gate: ops.rows(gate, joint, weights[k], layer.bias[k], f"{gate}_rows") for k, gate in enumerate(layer.gates)
    }

    def gate(name: str, cell: int) -> int:
        peephole = ops.constant(f"p_{name}", layer.peephole["ifo".index(name)])
        return ops.sigmoid(name, ops.add(f"{name}_pre", rows[name], ops.mul(f"{name}_seen", cell, peephole)))

    i, f, g = gate("i", c), gate("f", c), ops.tanh("g", rows["g"])
    c_new = ops.add(f"c{NEW}", ops.mul("kept", f, c), ops.mul("added", i, g))
    return ops.mul(f"h{NEW}", gate("o", c_new), ops.tanh("tanh_c", c_new)), c_new


def _gru(ops: _Ops, layer: GruWeights, x: int, h: int) -> tuple[int, ...]:
    joint, rows = ops.beside(x, h, layer.features), _joint_rows(layer)
    z, r = (ops.sigmoid(gate, ops.rows(gate, joint, rows[k], layer.bias[k])) for k, gate in enumerate(layer.gates[:2]))
    if layer.reset_after:
        over_x = ops.rows("n_over_x", x, layer.kernel[2], layer.bias[2])
        over_h = ops.rows("n_over_h", h, layer.recurrent[2], layer.reset_bias)
        n_pre = ops.add("n_pre", over_x, ops.mul("reset", r, over_h))
    else:
        reset = ops.beside(x, ops.mul("reset", r, h), layer.features, "x_and_reset")
        n_pre = ops.rows("n", reset, rows[2], layer.bias[2])
    n = ops.tanh("n", n_pre)
    # z·h + (1 - z)·n, in one product less.
    share = ops.mul("share", z, ops.sub("apart", h, n))
    return (ops.add(f"h{NEW}", n, share),)


def _rnn(ops: _Ops, layer: RnnWeights, x: int, h: int) -> tuple[int, ...]:
    joint = ops.beside(x, h, layer.features)
    squash = ops.tanh if layer.activation == "tanh" else ops.relu
    return (squash(f"h{NEW}", ops.rows("n", joint, _joint_rows(layer)[0], layer.bias[0])),)


def _fastgrnn(ops: _Ops, layer: FastGrnnWeights, x: int, h: int) -> tuple[int, ...]:
    joint = ops.beside(x, h, layer.features)
    shared = ops.rows("shared", joint, _joint_rows(layer)[0], np.zeros(layer.units))
    z, n = (ops.add(f"{gate}_pre", shared, ops.constant(f"b_{gate}", layer.bias[k])) for k, gate in enumerate("zn"))
    z, n = ops.sigmoid("z", z), ops.tanh("n", n)
    # ζ (1 - z) + ν = (ζ + ν) - ζ z
    taken = ops.mul("taken", z, ops.constant("zeta", np.full(layer.units, layer.zeta)))
    share = ops.sub("share", ops.constant("zeta_and_nu", np.full(layer.units, layer.zeta + layer.nu)), taken)
    return (ops.add(f"h{NEW}", ops.mul("kept", z, h), ops.mul("added", share, n)),)


def _dense_layer(ops: _Ops, layer: DenseLayerWeights, x: int) -> tuple[int, ...]:
    squash = {"relu": ops.relu, "tanh": ops.tanh, "sigmoid": ops.sigmoid}.get(layer.activation)
    if squash is None:
        return (ops.rows("n", x, layer.kernel[0], layer.bias[0], f"h{NEW}"),)
    return (squash(f"h{NEW}", ops.rows("n", x, layer.kernel[0], layer.bias[0])),)


def _conv(ops: _Ops, layer: ConvWeights, x: int, c: int) -> tuple[int, ...]:
    window = ops.joined(c, x, layer.columns, "window")
    c_new = ops.part(window, layer.features, layer.cells, f"c{NEW}")
    return (*_dense_layer(ops, layer, window), c_new)


def _bidirectional(ops: _Ops, layer: BidirectionalWeights, x: int, *state: int) -> tuple[int, ...]:
    """The forward half once, the backward half once for each step that it is given, all with one set of weights."""
    *c, x_before, f_before = state
    half, steps, units, features = layer.forward, layer.look_ahead, layer.forward.units, layer.features
    window = ops.joined(x_before, x, (steps + 1) * features, "window")
    newest = f_before if steps == 1 else ops.part(f_before, (steps - 1) * units, units, "f_newest")
    f, *c_new = _LAYERS[type(half)](_Ops(ops.graph, f"{ops.name}/forward", units), half, x, newest, *c)
    shared: dict[str, int] = {}
    zero = ops.constant("backward/zero", np.zeros((1, units)))
    back: tuple[int, ...] = (zero,) * (1 + len(c))
    for step in range(steps, -1, -1):
        name = f"backward{step}"
        x_then = ops.part(window, step * features, features, f"{name}/x")
        back = _LAYERS[type(half)](_Ops(ops.graph, f"{ops.name}/{name}", units, shared), layer.backward, x_then, *back)
    oldest = f_before if steps == 1 else ops.part(f_before, 0, units, "f_oldest")
    h_new = ops.joined(oldest, back[0], layer.units, f"h{NEW}")
    all_f = ops.joined(f_before, f, (steps + 1) * units, "f_all")
    for tensor in c_new:  # the cell state of the forward half is the layer's
        ops.graph.main.tensors[tensor].name = f"{ops.name}/c{NEW}"
    x_new = ops.part(window, features, steps * features, f"x{NEW}")
    return h_new, *c_new, x_new, ops.part(all_f, units, steps * units, f"f{NEW}")


_LAYERS: dict[type[CellWeights], Callable[..., tuple[int, ...]]] = {
    LstmWeights: _lstm,
    PeepholeLstmWeights: _peephole_lstm,
    GruWeights: _gru,
    RnnWeights: _rnn,
    FastGrnnWeights: _fastgrnn,
    DenseLayerWeights: _dense_layer,
    ConvWeights: _conv,
    BidirectionalWeights: _bidirectional,
}
"""Operators of each kind of layer: x and its states → its new states, h first."""


def _states(index: int, layer: CellWeights) -> dict[str, int]:
    """Names and widths of the tensors of state that go in."""
    h, c = hidden_state(index), cell_state(index)
    if isinstance(layer, BidirectionalWeights):
        half, steps = layer.forward, layer.look_ahead
        own = {c: half.units} if isinstance(half, LstmWeights) else {}
        return own | {inputs_before(index): steps * layer.features, hidden_before(index): steps * half.units}
    if isinstance(layer, LstmWeights | PeepholeLstmWeights):
        return {h: layer.units, c: layer.units}
    if isinstance(layer, ConvWeights):
        return {c: layer.cells}
    return {} if isinstance(layer, DenseLayerWeights) else {h: layer.units}


def _joint_rows(layer: RecurrentWeights) -> Any:
    """(G, H, F + H) over [x | h]."""
    return np.concatenate([layer.kernel, layer.recurrent], axis=2)


def _dense(graph: Graph, head: DenseWeights, h: int) -> int:
    weights = graph.tensor("head/W", np.float32, head.weights.shape, data=head.weights)
    bias = graph.tensor("head/b", np.float32, head.bias.shape, data=head.bias)
    y = graph.tensor("y", np.float32, (1, head.outputs))
    operators.fully_connected(graph, h, weights, bias, y)
    return y
