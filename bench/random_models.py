"""Models of a given shape, with weights of the size that training gives, quantised on smooth random recordings.

Counts of instructions depend on the shape and hardly on the values, so figures of kernels need no training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.integer import NativeModel, Scheme, TfliteModel
from edge_lstm.model import DenseWeights, FloatModel, Interface, LstmWeights, Scaling, Task
from edge_lstm_calibration import calibrate, quantise_native, quantise_tflite

STEPS = 64


def random_float(features: int, units: Sequence[int], outputs: int, seed: int = 0) -> FloatModel:
    """Recurrent weights of norm near one, a forget bias of one, scaled inputs."""
    rng = np.random.default_rng(seed)
    layers, width = [], features
    for count in units:
        kernel = rng.normal(0, 1 / np.sqrt(width), (4, count, width))
        recurrent = rng.normal(0, 1 / np.sqrt(count), (4, count, count))
        bias = rng.normal(0, 0.2, (4, count))
        bias[1] += 1.0
        layers.append(LstmWeights(kernel, recurrent, bias))
        width = count
    head = DenseWeights(rng.normal(0, 1 / np.sqrt(width), (outputs, width)), rng.normal(0, 0.1, outputs))
    channels, names = (tuple(f"{word}{k}" for k in range(n)) for word, n in (("channel", features), ("class", outputs)))
    interface = Interface(channels, Scaling.identity(features), Task("classify", names), Scaling.identity(outputs))
    return FloatModel(tuple(layers), head, interface)


def smooth(features: int, steps: int, seed: int = 0) -> NDArray[np.float32]:
    """(T, C) random recording of unit variance, changing slowly."""
    noise = np.random.default_rng(seed).normal(0, 1, (steps + 8, features))
    return (sum(noise[k : steps + k] for k in range(8)) / np.sqrt(8)).astype(np.float32)


def random_native(
    features: int, units: Sequence[int], outputs: int, scheme: Scheme, seed: int = 0
) -> tuple[NativeModel, NDArray[Any]]:
    """An integer model and (STEPS, C) codes for it."""
    model, series = _model_and_series(features, units, outputs, seed)
    native = quantise_native(model, calibrate(model, series), scheme)
    return native, native.encoding.encode(series[0][:STEPS])


def random_tflite(features: int, units: Sequence[int], outputs: int, seed: int = 0) -> tuple[TfliteModel, NDArray[Any]]:
    """The same float model in the integers of a fused TFLite file, and (STEPS, C) codes for it."""
    model, series = _model_and_series(features, units, outputs, seed)
    tflite = quantise_tflite(model, calibrate(model, series))
    return tflite, tflite.encoding.encode(series[0][:STEPS])


def _model_and_series(
    features: int, units: Sequence[int], outputs: int, seed: int
) -> tuple[FloatModel, list[NDArray[np.float32]]]:
    return random_float(features, units, outputs, seed), [smooth(features, 256, seed + k) for k in range(4)]
