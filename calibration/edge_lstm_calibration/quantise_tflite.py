"""From a float model and its calibration to the integers of a fused int8 TFLite LSTM.

Scales follow the TFLite quantisation specification for this op: int8 activations with a zero point, int8 weights with
one scale a gate, int32 biases, an int16 cell whose scale is a power of two.
"""

from __future__ import annotations

import numpy as np

from edge_lstm.arithmetic.fused import CELL_EXPONENTS
from edge_lstm.errors import QuantisationError
from edge_lstm.integer import Decoding, Encoding, Quant, TfliteDense, TfliteLstm, TfliteModel
from edge_lstm.model import Float64, FloatModel
from edge_lstm_calibration.calibrate import Calibration, Moments
from edge_lstm_calibration.observers import Range
from edge_lstm_calibration.rounding import compensates, round_to_nearest, round_with_compensation

_TINY = 1e-9


def quantise_tflite(model: FloatModel, calibration: Calibration, rounding: str = "compensated") -> TfliteModel:
    """The integer model of the fused op, for arithmetics ``tflite`` and ``tflm``.

    Raises:
        QuantisationError: if the cell state leaves the range the runtimes can compute.
    """
    compensate = compensates(rounding)
    layers = []
    source = asymmetric(calibration.joint_range(0, "x"))
    for index in range(len(model.layers)):
        layers.append(_layer(model, calibration, index, source, compensate))
        source = layers[-1].hidden
    head = _head(model, calibration, source, compensate)
    scaling = model.interface.scaling
    channels = len(scaling.offset)
    encoding = Encoding(
        scaling.offset.astype(np.float32),
        (1.0 / (scaling.scale * layers[0].input.scale)).astype(np.float32),
        layers[0].input.zero,
        np.full(channels, -128, np.int32),
        np.full(channels, 127, np.int32),
    )
    decoding = Decoding(head.output.scale, head.output.zero)
    return TfliteModel(tuple(layers), head, encoding, decoding, model.interface)


def asymmetric(span: Range) -> Quant:
    """Int8 with a zero point over a range that holds 0 exactly."""
    low, high = min(span[0], 0.0), max(span[1], 0.0)
    scale = float(np.float32(max(high - low, _TINY) / 255.0))
    return Quant(scale, int(np.clip(round(-128 - low / scale), -128, 127)))


def symmetric_scale(weights: Float64) -> np.float32:
    """Float32 step of int8 weights that reaches the largest of them."""
    return np.float32(max(float(np.abs(weights).max()), _TINY) / 127.0)


def cell_exponent(largest: float, where: str) -> int:
    """log2 of the cell's scale: the finest power of two whose int16 range holds ``largest``."""
    exponent = max(int(np.ceil(np.log2(max(largest, _TINY)))) - 15, CELL_EXPONENTS.start)
    if exponent not in CELL_EXPONENTS:
        limit = 2 ** (CELL_EXPONENTS[-1] + 15)
        raise QuantisationError(
            f"{where}: the cell state reaches {largest:.1f}, TFLite can compute up to {limit}; reset the state more "
            "often (task.window), train with more weight decay, or export for C only (--arithmetic native)"
        )
    return exponent


def _layer(model: FloatModel, calibration: Calibration, index: int, source: Quant, compensate: bool) -> TfliteLstm:
    layer = model.layers[index]
    hidden = asymmetric(calibration.range(index, "h"))
    kernel_scale = np.array([symmetric_scale(w) for w in layer.kernel])
    recurrent_scale = np.array([symmetric_scale(w) for w in layer.recurrent])
    weights = np.concatenate([layer.kernel, layer.recurrent], axis=2).astype(np.float64)
    steps = np.concatenate(
        [
            np.broadcast_to(kernel_scale[:, None, None], layer.kernel.shape),
            np.broadcast_to(recurrent_scale[:, None, None], layer.recurrent.shape),
        ],
        axis=2,
    ).astype(np.float64)
    flat, flat_steps = weights.reshape(4 * layer.units, -1), steps.reshape(4 * layer.units, -1)
    moments = calibration.moments[index] if compensate else None
    codes, correction = _round(flat, flat_steps, moments)
    codes = codes.reshape(weights.shape)
    bias_scale = (kernel_scale * np.float32(source.scale)).astype(np.float32).astype(np.float64)
    bias = np.rint((layer.bias + correction.reshape(4, -1)) / bias_scale[:, None])
    return TfliteLstm(
        codes[:, :, : layer.features].astype(np.int8),
        codes[:, :, layer.features :].astype(np.int8),
        bias.astype(np.int32),
        kernel_scale,
        recurrent_scale,
        source,
        hidden,
        cell_exponent(float(calibration.largest(index, "c")[0]), f"layer {index}"),
    )


def _head(model: FloatModel, calibration: Calibration, source: Quant, compensate: bool) -> TfliteDense:
    layer = len(model.layers)
    weights = model.head.weights.astype(np.float64)
    scale = symmetric_scale(weights)
    moments = calibration.moments[layer] if compensate else None
    codes, correction = _round(weights, np.full(weights.shape, float(scale)), moments)
    bias = np.rint((model.head.bias + correction) / float(np.float32(scale * np.float32(source.scale))))
    return TfliteDense(
        codes.astype(np.int8), bias.astype(np.int32), float(scale), source, asymmetric(calibration.range(layer, "y"))
    )


def _round(weights: Float64, steps: Float64, moments: Moments | None) -> tuple[Float64, Float64]:
    """Weight codes, and what their error adds to the bias on average."""
    if moments is None:
        return round_to_nearest(weights, steps), np.zeros(len(weights))
    codes = round_with_compensation(weights, steps, moments.covariance)
    return codes, (weights - codes * steps) @ moments.mean
