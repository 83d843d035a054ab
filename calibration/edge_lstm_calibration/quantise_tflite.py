"""From a float model and its calibration to the integers of a fused int8 TFLite LSTM.

Scales follow the TFLite quantisation specification for this op: int8 activations with a zero point, int8 weights with
one scale a gate, int32 biases, an int16 cell whose scale is a power of two.
"""

from __future__ import annotations

import numpy as np

from edge_lstm.arithmetic.fused import CELL_EXPONENTS
from edge_lstm.errors import QuantisationError
from edge_lstm.integer import Decoding, Quant, TfliteDense, TfliteLstm, TfliteModel
from edge_lstm.model import Float64, FloatModel, LstmWeights
from edge_lstm_calibration.calibrate import Calibration
from edge_lstm_calibration.input_codes import Folded, InputCodes
from edge_lstm_calibration.observers import Range
from edge_lstm_calibration.rounding import compensates, round_to_nearest, round_with_compensation

_TINY = 1e-9


def can_fuse(model: FloatModel) -> bool:
    """Whether TFLite's fused integer op can hold a model: all of its layers are LSTMs."""
    return all(isinstance(layer, LstmWeights) for layer in model.layers)


def quantise_tflite(model: FloatModel, calibration: Calibration, rounding: str = "compensated") -> TfliteModel:
    """The integer model of the fused op, for arithmetics ``tflite`` and ``tflm``.

    Raises:
        QuantisationError: if the cell state leaves the range the runtimes can compute, or a layer is no LSTM.
    """
    lstms = _lstms(model)
    compensate = compensates(rounding)
    codes = InputCodes.of(model, calibration)
    # Any scale will do, for the kernel takes what it misreads; this one leaves most of the kernel as it is.
    source = Quant(float(np.median(codes.step)), 0)
    reading = codes.reading(source)
    layers = []
    for index, layer in enumerate(lstms):
        folded = Folded.of(layer, calibration, index, *reading)
        hidden = asymmetric(calibration.range(index, "h"))
        exponent = cell_exponent(float(calibration.largest(index, "c")[0]), f"layer {index}")
        layers.append(_layer(folded, source, hidden, exponent, compensate))
        source, reading = hidden, (np.ones(layer.units), np.zeros(layer.units))
    head = _head(model, calibration, source, compensate)
    decoding = Decoding(head.output.scale, head.output.zero)
    return TfliteModel(tuple(layers), head, codes.encoding(model.interface.scaling), decoding, model.interface)


def _lstms(model: FloatModel) -> list[LstmWeights]:
    for index, layer in enumerate(model.layers):
        if not isinstance(layer, LstmWeights):
            raise QuantisationError(
                f"layer {index} is a {layer.cell}, and TFLite fuses integer LSTMs alone; use the explicit-state file"
            )
    return [layer for layer in model.layers if isinstance(layer, LstmWeights)]


def asymmetric(span: Range) -> Quant:
    """Int8 with a zero point over a range that holds 0 exactly."""
    low, high = min(span[0], 0.0), max(span[1], 0.0)
    scale = float(np.float32(max(high - low, _TINY) / 255.0))
    return Quant(scale, int(np.clip(round(-128 - low / scale), -128, 127)))


def symmetric_scale(weights: Float64, bias: Float64, source: Quant) -> np.float32:
    """Float32 step of int8 weights that reaches the largest of them, and keeps the bias within 30 bits."""
    reach = np.abs(weights).max() / 127.0
    bias_reach = np.abs(bias).max() / (source.scale * 2.0**30)
    return np.float32(max(float(reach), float(bias_reach), _TINY))


def cell_exponent(largest: float, where: str) -> int:
    """log2 of the cell's scale: the finest power of two whose int16 range holds ``largest``."""
    exponent = max(int(np.ceil(np.log2(max(largest, _TINY)))) - 15, CELL_EXPONENTS.start)
    if exponent not in CELL_EXPONENTS:
        limit = 2 ** (CELL_EXPONENTS[-1] + 15)
        raise QuantisationError(
            f"{where}: the cell state reaches {largest:.1f}, TFLite can compute up to {limit}; reset the state more "
            "often ([task] window), or train again with [training] weight_decay = 0.1"
        )
    return exponent


def _layer(folded: Folded, source: Quant, hidden: Quant, exponent: int, compensate: bool) -> TfliteLstm:
    _, units, columns = folded.weights.shape
    features = columns - units
    kernel_scale = np.array(
        [symmetric_scale(w[:, :features], b, source) for w, b in zip(folded.weights, folded.bias, strict=True)]
    )
    recurrent_scale = np.array([symmetric_scale(w, np.zeros(1), hidden) for w in folded.weights[:, :, features:]])
    steps = np.repeat(np.stack([kernel_scale, recurrent_scale], axis=1), [features, units], axis=1).astype(np.float64)
    rows = folded.weights.reshape(4 * units, columns)
    row_steps = np.repeat(steps, units, axis=0)
    codes, correction = _round(rows, row_steps, (folded.mean, folded.covariance) if compensate else None)
    weights = codes.reshape(folded.weights.shape).astype(np.int8)
    bias_scale = (kernel_scale * np.float32(source.scale)).astype(np.float64)
    bias = np.rint((folded.bias + correction.reshape(4, units)) / bias_scale[:, None])
    return TfliteLstm(
        weights[:, :, :features],
        weights[:, :, features:],
        bias.astype(np.int32),
        kernel_scale,
        recurrent_scale,
        source,
        hidden,
        exponent,
    )


def _head(model: FloatModel, calibration: Calibration, source: Quant, compensate: bool) -> TfliteDense:
    layer = len(model.layers)
    weights = model.head.weights.astype(np.float64)
    scale = symmetric_scale(weights, model.head.bias.astype(np.float64), source)
    moments = calibration.moments[layer]
    statistics = (moments.mean, moments.covariance) if compensate else None
    codes, correction = _round(weights, np.full(weights.shape, float(scale)), statistics)
    bias = np.rint((model.head.bias + correction) / float(np.float32(scale * np.float32(source.scale))))
    output = asymmetric(calibration.extremes(layer, "y"))
    return TfliteDense(codes.astype(np.int8), bias.astype(np.int32), float(scale), source, output)


def _round(weights: Float64, steps: Float64, statistics: tuple[Float64, Float64] | None) -> tuple[Float64, Float64]:
    """Weight codes, and what their error takes from the bias on average; ``statistics`` are mean and covariance."""
    if statistics is None:
        return round_to_nearest(weights, steps), np.zeros(len(weights))
    mean, covariance = statistics
    codes = round_with_compensation(weights, steps, covariance)
    return codes, (weights - codes * steps) @ mean
