"""Small models and signals that tests share. Everything is generated from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.integer import NativeModel, Scheme, TfliteModel
from edge_lstm.model import DenseWeights, FloatModel, Interface, LstmWeights, Scaling, Task
from edge_lstm_calibration import Calibration, calibrate, quantise_native, quantise_tflite


def float_model(
    features: int = 3,
    units: Sequence[int] = (8,),
    outputs: int = 2,
    seed: int = 0,
    kind: str = "classify",
    window: int | None = None,
    gain: float = 1.0,
) -> FloatModel:
    """A random model with weights of the size training gives, and a sensor in odd physical units."""
    rng = np.random.default_rng(seed)
    layers, width = [], features
    for count in units:
        kernel = rng.normal(0, gain / np.sqrt(width), (4, count, width))
        recurrent = rng.normal(0, gain / np.sqrt(count), (4, count, count))
        bias = rng.normal(0, 0.2, (4, count))
        bias[1] += 1.0
        layers.append(LstmWeights(kernel, recurrent, bias))
        width = count
    head = DenseWeights(rng.normal(0, 1, (outputs, width)), rng.normal(0, 0.1, outputs))
    names = tuple(f"out{k}" for k in range(outputs))
    task = Task(kind, names, window=window)  # type: ignore[arg-type]
    scaling = Scaling(rng.normal(0, 5, features), rng.uniform(0.3, 4, features))
    channels = tuple(f"ch{k}" for k in range(features))
    return FloatModel(tuple(layers), head, Interface(channels, scaling, task, Scaling.identity(outputs), rate_hz=50.0))


def recordings(model: FloatModel, count: int = 6, steps: int = 60, seed: int = 1) -> list[NDArray[np.float32]]:
    """Smooth random recordings (T, C) in the model's physical units, of different lengths."""
    rng = np.random.default_rng(seed)
    series = []
    for k in range(count):
        length = steps + 7 * k
        noise = rng.normal(0, 1, (length + 8, len(model.interface.channels)))
        smooth = sum(noise[i : length + i] for i in range(8)) / np.sqrt(8)
        series.append(model.interface.scaling.undo(smooth).astype(np.float32))
    return series


def calibrated(model: FloatModel) -> Calibration:
    return calibrate(model, recordings(model))


def native_model(scheme: Scheme = "w8a16", **options: Any) -> NativeModel:
    model = float_model(**options)
    return quantise_native(model, calibrated(model), scheme)


def tflite_model(**options: Any) -> TfliteModel:
    model = float_model(**options)
    return quantise_tflite(model, calibrated(model))
