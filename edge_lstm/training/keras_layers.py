"""Each kind of layer as one of Keras: how it is made, and its variables as this project's weights and back.

Shapes: F = features, H = units. Keras keeps the kernels of a cell's gates side by side, (F, G·H); this project gate by
gate, (G, H, F). The gates have the same order in both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edge_lstm.halves import OF_HALVES
from edge_lstm.model import (
    RNN_RELU,
    BidirectionalWeights,
    CellWeights,
    ConvWeights,
    DenseLayerWeights,
    FastGrnnWeights,
    GruWeights,
    LstmWeights,
    RecurrentWeights,
    RnnWeights,
)
from edge_lstm.training.fast_grnn import fast_grnn_layer
from edge_lstm.training.look_ahead import look_ahead_layer
from edge_lstm.training.spec import TrainingSpec

Arrays = Sequence[NDArray[np.float32]]
Arguments = dict[str, Any]

CELL_LIMIT = 32.0
"""Cell state that training holds an LSTM to, softly. A cell may count without end, but the integers that hold it
cannot: a fused int8 LSTM computes up to 64."""

HIDDEN_LIMIT = 4.0
"""The same of the hidden state of a FastGRNN, which outgrows 1 where its gate stays open, and of a simple RNN that
rectifies. Integers hold the one up to 16 and the other up to 128, but every doubling costs the products with it one
bit. Hidden states of other cells lie within ±1 by themselves."""


@dataclass(frozen=True)
class KerasCell:
    """A row of the table.

    Args:
        layer: keras → the class of the layer. A recurrent one returns the outputs of all steps, the last of them, and
            the last cell state if there is one.
        arguments: the weights that a layer will start from, or None, and the spec → what its class is called with,
            besides what all layers take.
        variables: weights → values of the layer's variables, in their order.
        weights: (values of the variables, arguments of the layer) → weights.
        recurrent: whether it has recurrent weights, and returns its state.
        limit: what the last state that the layer returns is held to in training, softly; None for one that is bounded.
    """

    layer: Callable[[Any], Any]
    arguments: Callable[[CellWeights | None, TrainingSpec], Arguments]
    variables: Callable[[Any], list[NDArray[Any]]]
    weights: Callable[[Arrays, Arguments], CellWeights]
    recurrent: bool = True
    limit: float | None = None


_ALL_STEPS = {"return_sequences": True, "return_state": True}


def _gru_arguments(start: CellWeights | None, _spec: TrainingSpec) -> Arguments:
    return {**_ALL_STEPS, "reset_after": start.reset_after if isinstance(start, GruWeights) else True}


def _dense_arguments(start: CellWeights | None, _spec: TrainingSpec) -> Arguments:
    return {"activation": start.activation if isinstance(start, DenseLayerWeights) else "relu"}


def _conv_arguments(start: CellWeights | None, spec: TrainingSpec) -> Arguments:
    taps = start.taps if isinstance(start, ConvWeights) else spec.taps
    return {**_dense_arguments(start, spec), "kernel_size": taps, "padding": "causal"}


def _side_by_side(weights: RecurrentWeights) -> list[NDArray[Any]]:
    """Kernel (F, G·H) and recurrent weights (H, G·H)."""
    return [each.reshape(-1, each.shape[2]).T for each in (weights.kernel, weights.recurrent)]


def _by_gate(arrays: Arrays, gates: int) -> dict[str, Any]:
    units = arrays[1].shape[0]
    kernel, recurrent = (each.T.reshape(gates, units, -1) for each in arrays[:2])
    return {"kernel": kernel, "recurrent": recurrent}


def _plain_variables(weights: RecurrentWeights) -> list[NDArray[Any]]:
    return [*_side_by_side(weights), weights.bias.reshape(-1)]


def _lstm_weights(arrays: Arrays, _arguments: Arguments) -> LstmWeights:
    return LstmWeights(**_by_gate(arrays, 4), bias=arrays[2].reshape(4, -1))


def _rnn_weights(arrays: Arrays, arguments: Arguments) -> RnnWeights:
    activation = arguments.get("activation", "tanh")
    return RnnWeights(**_by_gate(arrays, 1), bias=arrays[2].reshape(1, -1), activation=activation)


def _gru_variables(weights: GruWeights) -> list[NDArray[Any]]:
    if not weights.reset_after:
        return _plain_variables(weights)
    over_h = np.zeros_like(weights.bias)
    over_h[2] = weights.reset_bias
    return [*_side_by_side(weights), np.stack([weights.bias.reshape(-1), over_h.reshape(-1)])]


def _gru_weights(arrays: Arrays, arguments: Arguments) -> GruWeights:
    units = arrays[1].shape[0]
    if not arguments["reset_after"]:
        bias, reset_bias = arrays[2].reshape(3, units), np.zeros(units, np.float32)
        return GruWeights(**_by_gate(arrays, 3), bias=bias, reset_bias=reset_bias, reset_after=False)
    # Keras has a bias over x and one over h; only where the reset gate comes between them are they two.
    over_x, over_h = arrays[2].reshape(2, 3, units)
    bias = np.concatenate([over_x[:2] + over_h[:2], over_x[2:]])
    return GruWeights(**_by_gate(arrays, 3), bias=bias, reset_bias=over_h[2])


def _fast_grnn_variables(weights: FastGrnnWeights) -> list[NDArray[Any]]:
    # Beyond ±16, float32 knows no number between a sigmoid and 0 or 1 that training would notice.
    scalars = np.clip(np.array([weights.zeta, weights.nu]), 1e-7, 1 - 1e-7)
    zeta, nu = np.log(scalars / (1 - scalars)).astype(np.float32)
    return [*_side_by_side(weights), weights.bias, zeta, nu]


def _fast_grnn_weights(arrays: Arrays, _arguments: Arguments) -> FastGrnnWeights:
    zeta, nu = (float(1 / (1 + np.exp(-np.float64(each)))) for each in arrays[3:5])
    return FastGrnnWeights(**_by_gate(arrays, 1), bias=arrays[2], zeta=zeta, nu=nu)


def _dense_variables(weights: DenseLayerWeights) -> list[NDArray[Any]]:
    return [weights.kernel[0].T, weights.bias[0]]


def _dense_weights(arrays: Arrays, arguments: Arguments) -> DenseLayerWeights:
    return DenseLayerWeights(arrays[0].T[None], arrays[1][None], arguments["activation"])


def _conv_variables(weights: ConvWeights) -> list[NDArray[Any]]:
    by_step = weights.kernel[0].reshape(weights.units, weights.taps, weights.features)
    return [by_step.transpose(1, 2, 0), weights.bias[0]]


def _conv_weights(arrays: Arrays, arguments: Arguments) -> ConvWeights:
    kernel = arrays[0].transpose(2, 0, 1).reshape(1, arrays[0].shape[2], -1)
    return ConvWeights(kernel, arrays[1][None], arguments["activation"], arguments["kernel_size"])


def _both_ways(row: KerasCell, layer: str) -> KerasCell:
    """The row of a layer whose halves are of this one, and which looks ahead.

    Args:
        layer: the class of a half, by its name in Keras.
    """

    def arguments(start: CellWeights | None, spec: TrainingSpec) -> Arguments:
        known = start if isinstance(start, BidirectionalWeights) else None
        half = row.arguments(known and known.forward, spec)
        steps = known.look_ahead if known else spec.look_ahead
        return {**{name: value for name, value in half.items() if name not in _ALL_STEPS}, "look_ahead": steps}

    def variables(weights: BidirectionalWeights) -> list[NDArray[Any]]:
        return [*row.variables(weights.forward), *row.variables(weights.backward)]

    def weights(arrays: Arrays, arguments: Arguments) -> BidirectionalWeights:
        half = len(arrays) // 2
        each = (row.weights(own, arguments) for own in (arrays[:half], arrays[half:]))
        forward, backward = (cast(RecurrentWeights, weights) for weights in each)
        return BidirectionalWeights(forward, backward, arguments["look_ahead"])

    return KerasCell(lambda keras: look_ahead_layer(keras, layer), arguments, variables, weights, limit=row.limit)


KERAS_CELLS: dict[str, KerasCell] = {
    LstmWeights.cell: KerasCell(
        lambda keras: keras.layers.LSTM,
        lambda *_: {**_ALL_STEPS, "unit_forget_bias": True},
        _plain_variables,
        _lstm_weights,
        limit=CELL_LIMIT,
    ),
    GruWeights.cell: KerasCell(lambda keras: keras.layers.GRU, _gru_arguments, _gru_variables, _gru_weights),
    RnnWeights.cell: KerasCell(
        lambda keras: keras.layers.SimpleRNN, lambda *_: _ALL_STEPS, _plain_variables, _rnn_weights
    ),
    RNN_RELU: KerasCell(
        lambda keras: keras.layers.SimpleRNN,
        lambda *_: {**_ALL_STEPS, "activation": "relu"},
        _plain_variables,
        _rnn_weights,
        limit=HIDDEN_LIMIT,
    ),
    FastGrnnWeights.cell: KerasCell(
        fast_grnn_layer, lambda *_: {}, _fast_grnn_variables, _fast_grnn_weights, limit=HIDDEN_LIMIT
    ),
    DenseLayerWeights.cell: KerasCell(
        lambda keras: keras.layers.Dense, _dense_arguments, _dense_variables, _dense_weights, recurrent=False
    ),
    ConvWeights.cell: KerasCell(
        lambda keras: keras.layers.Conv1D, _conv_arguments, _conv_variables, _conv_weights, recurrent=False
    ),
}
KERAS_CELLS |= {
    variant: _both_ways(KERAS_CELLS[half], {"lstm": "LSTM", "gru": "GRU", "rnn": "SimpleRNN"}[half])
    for variant, half in OF_HALVES.items()
}
"""Every cell by the name of its variant."""
