"""Recurrent layers of other programs as ours: which gate stands where, and what becomes of a second bias.

Shapes use F = features of a layer's input, H = units, G = gates of the cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_lstm.importers.chain import Array, single
from edge_lstm.model import (
    BidirectionalWeights,
    GruWeights,
    LstmWeights,
    PeepholeLstmWeights,
    RecurrentWeights,
    RnnActivation,
    RnnWeights,
)

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
"""Cell → gates, which other programs keep above each other. FastGRNN is not here: no program has a layer of it."""

NAMES = {
    "lstm": "LSTM",
    "lstm-peephole": "LSTM with peepholes",
    "gru": "GRU",
    "rnn": "simple RNN",
    "fastgrnn": "FastGRNN",
    "dense": "dense layer",
    "conv": "convolution",
    "bidirectional": "bidirectional layer",
}
"""Cell → what people call it."""


@dataclass(frozen=True, eq=False)
class Rows:
    """One layer, its gates above each other in the order of its program.

    Args:
        kernel: (G·H, F).
        recurrent: (G·H, H).
        bias: (G·H,), or zeros; added to what the kernel makes of the input.
        recurrent_bias: (G·H,), or zeros; added to what the recurrent weights make of the hidden state.
    """

    kernel: Array
    recurrent: Array
    bias: Array
    recurrent_bias: Array


@dataclass(frozen=True)
class Choice:
    """What a program leaves open of a cell.

    Args:
        reset_after: of a GRU, whether it resets after the product.
        activation: of a simple RNN.
    """

    reset_after: bool = True
    activation: RnnActivation = "tanh"


USUAL = Choice()


def cell_weights(cell: str, rows: Rows, order: tuple[int, ...], choice: Choice = USUAL) -> RecurrentWeights:
    """The layer as ours, where ``order`` finds among the gates of ``rows`` those of the cell here.

    Two biases are one where they are only ever added. The exception is the candidate of a GRU that resets after the
    product: its reset gate scales the recurrent one.

    Raises:
        ModelError: if a value is not finite in float32.
    """
    units = rows.recurrent.shape[1]
    gates = list(order)
    kernel = single(rows.kernel).reshape(len(gates), units, -1)[gates]
    recurrent = single(rows.recurrent).reshape(len(gates), units, units)[gates]
    bias, over_h = (
        np.asarray(values, np.float64).reshape(len(gates), units)[gates] for values in (rows.bias, rows.recurrent_bias)
    )
    return _MADE[cell](kernel, recurrent, bias, over_h, choice)


def _lstm(kernel: Array, recurrent: Array, bias: Array, over_h: Array, _choice: Choice) -> RecurrentWeights:
    return LstmWeights(kernel, recurrent, single(bias + over_h))


def _rnn(kernel: Array, recurrent: Array, bias: Array, over_h: Array, choice: Choice) -> RecurrentWeights:
    return RnnWeights(kernel, recurrent, single(bias + over_h), choice.activation)


def _gru(kernel: Array, recurrent: Array, bias: Array, over_h: Array, choice: Choice) -> RecurrentWeights:
    added, scaled = over_h.copy(), np.zeros_like(over_h[2])
    if choice.reset_after:
        added[2], scaled = 0, over_h[2]
    return GruWeights(kernel, recurrent, single(bias + added), single(scaled), choice.reset_after)


_MADE: dict[str, Callable[[Array, Array, Array, Array, Choice], RecurrentWeights]] = {
    "lstm": _lstm,
    "gru": _gru,
    "rnn": _rnn,
}


def with_peepholes(plain: LstmWeights, peephole: Array) -> RecurrentWeights:
    """An LSTM whose gates i, f, o see the cell through (3, H) weights; the plain one where they are all 0."""
    if not peephole.any():
        return plain
    return PeepholeLstmWeights(plain.kernel, plain.recurrent, plain.bias, single(peephole))


def described(weights: RecurrentWeights | BidirectionalWeights) -> str:
    """What to know of a layer, in a few words."""
    if isinstance(weights, BidirectionalWeights):
        return f"{described(weights.forward)} each way, {weights.look_ahead} steps late"
    if isinstance(weights, GruWeights):
        return f"{weights.units} units, reset {'after' if weights.reset_after else 'before'} the product"
    if isinstance(weights, PeepholeLstmWeights):
        return f"{weights.units} units, peepholes"
    if isinstance(weights, RnnWeights) and weights.activation != "tanh":
        return f"{weights.units} units, {weights.activation}"
    return f"{weights.units} units"
