"""The layers of the explicit-state model, operator by operator; ``edge_lstm.integer_step`` has the equations.

A layer takes the indices of its tensors x, h and, where it has one, c, and gives those of the new state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_lstm.integer import Quant, TfliteDense
from edge_lstm.integer_step import (
    FINE_STEPS,
    SIGMOID_OUTPUT,
    TANH_OUTPUT,
    StepConv,
    StepDense,
    StepFastGrnn,
    StepGru,
    StepGruBefore,
    StepLayer,
    StepLstm,
    StepPeepholeLstm,
    StepRnn,
    StepRnnRelu,
    constant,
    joint,
)
from edge_lstm.tensor_names import NEW, cell_state, hidden_state
from edge_lstm_export.tflite import operators
from edge_lstm_export.tflite.fused import bias_scale
from edge_lstm_export.tflite.graph import Graph


@dataclass(frozen=True, eq=False)
class Place:
    """A layer under construction; operators give the index of their output, named ``layerN/label``."""

    graph: Graph
    index: int
    units: int

    def tensor(self, label: str, quant: Quant) -> int:
        return self.graph.tensor(f"layer{self.index}/{label}", np.int8, (1, self.units), quant)

    def apply(self, operator: Callable[[Graph, int, int, int], None], a: int, b: int, label: str, quant: Quant) -> int:
        """MUL, ADD or SUB."""
        output = self.tensor(label, quant)
        operator(self.graph, a, b, output)
        return output

    def into(self, operator: Callable[[Graph, int, int, int], None], a: int, b: int, state: str, quant: Quant) -> int:
        """The same, into a state on its way out."""
        output = self.graph.tensor(state + NEW, np.int8, (1, self.units), quant)
        operator(self.graph, a, b, output)
        return output

    def joint(self, x: int, h: int, label: str, quant: Quant, features: int) -> int:
        """CONCATENATION."""
        output = self.graph.tensor(f"layer{self.index}/{label}", np.int8, (1, features + self.units), quant)
        operators.concatenation(self.graph, x, h, output)
        return output

    def dense(self, label: str, block: TfliteDense, x: int, weights: int | None = None) -> int:
        """FULLY_CONNECTED."""
        name = f"layer{self.index}/{label}"
        return dense(self.graph, name, f"{name}_pre", block, x, weights)

    def sigmoid(self, label: str, pre: int) -> int:
        return self._squash("LOGISTIC", label, pre, SIGMOID_OUTPUT)

    def tanh(self, label: str, pre: int) -> int:
        return self._squash("TANH", label, pre, TANH_OUTPUT)

    def _squash(self, kind: str, label: str, pre: int, quant: Quant) -> int:
        output = self.tensor(label, quant)
        operators.squash(self.graph, kind, pre, output)
        return output

    def constant(self, label: str, value: float) -> int:
        """A vector of one number, of the shape of a state: operators that spread a single number have other kernels."""
        code, quant = constant(value)
        shape = (1, self.units)
        return self.graph.tensor(f"layer{self.index}/{label}", np.int8, shape, quant, np.full(shape, code))


def dense(
    graph: Graph,
    name: str,
    output: str,
    block: TfliteDense,
    x: int,
    weights: int | None = None,
    *,
    rectify: bool = False,
) -> int:
    """FULLY_CONNECTED; ``weights`` is the tensor that holds them already, if one does."""
    rows = block.weights.shape[0]
    if weights is None:
        weights = graph.tensor(f"{name}/W", np.int8, block.weights.shape, Quant(block.weight_scale), block.weights)
    bias = graph.tensor(f"{name}/b", np.int32, (rows,), Quant(bias_scale(block.weight_scale, block.input)), block.bias)
    y = graph.tensor(output, np.int8, (1, rows), block.output)
    operators.fully_connected(graph, x, weights, bias, y, rectify=rectify)
    return y


def requantised(graph: Graph, index: int, x: int, below: StepLayer, layer: StepLayer) -> int:
    """h of the layer below, so that layer ``index`` can read it."""
    place, at = Place(graph, index, below.units), joint(below.hidden, layer.source)
    factor = place.constant("fit", at.factor)
    if not at.lift:
        return place.apply(operators.mul, x, factor, "x", at.source)
    product = place.apply(operators.mul, x, factor, "x_product", at.product)
    return place.apply(operators.add, product, place.constant("lift", at.lift), "x", at.source)


def _lstm(place: Place, layer: StepLstm, x: int, h: int, c: int) -> list[int]:
    joint = place.joint(x, h, "x_and_h", layer.hidden, layer.features)
    gates = {}
    for gate, block in zip(layer.rows, layer.gates, strict=True):
        pre = place.dense(gate, block, joint)
        gates[gate] = place.tanh(gate, pre) if gate == "g" else place.sigmoid(gate, pre)
    c_new = _new_cell(place, layer, gates["i"], gates["f"], gates["g"], c)
    return [_shown(place, layer, gates["o"], c_new), c_new]


def _new_cell(place: Place, layer: StepLstm, i: int, f: int, g: int, c: int) -> int:
    kept, added = place.tensor("kept", layer.kept), place.tensor("added", layer.added)
    operators.mul(place.graph, f, c, kept)
    operators.mul(place.graph, i, g, added)
    return place.into(operators.add, kept, added, cell_state(place.index), layer.cell)


def _shown(place: Place, layer: StepLstm, o: int, c: int) -> int:
    squashed = place.tanh("tanh_c", c)
    return place.into(operators.mul, o, squashed, hidden_state(place.index), layer.hidden)


def _peephole_lstm(place: Place, layer: StepPeepholeLstm, x: int, h: int, c: int) -> list[int]:
    joint = place.joint(x, h, "x_and_h", layer.hidden, layer.features)
    blocks = dict(zip(layer.rows, layer.gates, strict=True))

    def gate(name: str, cell: int) -> int:
        output = f"layer{place.index}/{name}_rows"
        rows = dense(place.graph, f"layer{place.index}/{name}", output, blocks[name], joint)
        codes, quant, shown = layer.peepholes(name)
        weights = place.graph.tensor(f"layer{place.index}/p_{name}", np.int8, (1, place.units), quant, codes[None])
        seen = place.apply(operators.mul, weights, cell, f"{name}_seen", shown)
        return place.sigmoid(name, place.apply(operators.add, rows, seen, f"{name}_pre", layer.pre(name)))

    i, f, g = gate("i", c), gate("f", c), place.tanh("g", place.dense("g", blocks["g"], joint))
    c_new = _new_cell(place, layer, i, f, g, c)
    return [_shown(place, layer, gate("o", c_new), c_new), c_new]


def _gru(place: Place, layer: StepGru | StepGruBefore, x: int, h: int, c: int) -> list[int]:
    joint = place.joint(x, h, "x_and_h", layer.hidden, layer.features)
    u, r = (place.sigmoid(name, place.dense(name, layer.gates[k], joint)) for k, name in enumerate(("u", "r")))
    if isinstance(layer, StepGru):
        over_x = place.dense("n_over_x", layer.gates[2], x)
        over_h = place.dense("n_over_h", layer.gates[3], h)
        scaled = place.apply(operators.mul, r, over_h, "r_n_over_h", layer.reset)
        pre = place.apply(operators.add, over_x, scaled, "n_pre", layer.candidate)
    else:
        scaled = place.apply(operators.mul, r, h, "r_h", layer.hidden)
        pre = place.dense("n", layer.gates[2], place.joint(x, scaled, "x_and_r_h", layer.hidden, layer.features))
    n = place.tanh("n", pre)
    away = place.apply(operators.sub, h, n, "away", layer.away)
    return list(_move(place, "", (u, away), (h, c), layer.hidden, layer.coarse, last=True))


def _rnn(place: Place, layer: StepRnn, x: int, h: int) -> list[int]:
    joint = place.joint(x, h, "x_and_h", layer.hidden, layer.features)
    h_new = place.graph.tensor(hidden_state(place.index) + NEW, np.int8, (1, place.units), layer.hidden)
    operators.squash(place.graph, "TANH", place.dense("n", layer.gates[0], joint), h_new)
    return [h_new]


def _rnn_relu(place: Place, layer: StepRnnRelu, x: int, h: int) -> list[int]:
    both = place.joint(x, h, "x_and_h", layer.hidden, layer.features)
    name = hidden_state(place.index) + NEW
    # int8 ends at 0 here, so the activation changes no code: it says what this is.
    return [dense(place.graph, f"layer{place.index}/n", name, layer.gates[0], both, rectify=True)]


def _dense_layer(place: Place, layer: StepDense, x: int) -> list[int]:
    name, (block,) = hidden_state(place.index) + NEW, layer.gates
    if layer.squash is None:
        return [dense(place.graph, f"layer{place.index}/n", name, block, x)]
    h_new = place.graph.tensor(name, np.int8, (1, place.units), layer.hidden)
    operators.squash(place.graph, layer.squash, place.dense("n", block, x), h_new)
    return [h_new]


def _conv(place: Place, layer: StepConv, x: int, c: int) -> list[int]:
    width, quant = layer.state["c"]
    window = place.graph.tensor(f"layer{place.index}/window", np.int8, (1, layer.columns), quant)
    operators.concatenation(place.graph, c, x, window)
    c_new = place.graph.tensor(cell_state(place.index) + NEW, np.int8, (1, width), quant)
    operators.tail(place.graph, window, layer.features, width, c_new, version=2)
    return [*_dense_layer(place, layer, window), c_new]


def _fastgrnn(place: Place, layer: StepFastGrnn, x: int, h: int, c: int) -> list[int]:
    joint = place.joint(x, h, "x_and_h", layer.hidden, layer.features)
    block = layer.gates[0]
    kernel = place.graph.tensor(
        f"layer{place.index}/W", np.int8, block.weights.shape, Quant(block.weight_scale), block.weights
    )
    u_pre, m_pre = (place.dense(name, gate, joint, kernel) for name, gate in zip(layer.rows, layer.gates, strict=True))
    u, m = place.sigmoid("u", u_pre), place.tanh("m", m_pre)
    scaled = place.apply(operators.mul, m, place.constant("zeta", layer.zeta), "zeta_m", layer.scaled)
    away = place.apply(operators.add, h, scaled, "away", layer.away)
    state = _move(place, "", (u, away), (h, c), layer.hidden, layer.coarse)
    pull = place.constant("nu", layer.nu), m
    return list(_move(place, "pull_", pull, state, layer.hidden, layer.coarse_pull, last=True))


def _move(
    place: Place,
    prefix: str,
    factors: tuple[int, int],
    state: tuple[int, int],
    hidden: Quant,
    coarse: Quant | None,
    *,
    last: bool = False,
) -> tuple[int, int]:
    """What (h, c) becomes when it gives up a product.

    Args:
        prefix: of the tensors' names.
        last: whether this is the layer's new state.
    """
    mul, sub, (a, b), (h, c) = operators.mul, operators.sub, factors, state
    fine, whole = Quant(hidden.scale / FINE_STEPS), Quant(hidden.scale)
    if coarse is not None:
        large = place.apply(mul, a, b, f"{prefix}large", coarse)
        held = place.apply(mul, large, place.constant(f"{prefix}one", 1.0), f"{prefix}held", fine)
        excess = place.apply(sub, large, held, f"{prefix}excess", coarse)
        h = place.apply(sub, h, excess, f"{prefix}h_coarse", hidden)
    small = place.apply(mul, a, b, f"{prefix}small", fine)
    rest = place.apply(sub, c, small, f"{prefix}rest", fine)
    names = (hidden_state(place.index), cell_state(place.index))
    into, names = (place.into, names) if last else (place.apply, (f"{prefix}h", f"{prefix}c"))
    h_new = into(operators.add, h, rest, names[0], hidden)
    moved = place.apply(sub, h_new, h, f"{prefix}moved", whole)
    return h_new, into(sub, rest, moved, names[1], fine)


LAYERS: dict[type, Callable[..., list[int]]] = {
    StepLstm: _lstm,
    StepPeepholeLstm: _peephole_lstm,
    StepGru: _gru,
    StepGruBefore: _gru,
    StepRnn: _rnn,
    StepRnnRelu: _rnn_relu,
    StepFastGrnn: _fastgrnn,
    StepDense: _dense_layer,
    StepConv: _conv,
}
"""Kind of layer → (place, layer, x and what it carries) → the new h and perhaps c."""
