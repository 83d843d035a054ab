"""Models of every cell for the explicit-state file: of random weights, and of random integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np
from models import calibrated, float_model

from edge_lstm.integer import Decoding, Encoding, Quant, TfliteDense
from edge_lstm.integer_step import (
    TANH_OUTPUT,
    StepFastGrnn,
    StepGru,
    StepGruBefore,
    StepLayer,
    StepLstm,
    StepModel,
    StepPeepholeLstm,
    StepRnn,
    StepRnnRelu,
)
from edge_lstm.model import (
    Activation,
    BidirectionalWeights,
    CellWeights,
    ConvWeights,
    DenseLayerWeights,
    DenseWeights,
    FastGrnnWeights,
    FloatModel,
    GruWeights,
    Interface,
    LstmWeights,
    PeepholeLstmWeights,
    RnnWeights,
    Scaling,
    Task,
)
from edge_lstm_calibration.quantise_step import quantise_step

Draw = Callable[..., Any]


def _gru(reset_after: bool) -> Callable[[Draw, int, int], CellWeights]:
    def make(draw: Draw, units: int, features: int) -> CellWeights:
        reset_bias = draw(0.3, units) if reset_after else np.zeros(units)
        return GruWeights(*_three(draw, 3, 3, units, features), reset_bias, reset_after)

    return make


def _rectified(kernel: Any, recurrent: Any, bias: Any) -> CellWeights:
    """Mostly awake, and with a gain below 1 from one state to the next."""
    return RnnWeights(kernel, 0.7 * recurrent, np.abs(bias), "relu")


def _fastgrnn(zeta: float, nu: float) -> Callable[[Draw, int, int], CellWeights]:
    return lambda draw, units, features: FastGrnnWeights(*_three(draw, 1, 2, units, features), zeta, nu)


def _dense_layer(activation: Activation) -> Callable[[Draw, int, int], CellWeights]:
    return lambda draw, units, features: DenseLayerWeights(
        draw(1.5 / np.sqrt(features), 1, units, features), draw(0.3, 1, units), activation
    )


def _conv(taps: int, activation: Activation) -> Callable[[Draw, int, int], CellWeights]:
    return lambda draw, units, features: ConvWeights(
        draw(1.5 / np.sqrt(taps * features), 1, units, taps * features), draw(0.3, 1, units), activation, taps
    )


def _three(draw: Draw, matrices: int, gates: int, units: int, features: int) -> tuple[Any, Any, Any]:
    return (
        draw(1 / np.sqrt(features), matrices, units, features),
        draw(1 / np.sqrt(units), matrices, units, units),
        draw(0.3, gates, units),
    )


def _both(cell: str, look_ahead: int) -> Callable[[Draw, int, int], CellWeights]:
    """Half of the units forwards and half of them backwards."""

    def make(draw: Draw, units: int, features: int) -> CellWeights:
        forward, backward = (CELLS[cell](draw, units // 2, features) for _ in range(2))
        return BidirectionalWeights(forward, backward, look_ahead)  # type: ignore[arg-type]

    return make


CELLS: dict[str, Callable[[Draw, int, int], CellWeights]] = {
    "lstm": lambda draw, units, features: LstmWeights(*_three(draw, 4, 4, units, features)),
    "lstm peephole": lambda draw, units, features: PeepholeLstmWeights(
        *_three(draw, 4, 4, units, features), draw(0.2, 3, units)
    ),
    "gru": _gru(True),
    "gru before": _gru(False),
    "rnn": lambda draw, units, features: RnnWeights(*_three(draw, 1, 1, units, features)),
    "rnn relu": lambda draw, units, features: _rectified(*_three(draw, 1, 1, units, features)),
    "fastgrnn": _fastgrnn(0.9, 0.02),
    "fastgrnn plain": _fastgrnn(1.0, 0.0),
    "fastgrnn wide": _fastgrnn(0.4, 0.7),
    **{f"both {cell}": _both(cell, 3) for cell in ("lstm", "gru", "gru before", "rnn")},
    "conv 2": _conv(2, "relu"),
    "conv 5": _conv(5, "tanh"),
    **{f"dense {activation}": _dense_layer(activation) for activation in get_args(Activation)},
}
"""A cell with its choices → its layer. The wide FastGRNN leaves ±1 and needs coarse codes of its pull."""

STACKS = {
    "gru, rnn, lstm": (("gru", 7), ("rnn", 5), ("lstm", 6)),
    "lstm, fastgrnn, gru before, rnn": (("lstm", 6), ("fastgrnn wide", 5), ("gru before", 9), ("rnn", 4)),
    "looking ahead twice": (("both gru", 8), ("both lstm", 6), ("rnn", 4)),
    "looking ahead behind": (("lstm", 5), ("both gru before", 6)),
    "gru, rnn relu, rnn relu, lstm": (("gru", 7), ("rnn relu", 6), ("rnn relu", 5), ("lstm", 6)),
    "lstm peephole, rnn, lstm peephole": (("lstm peephole", 7), ("rnn", 5), ("lstm peephole", 6)),
    "convolutions": (("conv 5", 7), ("conv 2", 6), ("lstm", 5), ("conv 2", 4)),
    "dense before, between and behind": (
        *(("dense relu", 7), ("gru", 6), ("dense linear", 5)),
        *(("dense sigmoid", 8), ("lstm", 6), ("dense tanh", 4)),
    ),
}


def cell_model(layers: Sequence[tuple[str, int]], features: int = 3, outputs: int = 2, seed: int = 0) -> FloatModel:
    """Random weights of the size training gives, in a sensor's odd physical units."""
    rng = np.random.default_rng(seed)
    made, width = [], features
    for cell, units in layers:
        made.append(CELLS[cell](lambda spread, *shape: rng.normal(0, spread, shape), units, width))
        width = units
    head = DenseWeights(rng.normal(0, 1, (outputs, width)), rng.normal(0, 0.1, outputs))
    return FloatModel(tuple(made), head, float_model(features, (1,), outputs, seed, "tag").interface)


def step_cell_model(layers: Sequence[tuple[str, int]], **options: Any) -> StepModel:
    model = cell_model(layers, **options)
    return quantise_step(model, calibrated(model))


def random_step_model(kinds: Sequence[tuple[str, int]], features: int = 3, seed: int = 0) -> StepModel:
    """Random codes, scales and zero points; ``kinds`` are those of ``integer_step`` with their units."""
    rng = np.random.default_rng(seed)
    layers: list[StepLayer] = []
    width = features
    for kind, units in kinds:
        zero = -128 if kind == "rnn_relu" else int(rng.integers(-60, 60))
        hidden = TANH_OUTPUT if kind == "rnn" else Quant(rng.uniform(0.004, 0.009), zero)
        layers.append(_RANDOM[kind](rng, hidden, units, width))
        width = units
    head = _dense(rng, hidden, 2, width)
    limit = np.full(features, 128)
    source = layers[0].hidden
    encoding = Encoding(np.zeros(features), np.full(features, 1 / source.scale), source.zero, -limit, limit - 1)
    task, channels = Task("tag", ("o0", "o1")), tuple(f"c{k}" for k in range(features))
    interface = Interface(channels, Scaling.identity(features), task, Scaling.identity(2))
    return StepModel(tuple(layers), head, encoding, Decoding(head.output.scale, head.output.zero), interface)


def _dense(rng: np.random.Generator, hidden: Quant, rows: int, width: int) -> TfliteDense:
    # Pre-activations that reach over ±8, saturation included.
    scale = rng.uniform(0.02, 0.06) / np.sqrt(width)
    weights, bias = rng.integers(-127, 128, (rows, width)), rng.integers(-9000, 9000, rows)
    return TfliteDense(weights, bias, scale, hidden, _quant(rng, 0.03, 0.07))


def _quant(rng: np.random.Generator, low: float, high: float) -> Quant:
    return Quant(rng.uniform(low, high), int(rng.integers(-60, 60)))


def _coarse(rng: np.random.Generator, hidden: Quant) -> Quant:
    return Quant(hidden.scale * int(rng.integers(1, 4)))


def _random_gru(rng: np.random.Generator, hidden: Quant, units: int, features: int) -> StepLayer:
    both = features + units
    gates = [_dense(rng, hidden, units, width) for width in (both, both, features, units)]
    return StepGru(
        tuple(gates), _quant(rng, 0.02, 0.05), _quant(rng, 0.02, 0.05), _quant(rng, 0.008, 0.016), _coarse(rng, hidden)
    )


def _random_gru_before(rng: np.random.Generator, hidden: Quant, units: int, features: int) -> StepLayer:
    gates = tuple(_dense(rng, hidden, units, features + units) for _ in range(3))
    return StepGruBefore(gates, _quant(rng, 0.008, 0.016), _coarse(rng, hidden))


def _random_fastgrnn(rng: np.random.Generator, hidden: Quant, units: int, features: int) -> StepLayer:
    block = _dense(rng, hidden, units, features + units)
    other = TfliteDense(block.weights, -block.bias, block.weight_scale, hidden, _quant(rng, 0.03, 0.07))
    pull = None if rng.random() < 0.5 else _coarse(rng, hidden)
    away, coarse = _quant(rng, 0.008, 0.016), _coarse(rng, hidden)
    return StepFastGrnn((block, other), away, coarse, pull, rng.uniform(0, 1), rng.uniform(0, 1))


def _random_lstm(rng: np.random.Generator, hidden: Quant, units: int, features: int) -> StepLayer:
    gates = tuple(_dense(rng, hidden, units, features + units) for _ in range(4))
    return StepLstm(gates, *(_quant(rng, 0.01, 0.04) for _ in range(3)))


def _random_rnn_relu(rng: np.random.Generator, hidden: Quant, units: int, features: int) -> StepLayer:
    width = features + units
    weights, bias = rng.integers(-127, 128, (units, width)), rng.integers(-5000, 9000, units)
    return StepRnnRelu((TfliteDense(weights, bias, rng.uniform(0.005, 0.02) / np.sqrt(width), hidden, hidden),))


def _random_peephole_lstm(rng: np.random.Generator, hidden: Quant, units: int, features: int) -> StepLayer:
    gates = tuple(_dense(rng, hidden, units, features + units) for _ in range(4))
    cell, peepholes = [_quant(rng, 0.01, 0.04) for _ in range(3)], [Quant(rng.uniform(0.002, 0.02)) for _ in range(3)]
    shown = [_quant(rng, 0.02, 0.05) for _ in range(6)]
    return StepPeepholeLstm(gates, *cell, rng.integers(-127, 128, (3, units)), *peepholes, *shown)


_RANDOM: dict[str, Callable[[np.random.Generator, Quant, int, int], StepLayer]] = {
    "lstm": _random_lstm,
    "gru": _random_gru,
    "gru_before": _random_gru_before,
    "rnn": lambda rng, hidden, units, features: StepRnn((_dense(rng, hidden, units, features + units),)),
    "rnn_relu": _random_rnn_relu,
    "lstm_peephole": _random_peephole_lstm,
    "fastgrnn": _random_fastgrnn,
}
