"""From a float model and its calibration to the integers of the explicit-state step model.

Everything is int8 with a zero point; weights are symmetric with one scale a gate. Inputs are read with the quantisation
of h, which is folded into the first layer as ``input_codes`` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from edge_lstm.integer import Decoding, Quant, TfliteDense
from edge_lstm.integer_step import (
    FINE_STEPS,
    TANH_OUTPUT,
    StepFastGrnn,
    StepGru,
    StepGruBefore,
    StepLayer,
    StepLstm,
    StepModel,
    StepRnn,
    passed_on,
)
from edge_lstm.model import (
    GATES,
    CellWeights,
    FastGrnnWeights,
    Float64,
    FloatModel,
    GruWeights,
    LstmWeights,
    RnnWeights,
)
from edge_lstm_calibration.calibrate import Calibration
from edge_lstm_calibration.input_codes import InputCodes, Moved
from edge_lstm_calibration.observers import Range
from edge_lstm_calibration.quantise_tflite import asymmetric, symmetric_scale
from edge_lstm_calibration.rounding import compensates, round_to_nearest, round_with_compensation

_CODES = 127
_ALMOST = 0.02
"""Part of a step's code by which a product may leave its range before it gets coarser codes."""


def quantise_step(model: FloatModel, calibration: Calibration, rounding: str = "compensated") -> StepModel:
    """The integers of ``model_step_int8.tflite``."""
    compensate = compensates(rounding)
    hidden = _hidden_states(model, calibration)
    codes = InputCodes.of(model, calibration)
    joints = zip(model.layers, pairwise(hidden), strict=False)
    readings = [codes.reading(hidden[0]), *(_reading(below.units, *quants) for below, quants in joints)]
    layers = []
    for index, (layer, own, reading) in enumerate(zip(model.layers, hidden, readings, strict=True)):
        rows = _Rows.of(layer, calibration, index, own, reading, compensate)
        layers.append(_QUANTISERS[type(layer)](layer, rows))
    last = len(model.layers)
    moments = calibration.moments[last]
    head = _block(
        model.head.weights.astype(np.float64),
        model.head.bias.astype(np.float64),
        hidden[-1],
        asymmetric(calibration.range(last, "y")),
        Moved(moments.mean, moments.covariance) if compensate else None,
    )
    decoding = Decoding(head.output.scale, head.output.zero)
    return StepModel(tuple(layers), head, codes.encoding(model.interface.scaling), decoding, model.interface)


def _hidden_states(model: FloatModel, calibration: Calibration) -> list[Quant]:
    """A quantisation of h for each layer.

    LSTMs share one, which spares what would join them: none of them leaves ±1. A tanh has no choice.
    """
    ranges = [calibration.range(index, "h") for index in range(len(model.layers))]
    if all(isinstance(layer, LstmWeights) for layer in model.layers):
        ranges = [(min(low for low, _ in ranges), max(high for _, high in ranges))] * len(ranges)
    return [
        TANH_OUTPUT if isinstance(layer, RnnWeights) else asymmetric(span)
        for layer, span in zip(model.layers, ranges, strict=True)
    ]


def _reading(units: int, below: Quant, above: Quant) -> tuple[Float64, Float64]:
    """How a layer reads h of the one below: gain and offset."""
    factor = 1.0 if below == above else passed_on(below, above)
    return np.full(units, 1.0 / factor), np.zeros(units)


@dataclass(frozen=True, eq=False)
class _Rows:
    """A layer's rows over [u | h], u being its inputs as the file reads them.

    Args:
        weights: (matrices, H, F + H), kernel and recurrent side by side.
        bias: (gates, H).
        moved: mean and covariance of [u | h]; None rounds to nearest.
        moved_reset: the same of [u | r·h], of a GRU that resets before its product.
    """

    calibration: Calibration
    index: int
    hidden: Quant
    weights: Float64
    bias: Float64
    moved: Moved | None
    moved_reset: Moved | None

    @classmethod
    def of(
        cls,
        layer: CellWeights,
        calibration: Calibration,
        index: int,
        hidden: Quant,
        reading: tuple[Float64, Float64],
        compensate: bool,
    ) -> _Rows:
        """``reading`` is the gain and the offset of ``InputCodes.reading``; ones and zeros above the first layer."""
        gains, offsets = (
            np.concatenate([part, np.full(layer.units, rest)]) for part, rest in zip(reading, (1.0, 0.0), strict=True)
        )
        weights = np.concatenate([layer.kernel, layer.recurrent], axis=2).astype(np.float64)
        moments = [each.get(index) for each in (calibration.moments, calibration.reset_moments)]
        moved = [Moved.of(each, *reading) if each is not None and compensate else None for each in moments]
        return cls(calibration, index, hidden, weights * gains, layer.bias + weights @ offsets, *moved)

    def quant(self, tensor: str) -> Quant:
        """Of a tensor that calibration has seen."""
        return asymmetric(self.calibration.range(self.index, tensor))

    def gate(self, k: int, name: str) -> TfliteDense:
        """The rows of one gate."""
        return _block(self.weights[k], self.bias[k], self.hidden, self.quant(f"{name}_pre"), self.moved)

    def negated(self, name: str) -> Quant:
        """Of a tensor's opposite."""
        low, high = self.calibration.range(self.index, name)
        return asymmetric((-high, -low))

    def coarse(self, tensor: str) -> Quant:
        """Of a product that h gives up: whole steps of h, as few as reach its ends."""
        low, high = self.calibration.range(self.index, tensor)
        return coarse_codes(self.hidden, (low, high))


def coarse_codes(hidden: Quant, span: Range) -> Quant:
    """The fewest whole steps of h in which int8 codes hold a range, symmetric."""
    steps = int(np.ceil(max(abs(end) for end in span) / (_CODES * hidden.scale) - _ALMOST))
    return Quant(hidden.scale * max(steps, 1))


def _lstm(_layer: LstmWeights, rows: _Rows) -> StepLayer:
    gates = tuple(rows.gate(k, gate) for k, gate in enumerate(GATES))
    return StepLstm(gates, *(rows.quant(name) for name in ("f·c", "i·g", "c")))


def _gru(layer: GruWeights, rows: _Rows) -> StepLayer:
    update = _block(-rows.weights[0], -rows.bias[0], rows.hidden, rows.negated("z_pre"), rows.moved)
    away, coarse = rows.quant("h-n"), rows.coarse("u·(h-n)")
    gates = update, rows.gate(1, "r")
    weights, bias = rows.weights[2], rows.bias[2]
    if not layer.reset_after:
        candidate = _block(weights, bias, rows.hidden, rows.quant("n_pre"), rows.moved_reset)
        return StepGruBefore((*gates, candidate), away, coarse)
    over_x, over_h = slice(layer.features), slice(layer.features, None)
    halves = [
        _block(weights[:, columns], offset, rows.hidden, rows.quant(name), rows.moved and rows.moved.take(columns))
        for columns, offset, name in ((over_x, bias, "n_over_x"), (over_h, layer.reset_bias, "n_over_h"))
    ]
    return StepGru((*gates, *halves), rows.quant("r·n_over_h"), rows.quant("n_pre"), away, coarse)


def _rnn(_layer: RnnWeights, rows: _Rows) -> StepLayer:
    return StepRnn((rows.gate(0, "n"),))


def _fastgrnn(layer: FastGrnnWeights, rows: _Rows) -> StepLayer:
    targets = [rows.negated(f"{gate}_pre") for gate in layer.gates]
    gates = _blocks(-rows.weights[0], -rows.bias, rows.hidden, targets, rows.moved)
    pull = float(layer.nu)
    held = pull <= _CODES * rows.hidden.scale / FINE_STEPS
    return StepFastGrnn(
        gates,
        rows.quant("h-ζ·n"),
        rows.coarse("u·(h-ζ·n)"),
        None if held else coarse_codes(rows.hidden, (-pull, pull)),
        layer.zeta,
        layer.nu,
    )


_QUANTISERS: dict[type, Callable[[Any, _Rows], StepLayer]] = {
    LstmWeights: _lstm,
    GruWeights: _gru,
    RnnWeights: _rnn,
    FastGrnnWeights: _fastgrnn,
}


def _block(weights: Float64, bias: Any, source: Quant, target: Quant, statistics: Moved | None) -> TfliteDense:
    """Integers of ``weights @ u + bias``; ``statistics`` are of u, None rounds to nearest."""
    return _blocks(weights, np.asarray(bias, np.float64)[None], source, [target], statistics)[0]


def _blocks(
    weights: Float64, biases: Float64, source: Quant, targets: Sequence[Quant], statistics: Moved | None
) -> tuple[TfliteDense, ...]:
    """As ``_block``, of one kernel and several biases (blocks, R), each block with its own target."""
    scale = symmetric_scale(weights, biases, source)
    steps = np.full(weights.shape, float(scale))
    if statistics is None:
        codes = round_to_nearest(weights, steps)
    else:
        codes = round_with_compensation(weights, steps, statistics.covariance)
        biases = biases + (weights - codes * steps) @ statistics.mean
    bias_codes = np.rint(biases / float(scale * np.float32(source.scale))).astype(np.int32)
    return tuple(
        TfliteDense(codes.astype(np.int8), bias, float(scale), source, target)
        for bias, target in zip(bias_codes, targets, strict=True)
    )
