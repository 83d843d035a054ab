"""Models of a given shape, with weights of the size that training gives, quantised on smooth random recordings.

Counts of instructions depend on the shape and hardly on the values, so figures of kernels need no training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.cell_weights import CellWeights, GruWeights
from edge_lstm.integer import NativeModel, Scheme, TfliteModel
from edge_lstm.model import DenseWeights, FloatModel, Interface, LstmWeights, Scaling, Task
from edge_lstm_calibration import calibrate, quantise_native, quantise_tflite

STEPS = 64


def _lstm(rng: np.random.Generator, units: int, width: int) -> LstmWeights:
    """A forget bias of one."""
    kernel, recurrent, bias = _gates(rng, 4, units, width)
    bias[1] += 1.0
    return LstmWeights(kernel, recurrent, bias)


def _gru(rng: np.random.Generator, units: int, width: int) -> GruWeights:
    """Resets after the product."""
    return GruWeights(*_gates(rng, 3, units, width), rng.normal(0, 0.2, units))


def _gates(rng: np.random.Generator, gates: int, units: int, width: int) -> tuple[Any, Any, Any]:
    kernel = rng.normal(0, 1 / np.sqrt(width), (gates, units, width))
    recurrent = rng.normal(0, 1 / np.sqrt(units), (gates, units, units))
    return kernel, recurrent, rng.normal(0, 0.2, (gates, units))


_CELLS: dict[str, Callable[[np.random.Generator, int, int], CellWeights]] = {"lstm": _lstm, "gru": _gru}


def random_float(features: int, units: Sequence[int], outputs: int, seed: int = 0, cell: str = "lstm") -> FloatModel:
    """Recurrent weights of norm near one, scaled inputs; ``cell`` is ``lstm`` or ``gru``."""
    rng = np.random.default_rng(seed)
    layers, width = [], features
    for count in units:
        layers.append(_CELLS[cell](rng, count, width))
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
    features: int, units: Sequence[int], outputs: int, scheme: Scheme, seed: int = 0, cell: str = "lstm"
) -> tuple[NativeModel, NDArray[Any]]:
    """An integer model and (STEPS, C) codes for it."""
    model, series = _model_and_series(features, units, outputs, seed, cell)
    native = quantise_native(model, calibrate(model, series), scheme)
    return native, native.encoding.encode(series[0][:STEPS])


def random_tflite(features: int, units: Sequence[int], outputs: int, seed: int = 0) -> tuple[TfliteModel, NDArray[Any]]:
    """The same float model in the integers of a fused TFLite file, and (STEPS, C) codes for it."""
    model, series = _model_and_series(features, units, outputs, seed)
    tflite = quantise_tflite(model, calibrate(model, series))
    return tflite, tflite.encoding.encode(series[0][:STEPS])


def _model_and_series(
    features: int, units: Sequence[int], outputs: int, seed: int, cell: str = "lstm"
) -> tuple[FloatModel, list[NDArray[np.float32]]]:
    return random_float(features, units, outputs, seed, cell), [smooth(features, 256, seed + k) for k in range(4)]
