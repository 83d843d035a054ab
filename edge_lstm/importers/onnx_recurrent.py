"""LSTM, with peepholes or without, GRU and RNN of ONNX.

They keep W as (1, G·H, F) and R as (1, G·H, H), their gates above each other: i, o, f, c of an LSTM, z, r, h of a GRU;
in B two biases one after the other, (1, 2·G·H); and in P the peepholes of i, o, f of an LSTM, (1, 3·H). Layout 0 is
(time, batch, features), layout 1 (batch, time, features). ``linear_before_reset`` of a GRU is a reset after the
product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers import look_ahead
from edge_lstm.importers.cells import Choice, Rows, cell_weights, described, with_peepholes
from edge_lstm.importers.chain import BATCH_FIRST, TIME_FIRST, Array, BothWays, Recurrent
from edge_lstm.importers.limits import MOST_UNITS
from edge_lstm.importers.onnx_node import DIRECTIONS, Axes, Node, Taken
from edge_lstm.model import LstmWeights, RecurrentWeights


@dataclass(frozen=True)
class Operator:
    """A recurrent operator.

    Args:
        cell: its name here.
        order: where our gates are among its.
        activations: those that are taken, in lower case, and first what it has where it names none.
    """

    cell: str
    order: tuple[int, ...]
    activations: tuple[tuple[bytes, ...], ...]


OPERATORS = {
    "LSTM": Operator("lstm", (0, 2, 3, 1), ((b"sigmoid", b"tanh", b"tanh"),)),
    "GRU": Operator("gru", (0, 1, 2), ((b"sigmoid", b"tanh"),)),
    "RNN": Operator("rnn", (0,), ((b"tanh",), (b"relu",))),
}

STEPPING = {*OPERATORS, "Scan"}
"""What goes through a sequence step by step; a Scan takes it time first."""

RULES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("direction", lambda v: v not in (b"forward", b"bidirectional"), "a stream knows no future; train forwards"),
    ("clip", lambda v: v != 0, "a cell here is not clipped; train without"),
    ("input_forget", lambda v: v not in (0, 1), "expected 0 or 1"),
    ("layout", lambda v: v not in (0, 1), "expected 0 or 1"),
    ("linear_before_reset", lambda v: v not in (0, 1), "expected 0 or 1"),
)
"""Attribute of every operator, whether a value of it is refused, and why."""

INPUTS = {
    "sequence_lens": ("all", "may end a sequence before its last step; leave it out"),
    "initial_h": ("all", "is not zero, where a stream begins; leave it out"),
    "initial_c": ("`LSTM`", "is not zero, where a stream begins; leave it out"),
}
"""Input of an operator → where there is one, and why a value of it is refused."""

_PEEPHOLES, _CELL_STATE = 7, 2
_PEEPHOLE_ORDER = [0, 2, 1]


def recurrent(node: Node) -> Taken:
    """The layer of a node.

    Raises:
        ModelError: if it has what a cell here has not.
    """
    operator, attributes = OPERATORS[node.proto.op_type], node.attributes
    for key, refused, why in RULES:
        if key in attributes and refused(attributes[key]):
            raise ModelError(f"{key} is {_shown(attributes[key])}: {why}")
    activations = tuple(name.lower() for name in attributes.get("activations", operator.activations[0]))
    if activations not in [each * ways for each in operator.activations for ways in {1, _directions(node)}]:
        raise ModelError(
            f"activations is {_shown(attributes['activations'])}: a cell here has {named(operator)}; train it so"
        )
    coupled = bool(attributes.get("input_forget", 0))
    if coupled and (operator.cell != "lstm" or node.input(_PEEPHOLES)):
        raise ModelError("input_forget is 1 of what is no LSTM without peepholes; train without")
    _lengths(node)
    for place, name in ((5, "initial_h"), (6, "initial_c")):
        refuse_start(node, place, name)
    layout = int(attributes.get("layout", 0))
    wanted = BATCH_FIRST if layout else TIME_FIRST
    if node.axes != wanted:
        raise ModelError(f"is given ({', '.join(node.axes)}), its layout {layout} takes ({', '.join(wanted)})")
    if node.taken == _CELL_STATE:
        raise ModelError("its cell state is taken for the output; take Y or Y_h")
    if _directions(node) == 2:
        if node.taken:
            raise ModelError(f"direction is bidirectional: {look_ahead.LAST_STEP}")
        return BothWays(*(_weights(node, operator, activations, each) for each in range(2))), axes_after(node), ""
    weights = _weights(node, operator, activations)
    note = described(weights) + (", its forget gate 1 minus its input gate" if coupled else "")
    return Recurrent(weights, every_step=node.taken == 0), axes_after(node), note


def _directions(node: Node) -> int:
    return 2 if node.attributes.get("direction") == b"bidirectional" else 1


def refuse_start(node: Node, place: int, name: str) -> None:
    """Raise ModelError unless the state that is this input is zero where a stream begins."""
    given, constants = node.input(place), node.constants
    if not constants.is_zero(given) and constants.origin(given) not in node.graph.states:
        raise ModelError(f"its {name} {INPUTS[name][1]}")


def named(operator: Operator) -> str:
    """The activations that are taken, such as ``Sigmoid Tanh``."""
    return " or ".join(_shown(list(each)).title() for each in operator.activations)


def axes_after(node: Node) -> Axes:
    """Of what the node gives: Y or Y_h."""
    one = "one" if _directions(node) == 1 else DIRECTIONS
    if node.attributes.get("layout", 0) == 1:
        return ("batch", "time", one, "features") if node.taken == 0 else ("batch", one, "features")
    return ("time", one, "batch", "features") if node.taken == 0 else (one, "batch", "features")


def _lengths(node: Node) -> None:
    """Raise ModelError unless every sequence is as long as the tensor that holds it."""
    name, steps = node.input(4), node.graph.steps
    if not name:
        return
    if name not in node.constants or steps is None:
        raise ModelError(f"its sequence_lens {INPUTS['sequence_lens'][1]}")
    lengths = node.constants.get(name, "sequence_lens")
    if (lengths != steps).any():
        raise ModelError(
            f"its sequence_lens {lengths.ravel()[:4].tolist()} end sequences before step {steps}; leave it out"
        )


def _shown(value: Any) -> str:
    texts = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in np.atleast_1d(value).tolist()]
    return " ".join(texts)


def _weights(node: Node, operator: Operator, activations: tuple[bytes, ...], way: int = 0) -> RecurrentWeights:
    """Of one direction: 0 forwards, 1 backwards."""
    ways = _directions(node)
    taken = slice(len(operator.activations[0]) * way, len(operator.activations[0]) * (way + 1))
    squashes = activations[taken] or activations
    kernel, recurrent = (node.constants.get(node.input(k), name) for k, name in ((1, "W"), (2, "R")))
    gates = len(operator.order)
    if recurrent.ndim != 3 or kernel.ndim != 3 or 0 in recurrent.shape + kernel.shape:
        raise ModelError(f"W and R have shapes {kernel.shape} and {recurrent.shape}; expected (1, {gates} units, …)")
    units = recurrent.shape[2]
    rows = gates * units
    if units > MOST_UNITS or recurrent.shape != (ways, rows, units) or kernel.shape[:2] != (ways, rows):
        raise ModelError(
            f"W and R have shapes {kernel.shape} and {recurrent.shape}; expected ({ways}, {gates} units, features) "
            f"and ({ways}, {gates} units, units) of at most {MOST_UNITS} units"
        )
    if node.attributes.get("hidden_size", units) != units:
        raise ModelError(f"hidden_size is {node.attributes['hidden_size']}, R has {units} units; export it again")
    biases = np.zeros((ways, 2 * rows))
    if node.input(3):
        biases = node.constants.get(node.input(3), "B")
        if biases.shape != (ways, 2 * rows):
            raise ModelError(f"B has shape {biases.shape}; expected {(ways, 2 * rows)}")
    reset_after = bool(node.attributes.get("linear_before_reset", 0))
    of_gates = Rows(kernel[way], recurrent[way], *biases[way].reshape(2, rows))
    if node.attributes.get("input_forget", 0):
        of_gates = _coupled(of_gates, *operator.order[:2])
    choice = Choice(reset_after, "relu" if b"relu" in squashes else "tanh")
    plain = cell_weights(operator.cell, of_gates, operator.order, choice)
    return _with_peepholes(node, plain, way) if isinstance(plain, LstmWeights) and node.input(_PEEPHOLES) else plain


def _with_peepholes(node: Node, plain: LstmWeights, way: int) -> RecurrentWeights:
    """The layer with those of its input P; without where they are all 0."""
    peephole = node.constants.get(node.input(_PEEPHOLES), "P")
    if peephole.shape != (_directions(node), 3 * plain.units):
        raise ModelError(f"P has shape {peephole.shape}; expected {(_directions(node), 3 * plain.units)}")
    return with_peepholes(plain, peephole[way].reshape(3, -1)[_PEEPHOLE_ORDER])


def _coupled(rows: Rows, i: int, f: int) -> Rows:
    """Rows whose forget gate is 1 - i, as ``input_forget`` asks: https://onnx.ai/onnx/operators/onnx__LSTM.html

    1 - σ(z) is σ(-z).
    """

    def turned(values: Array) -> Array:
        gates = np.split(values, len(OPERATORS["LSTM"].order))
        gates[f] = -gates[i]
        return np.concatenate(gates)

    return Rows(*(turned(values) for values in (rows.kernel, rows.recurrent, rows.bias, rows.recurrent_bias)))
