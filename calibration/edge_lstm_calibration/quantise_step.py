"""From a float model and its calibration to the integers of the explicit-state step model.

Everything is int8 with a zero point; weights are symmetric with one scale a gate. Inputs are read with the quantisation
of h, which is folded into the first layer as ``input_codes`` says.
"""

from __future__ import annotations

import numpy as np

from edge_lstm.integer import Decoding, Quant, TfliteDense
from edge_lstm.integer_step import StepLstm, StepModel
from edge_lstm.model import GATES, Float64, FloatModel
from edge_lstm_calibration.calibrate import Calibration
from edge_lstm_calibration.input_codes import Folded, InputCodes
from edge_lstm_calibration.quantise_tflite import asymmetric, symmetric_scale
from edge_lstm_calibration.rounding import compensates, round_to_nearest, round_with_compensation


def quantise_step(model: FloatModel, calibration: Calibration, rounding: str = "compensated") -> StepModel:
    """The integers of ``model_step_int8.tflite``."""
    compensate = compensates(rounding)
    hidden = _joint_hidden(model, calibration)
    codes = InputCodes.of(model, calibration)
    reading = codes.reading(hidden)
    layers = []
    for index, layer in enumerate(model.layers):
        gates = _gates(Folded.of(layer, calibration, index, *reading), calibration, index, hidden, compensate)
        reading = np.ones(layer.units), np.zeros(layer.units)
        kept, added = (asymmetric(calibration.range(index, name)) for name in ("f·c", "i·g"))
        layers.append(StepLstm(gates, kept, added, asymmetric(calibration.range(index, "c"))))
    last = len(model.layers)
    moments = calibration.moments[last]
    head = _block(
        model.head.weights.astype(np.float64),
        model.head.bias.astype(np.float64),
        hidden,
        asymmetric(calibration.range(last, "y")),
        (moments.mean, moments.covariance) if compensate else None,
    )
    decoding = Decoding(head.output.scale, head.output.zero)
    return StepModel(tuple(layers), head, codes.encoding(model.interface.scaling), decoding, model.interface)


def _joint_hidden(model: FloatModel, calibration: Calibration) -> Quant:
    """One quantisation for the hidden states of all layers: a layer's input is concatenated with its own state."""
    ranges = [calibration.range(index, "h") for index in range(len(model.layers))]
    return asymmetric((min(low for low, _ in ranges), max(high for _, high in ranges)))


def _gates(
    folded: Folded, calibration: Calibration, index: int, hidden: Quant, compensate: bool
) -> tuple[TfliteDense, ...]:
    statistics = (folded.mean, folded.covariance) if compensate else None
    return tuple(
        _block(
            folded.weights[k], folded.bias[k], hidden, asymmetric(calibration.range(index, f"{gate}_pre")), statistics
        )
        for k, gate in enumerate(GATES)
    )


def _block(
    weights: Float64, bias: Float64, source: Quant, target: Quant, statistics: tuple[Float64, Float64] | None
) -> TfliteDense:
    """Integers of ``weights @ u + bias``; ``statistics`` are mean and covariance of u, None rounds to nearest."""
    scale = symmetric_scale(weights, bias, source)
    steps = np.full(weights.shape, float(scale))
    if statistics is None:
        codes = round_to_nearest(weights, steps)
    else:
        mean, covariance = statistics
        codes = round_with_compensation(weights, steps, covariance)
        bias = bias + (weights - codes * steps) @ mean
    bias_codes = np.rint(bias / float(scale * np.float32(source.scale)))
    return TfliteDense(codes.astype(np.int8), bias_codes.astype(np.int32), float(scale), source, target)
