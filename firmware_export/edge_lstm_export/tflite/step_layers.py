"""The layers of the explicit-state model, operator by operator; ``edge_lstm.integer_step`` has the equations.

A layer takes the indices of its tensors x, h and, where it has one, c, and gives those of the new state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from edge_lstm.integer import Quant, TfliteDense
from edge_lstm.integer_step import (
    FINE_STEPS,
    SIGMOID_OUTPUT,
    TANH_OUTPUT,
    StepBidirectional,
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
from edge_lstm.tensor_names import NEW
from edge_lstm_export.tflite import operators
from edge_lstm_export.tflite.fused import bias_scale
from edge_lstm_export.tflite.graph import Graph


@dataclass(frozen=True, eq=False)
class Place:
    """A layer under construction; operators give the index of their output, named ``layerN/label``.

    Args:
        shared: tensors that several places have in common, by name: the weights of a layer that is written twice.
    """

    graph: Graph
    name: str
    units: int
    shared: dict[str, int] = field(default_factory=dict)

    def tensor(self, label: str, quant: Quant) -> int:
        return self.graph.tensor(f"{self.name}/{label}", np.int8, (1, self.units), quant)

    def apply(self, operator: Callable[[Graph, int, int, int], None], a: int, b: int, label: str, quant: Quant) -> int:
        """MUL, ADD or SUB."""
        output = self.tensor(label, quant)
        operator(self.graph, a, b, output)
        return output

    def into(self, operator: Callable[[Graph, int, int, int], None], a: int, b: int, state: str, quant: Quant) -> int:
        """The same, into a state on its way out."""
        return self.apply(operator, a, b, state + NEW, quant)

    def joint(self, x: int, h: int, label: str, quant: Quant, features: int) -> int:
        """CONCATENATION."""
        return self.beside(x, h, label, features + self.units, quant)

    def beside(self, a: int, b: int, label: str, width: int, quant: Quant) -> int:
        """CONCATENATION of any two."""
        output = self.graph.tensor(f"{self.name}/{label}", np.int8, (1, width), quant)
        operators.concatenation(self.graph, a, b, output)
        return output

    def part(self, x: int, start: int, count: int, label: str, quant: Quant) -> int:
        """SLICE."""
        output = self.graph.tensor(f"{self.name}/{label}", np.int8, (1, count), quant)
        operators.tail(self.graph, x, start, count, output, version=2)
        return output

    def dense(self, label: str, block: TfliteDense, x: int, weights: int | None = None) -> int:
        """FULLY_CONNECTED."""
        name = f"{self.name}/{label}"
        if weights is None:
            weights = self.shared.get(f"{label}/W")
        y = dense(self.graph, name, f"{name}_pre", block, x, weights)
        self.shared.setdefault(f"{label}/W", self.graph.main.operators[-1].inputs[1])
        return y

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
        return self.graph.tensor(f"{self.name}/{label}", np.int8, shape, quant, np.full(shape, code))


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
    place, at = Place(graph, f"layer{index}", below.units), joint(below.hidden, layer.source)
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
    return place.into(operators.add, kept, added, "c", layer.cell)


def _shown(place: Place, layer: StepLstm, o: int, c: int) -> int:
    squashed = place.tanh("tanh_c", c)
    return place.into(operators.mul, o, squashed, "h", layer.hidden)


def _peephole_lstm(place: Place, layer: StepPeepholeLstm, x: int, h: int, c: int) -> list[int]:
    joint = place.joint(x, h, "x_and_h", layer.hidden, layer.features)
    blocks = dict(zip(layer.rows, layer.gates, strict=True))

    def gate(name: str, cell: int) -> int:
        rows = dense(place.graph, f"{place.name}/{name}", f"{place.name}/{name}_rows", blocks[name], joint)
        codes, quant, shown = layer.peepholes(name)
        weights = place.graph.tensor(f"{place.name}/p_{name}", np.int8, (1, place.units), quant, codes[None])
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
    h_new = place.tensor(f"h{NEW}", layer.hidden)
    operators.squash(place.graph, "TANH", place.dense("n", layer.gates[0], joint), h_new)
    return [h_new]


def _rnn_relu(place: Place, layer: StepRnnRelu, x: int, h: int) -> list[int]:
    both = place.joint(x, h, "x_and_h", layer.hidden, layer.features)
    # int8 ends at 0 here, so the activation changes no code: it says what this is.
    return [dense(place.graph, f"{place.name}/n", f"{place.name}/h{NEW}", layer.gates[0], both, rectify=True)]


def _dense_layer(place: Place, layer: StepDense, x: int) -> list[int]:
    (block,) = layer.gates
    if layer.squash is None:
        return [dense(place.graph, f"{place.name}/n", f"{place.name}/h{NEW}", block, x)]
    h_new = place.tensor(f"h{NEW}", layer.hidden)
    operators.squash(place.graph, layer.squash, place.dense("n", block, x), h_new)
    return [h_new]


def _conv(place: Place, layer: StepConv, x: int, c: int) -> list[int]:
    width, quant = layer.state["c"]
    window = place.beside(c, x, "window", layer.columns, quant)
    c_new = place.part(window, layer.features, width, f"c{NEW}", quant)
    return [*_dense_layer(place, layer, window), c_new]


def _fastgrnn(place: Place, layer: StepFastGrnn, x: int, h: int, c: int) -> list[int]:
    joint = place.joint(x, h, "x_and_h", layer.hidden, layer.features)
    block = layer.gates[0]
    kernel = place.graph.tensor(
        f"{place.name}/W", np.int8, block.weights.shape, Quant(block.weight_scale), block.weights
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
    names = ("h", "c")
    into, names = (place.into, names) if last else (place.apply, (f"{prefix}h", f"{prefix}c"))
    h_new = into(operators.add, h, rest, names[0], hidden)
    moved = place.apply(sub, h_new, h, f"{prefix}moved", whole)
    return h_new, into(sub, rest, moved, names[1], fine)


def _bidirectional(place: Place, layer: StepBidirectional, x: int, *state: int) -> list[int]:
    """The forward half once, the backward half once for each step that it is given, all with one set of weights."""
    half, steps = layer.forward, layer.look_ahead
    *c, x_before, f_before = state
    units, source, hidden = half.units, layer.source, layer.hidden
    window = place.beside(x_before, x, "window", (steps + 1) * half.features, source)
    newest = f_before if steps == 1 else place.part(f_before, (steps - 1) * units, units, "f_newest", hidden)
    forward = Place(place.graph, f"{place.name}/forward", units)
    given = [newest] if "h" in half.carries else []
    f, *c_new = LAYERS[type(half)](forward, half, x, *given, *c)
    b = _backward(place, layer, window)
    oldest = f_before if steps == 1 else place.part(f_before, 0, units, "f_oldest", hidden)
    h_new = place.beside(oldest, b, f"h{NEW}", layer.units, hidden)
    all_f = place.beside(f_before, f, "f_all", (steps + 1) * units, hidden)
    x_new = place.part(window, half.features, steps * half.features, f"x{NEW}", source)
    f_new = place.part(all_f, units, steps * units, f"f{NEW}", hidden)
    return [h_new, *_renamed(place, c_new), x_new, f_new]


def _renamed(place: Place, states: list[int]) -> list[int]:
    """The c of the forward half is that of the layer."""
    for tensor in states:
        place.graph.main.tensors[tensor].name = f"{place.name}/c{NEW}"
    return states


def _backward(place: Place, layer: StepBidirectional, window: int) -> int:
    half, shared = layer.backward, dict[str, int]()
    zero = {name: (width, quant) for name, (width, quant) in half.state.items()}
    state = [
        place.graph.tensor(f"{place.name}/backward/{name}", np.int8, (1, width), quant, np.full((1, width), quant.zero))
        for name, (width, quant) in zero.items()
    ]
    for step in range(layer.look_ahead, -1, -1):
        name = f"backward{step}"
        x = place.part(window, step * half.features, half.features, f"{name}/x", layer.source)
        then = Place(place.graph, f"{place.name}/{name}", half.units, shared)
        state = LAYERS[type(half)](then, half, x, *state)
    return state[0]


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
    StepBidirectional: _bidirectional,
}
"""Kind of layer → (place, layer, x and what it carries) → the new h and perhaps c."""
