"""From a float model and its calibration to the integers of the explicit-state step model.

Everything is int8 with a zero point; weights are symmetric with one scale a gate. Inputs are read with the quantisation
of h, which is folded into the first layer as ``input_codes`` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lstm.integer import Decoding, Quant, TfliteDense
from edge_lstm.integer_step import (
    DENSE_OUTPUTS,
    FINE_STEPS,
    PEEPHOLE_GATES,
    TANH_OUTPUT,
    StepBidirectional,
    StepCellLayer,
    StepConv,
    StepDense,
    StepFastGrnn,
    StepGru,
    StepGruBefore,
    StepLayer,
    StepLstm,
    StepModel,
    StepPeepholeLstm,
    StepRnn,
    StepRnnRelu,
    joint,
)
from edge_lstm.model import (
    GATES,
    ArrayWeights,
    BidirectionalWeights,
    CellWeights,
    ConvWeights,
    DenseLayerWeights,
    FastGrnnWeights,
    Float64,
    FloatModel,
    GruWeights,
    LstmWeights,
    PeepholeLstmWeights,
    RnnWeights,
)
from edge_lstm_calibration.calibrate import Calibration
from edge_lstm_calibration.input_codes import InputCodes, Moved
from edge_lstm_calibration.observers import Range
from edge_lstm_calibration.quantise_tflite import asymmetric, symmetric_scale
from edge_lstm_calibration.rounding import compensates, round_to_nearest, round_with_compensation

_CODES = 127
_TINY = 1e-9
_ALMOST = 0.02
"""Part of a step's code by which a product may leave its range before it gets coarser codes."""


def quantise_step(model: FloatModel, calibration: Calibration, rounding: str = "compensated") -> StepModel:
    """The integers of ``model_step_int8.tflite``."""
    compensate = compensates(rounding)
    hidden = _hidden_states(model, calibration)
    codes = InputCodes.of(model, calibration)
    # Any scale will do for x alone, for the kernel takes what it misreads; this one leaves most of the kernel as it is.
    below = Quant(float(np.median(codes.step)))
    layers: list[StepLayer] = []
    for index, (layer, own) in enumerate(zip(model.layers, hidden, strict=True)):
        source = below if isinstance(layer, DenseLayerWeights) else own
        reading = _reading(layer.features, below, source) if layers else codes.reading(source)
        place = index, source, reading, compensate
        if isinstance(layer, BidirectionalWeights):
            forward = _cell(layer.forward, calibration.halves[index, "forward"], *place)
            backward = _cell(layer.backward, calibration.halves[index, "backward"], *place)
            layers.append(StepBidirectional(forward, backward, layer.look_ahead))
        else:
            layers.append(_cell(layer, calibration, *place))
        below = own
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


def _cell(
    layer: ArrayWeights,
    calibration: Calibration,
    index: int,
    source: Quant,
    reading: tuple[Float64, Float64],
    compensate: bool,
) -> StepCellLayer:
    gain, offset = (np.tile(part, layer.span) for part in reading)
    rows = _Rows.of(layer, calibration, index, source, (gain, offset), compensate)
    return _QUANTISERS[type(layer)](layer, rows)


def _hidden_states(model: FloatModel, calibration: Calibration) -> list[Quant]:
    """A quantisation of h for each layer.

    LSTMs share one, which spares what would join them: none of them leaves ±1. A sigmoid or a tanh has no choice.
    """
    ranges = [calibration.range(index, "h") for index in range(len(model.layers))]
    if all(isinstance(layer, LstmWeights) for layer in model.layers):
        ranges = [(min(low for low, _ in ranges), max(high for _, high in ranges))] * len(ranges)
    given = [_given(layer) for layer in model.layers]
    return [quant or asymmetric(span) for quant, span in zip(given, ranges, strict=True)]


def _given(layer: CellWeights) -> Quant | None:
    """The quantisation that an operator demands of h."""
    if isinstance(layer, DenseLayerWeights):
        return DENSE_OUTPUTS[layer.activation][1]
    if isinstance(layer, BidirectionalWeights):
        return _given(layer.forward)
    return TANH_OUTPUT if isinstance(layer, RnnWeights) and layer.activation == "tanh" else None


def _reading(units: int, below: Quant, above: Quant) -> tuple[Float64, Float64]:
    """How a layer reads h of the one below: gain and offset."""
    if below == above:
        return np.ones(units), np.zeros(units)
    at = joint(below, above)
    return np.full(units, 1.0 / at.factor), np.full(units, -at.lift / at.factor)


@dataclass(frozen=True, eq=False)
class _Rows:
    """A layer's rows over [u | h], u being its inputs as the file reads them; over u alone of a dense layer.

    Args:
        source: quantisation of [u | h].
        weights: (matrices, H, F + H), kernel and recurrent side by side.
        bias: (gates, H).
        moved: mean and covariance of [u | h]; None rounds to nearest.
        moved_reset: the same of [u | r·h], of a GRU that resets before its product.
    """

    calibration: Calibration
    index: int
    source: Quant
    weights: Float64
    bias: Float64
    moved: Moved | None
    moved_reset: Moved | None

    @classmethod
    def of(
        cls,
        layer: ArrayWeights,
        calibration: Calibration,
        index: int,
        source: Quant,
        reading: tuple[Float64, Float64],
        compensate: bool,
    ) -> _Rows:
        """``reading`` is the gain and the offset of ``InputCodes.reading``; ones and zeros above the first layer."""
        gains, offsets = (
            np.concatenate([part, np.full(layer.units, rest)]) for part, rest in zip(reading, (1.0, 0.0), strict=True)
        )
        parts = [layer.kernel] if isinstance(layer, DenseLayerWeights) else [layer.kernel, layer.recurrent]
        weights = np.concatenate(parts, axis=2).astype(np.float64)
        columns = slice(weights.shape[2])
        gains, offsets = gains[columns], offsets[columns]
        moments = [each.get(index) for each in (calibration.moments, calibration.reset_moments)]
        moved = [
            Moved.of(each, *reading).take(columns) if each is not None and compensate else None for each in moments
        ]
        return cls(calibration, index, source, weights * gains, layer.bias + weights @ offsets, *moved)

    def quant(self, tensor: str) -> Quant:
        """Of a tensor that calibration has seen."""
        return asymmetric(self.calibration.range(self.index, tensor))

    def gate(self, k: int, name: str, target: str = "") -> TfliteDense:
        """The rows of one gate: its pre-activation, or another tensor that they give."""
        return _block(self.weights[k], self.bias[k], self.source, self.quant(target or f"{name}_pre"), self.moved)

    def negated(self, name: str) -> Quant:
        """Of a tensor's opposite."""
        low, high = self.calibration.range(self.index, name)
        return asymmetric((-high, -low))

    def coarse(self, tensor: str) -> Quant:
        """Of a product that h gives up: whole steps of h, as few as reach its ends."""
        low, high = self.calibration.range(self.index, tensor)
        return coarse_codes(self.source, (low, high))


def coarse_codes(hidden: Quant, span: Range) -> Quant:
    """The fewest whole steps of h in which int8 codes hold a range, symmetric."""
    steps = int(np.ceil(max(abs(end) for end in span) / (_CODES * hidden.scale) - _ALMOST))
    return Quant(hidden.scale * max(steps, 1))


def _lstm(_layer: LstmWeights, rows: _Rows) -> StepCellLayer:
    gates = tuple(rows.gate(k, gate) for k, gate in enumerate(GATES))
    return StepLstm(gates, *(rows.quant(name) for name in ("f·c", "i·g", "c")))


def _peephole_lstm(layer: PeepholeLstmWeights, rows: _Rows) -> StepCellLayer:
    targets = {gate: f"{gate}_pre" if gate == "g" else f"{gate}_rows" for gate in GATES}
    gates = tuple(rows.gate(k, gate, targets[gate]) for k, gate in enumerate(GATES))
    quants = [Quant(max(float(np.abs(each).max()), _TINY) / _CODES) for each in layer.peephole]
    codes = [np.rint(each / quant.scale) for each, quant in zip(layer.peephole, quants, strict=True)]
    seen, pre = ([rows.quant(name.format(gate)) for gate in PEEPHOLE_GATES] for name in ("p·c_{}", "{}_pre"))
    kept, added, cell = (rows.quant(name) for name in ("f·c", "i·g", "c"))
    return StepPeepholeLstm(gates, kept, added, cell, np.stack(codes), *quants, *seen, *pre)


def _gru(layer: GruWeights, rows: _Rows) -> StepCellLayer:
    update = _block(-rows.weights[0], -rows.bias[0], rows.source, rows.negated("z_pre"), rows.moved)
    away, coarse = rows.quant("h-n"), rows.coarse("u·(h-n)")
    gates = update, rows.gate(1, "r")
    weights, bias = rows.weights[2], rows.bias[2]
    if not layer.reset_after:
        candidate = _block(weights, bias, rows.source, rows.quant("n_pre"), rows.moved_reset)
        return StepGruBefore((*gates, candidate), away, coarse)
    over_x, over_h = slice(layer.features), slice(layer.features, None)
    halves = [
        _block(weights[:, columns], offset, rows.source, rows.quant(name), rows.moved and rows.moved.take(columns))
        for columns, offset, name in ((over_x, bias, "n_over_x"), (over_h, layer.reset_bias, "n_over_h"))
    ]
    return StepGru((*gates, *halves), rows.quant("r·n_over_h"), rows.quant("n_pre"), away, coarse)


def _rnn(layer: RnnWeights, rows: _Rows) -> StepCellLayer:
    if layer.activation == "tanh":
        return StepRnn((rows.gate(0, "n"),))
    return StepRnnRelu((_block(rows.weights[0], rows.bias[0], rows.source, rows.source, rows.moved),))


def _dense(layer: DenseLayerWeights, rows: _Rows) -> StepCellLayer:
    squashed = DENSE_OUTPUTS[layer.activation][1] is not None
    # Without an operator behind it the block ends where h does, a rectified one at 0.
    target = rows.quant("n_pre" if squashed else "h")
    gates = (_block(rows.weights[0], rows.bias[0], rows.source, target, rows.moved),)
    if isinstance(layer, ConvWeights):
        return StepConv(gates, layer.activation, layer.taps)
    return StepDense(gates, layer.activation)


def _fastgrnn(layer: FastGrnnWeights, rows: _Rows) -> StepCellLayer:
    targets = [rows.negated(f"{gate}_pre") for gate in layer.gates]
    gates = _blocks(-rows.weights[0], -rows.bias, rows.source, targets, rows.moved)
    pull = float(layer.nu)
    held = pull <= _CODES * rows.source.scale / FINE_STEPS
    return StepFastGrnn(
        gates,
        rows.quant("h-ζ·n"),
        rows.coarse("u·(h-ζ·n)"),
        None if held else coarse_codes(rows.source, (-pull, pull)),
        layer.zeta,
        layer.nu,
    )


_QUANTISERS: dict[type, Callable[[Any, _Rows], StepCellLayer]] = {
    LstmWeights: _lstm,
    PeepholeLstmWeights: _peephole_lstm,
    GruWeights: _gru,
    RnnWeights: _rnn,
    FastGrnnWeights: _fastgrnn,
    DenseLayerWeights: _dense,
    ConvWeights: _dense,
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
