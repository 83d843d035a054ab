"""The float32 model as an explicit-state file of plain operators: what cells other than LSTM are written as, because
TFLite has no operator that keeps their state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lstm.model import (
    CellWeights,
    ConvWeights,
    DenseLayerWeights,
    DenseWeights,
    FastGrnnWeights,
    FloatModel,
    GruWeights,
    LstmWeights,
    RecurrentWeights,
    RnnWeights,
)
from edge_lstm.tensor_names import cell_state, hidden_state
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
        own = [
            graph.tensor(name(index), np.float32, (1, layer.cells if name is cell_state else layer.units))
            for name in _STATES.get(type(layer), (hidden_state,))
        ]
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
    """Operators of one layer; each gives the tensor (1, H) it computes, under the name of the layer and its own."""

    graph: Graph
    name: str
    units: int

    def beside(self, x: int, h: int, features: int, label: str = "x_and_h") -> int:
        joint = self.graph.tensor(f"{self.name}/{label}", np.float32, (1, features + self.units))
        operators.concatenation(self.graph, x, h, joint)
        return joint

    def rows(self, label: str, v: int, weights: Any, bias: Any, given: str = "") -> int:
        """``W v + b``, as ``given`` or as the pre-activation of ``label``."""
        operands = (self.constant(f"{label}/W", weights), self.constant(f"{label}/b", bias))
        result = self._result(given or f"{label}_pre")
        operators.fully_connected(self.graph, v, *operands, result)
        return result

    def constant(self, label: str, values: Any) -> int:
        array = np.asarray(values, np.float32)
        return self.graph.tensor(f"{self.name}/{label}", np.float32, array.shape, data=array)

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
    return (ops.tanh(f"h{NEW}", ops.rows("n", joint, _joint_rows(layer)[0], layer.bias[0])),)


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
    window, c_new = (
        ops.graph.tensor(f"{ops.name}/{label}", np.float32, (1, width))
        for label, width in (("window", layer.columns), (f"c{NEW}", layer.cells))
    )
    operators.concatenation(ops.graph, c, x, window)
    operators.tail(ops.graph, window, layer.features, layer.cells, c_new, version=1)
    return (*_dense_layer(ops, layer, window), c_new)


_LAYERS: dict[type[CellWeights], Callable[..., tuple[int, ...]]] = {
    LstmWeights: _lstm,
    GruWeights: _gru,
    RnnWeights: _rnn,
    FastGrnnWeights: _fastgrnn,
    DenseLayerWeights: _dense_layer,
    ConvWeights: _conv,
}
"""Operators of each kind of layer: x and its states → its new states, h first."""

_STATES: dict[type[CellWeights], tuple[Callable[[int], str], ...]] = {
    LstmWeights: (hidden_state, cell_state),
    DenseLayerWeights: (),
    ConvWeights: (cell_state,),
}
"""Names of the tensors of state that go in, where that is not h alone."""


def _joint_rows(layer: RecurrentWeights) -> Any:
    """(G, H, F + H) over [x | h]."""
    return np.concatenate([layer.kernel, layer.recurrent], axis=2)


def _dense(graph: Graph, head: DenseWeights, h: int) -> int:
    weights = graph.tensor("head/W", np.float32, head.weights.shape, data=head.weights)
    bias = graph.tensor("head/b", np.float32, head.bias.shape, data=head.bias)
    y = graph.tensor("y", np.float32, (1, head.outputs))
    operators.fully_connected(graph, h, weights, bias, y)
    return y
