"""Replay whole recordings through the float model, with the state a device would carry, and watch every tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.errors import CalibrationError
from edge_lstm.model import CELLS, GATES, BidirectionalWeights, CellWeights, ConvWeights, Float64, FloatModel
from edge_lstm.reference import network, replay
from edge_lstm_calibration.histogram import Histogram
from edge_lstm_calibration.observers import Observer, Range, observer
from edge_lstm_calibration.step_tensors import step_tensors

Array = NDArray[Any]
Key = tuple[int, str]

ENOUGH_STEPS = 1000
_QUIET = 0.25


class Moments:
    """Mean and covariance of vectors that arrive in batches (B, N)."""

    def __init__(self) -> None:
        self.count = 0
        self._sum: Any = 0.0
        self._outer: Any = 0.0

    def add(self, vectors: Array) -> None:
        self.count += len(vectors)
        self._sum = self._sum + vectors.sum(axis=0)
        self._outer = self._outer + vectors.T @ vectors

    @property
    def mean(self) -> Float64:
        return np.asarray(self._sum / self.count)

    @property
    def covariance(self) -> Float64:
        return np.asarray(self._outer / self.count - np.outer(self.mean, self.mean))


@dataclass(frozen=True, eq=False)
class Calibration:
    """What the recordings made of the float model's tensors, in the network's (scaled) units.

    Args:
        histograms: by (layer, tensor): x (per channel at layer 0), each gate's pre-activation, c and h; of an LSTM the
            two terms of c, f·c and i·g; of any but the plain LSTM the rows over_x, over_h and over_reset, where there
            are any, and what ``step_tensors`` names; (layers, "y") for the head.
        moments: by layer, of the vectors [x | h of the step before], where x of a convolution is all that its rows are
            over; the head's are those of h.
        reset_moments: by layer, of [x | r·h], of a GRU that resets before its product.
        observe: the observer that turns histograms into ranges.
        observer: its name.
        recordings: (T, C) physical, those that were replayed.
        warnings: what a user must know about this data, one line each.
        halves: by (layer, half), of a bidirectional layer the same for each half, as the layer of that number.
    """

    histograms: dict[Key, Histogram]
    moments: dict[int, Moments]
    reset_moments: dict[int, Moments]
    observe: Observer
    observer: str
    recordings: tuple[Array, ...]
    warnings: tuple[str, ...]
    halves: Mapping[Key, Calibration]

    @property
    def steps(self) -> int:
        return sum(len(r) for r in self.recordings)

    def range(self, layer: int, tensor: str, channel: int = 0) -> Range:
        """(low, high) the observer chose."""
        return self.observe(self.histograms[layer, tensor], channel)

    def extremes(self, layer: int, tensor: str) -> Range:
        """(low, high) ever seen, whatever the observer."""
        histogram = self.histograms[layer, tensor]
        return float(histogram.low.min()), float(histogram.high.max())

    def largest(self, layer: int, tensor: str) -> Float64:
        """(channels,) largest magnitude ever seen, whatever the observer."""
        histogram = self.histograms[layer, tensor]
        return np.maximum(np.abs(histogram.low), np.abs(histogram.high))


def calibrate(
    model: FloatModel, recordings: Sequence[Array], observer_name: str = "percentile", percentile: float = 99.99
) -> Calibration:
    """Replay recordings (T, C), physical units, under the model's own stream rule.

    Raises:
        CalibrationError: if there is nothing to replay, a channel count is wrong, or a value is not finite.
    """
    observe = observer(observer_name, percentile)
    checked = tuple(_checked(np.asarray(r), k, model) for k, r in enumerate(recordings))
    if not sum(len(r) for r in checked):
        raise CalibrationError("there is no calibration data: 0 steps; give at least one recording")
    watch, scaling = _Watch(model.layers), model.interface.scaling
    replay(network(model), [scaling.apply(r) for r in checked], model.interface.task.window, watch.tap)
    warnings = (*_data_warnings(model, checked), *_range_warnings(model, watch.histograms))

    def seen(of: _Watch) -> Calibration:
        halves = {key: seen(half) for key, half in of.halves.items()}
        return Calibration(
            of.histograms, of.moments, of.reset_moments, observe, observer_name, checked, warnings, halves
        )

    return seen(watch)


class _Watch:
    """What a tap sees of layers."""

    def __init__(self, layers: Sequence[CellWeights]) -> None:
        self._layers, self._held = layers, dict[Key, Array]()
        self.histograms: dict[Key, Histogram] = {}
        self.moments: dict[int, Moments] = {}
        self.reset_moments: dict[int, Moments] = {}
        self.halves: dict[Key, _Watch] = {}

    def tap(self, layer: int, name: str, value: Array) -> None:
        half, _, tensor = name.rpartition("/")
        if half:
            self._of_half(layer, half).tap(layer, tensor, value)
            return
        held, moments = self._held, self.moments
        held[layer, name] = value
        if name in _WATCHED:
            self._count(layer, name, value)
        if name == "h_before":
            x = held.get((layer, "window"), held[layer, "x"])
            moments.setdefault(layer, Moments()).add(np.concatenate([x, value], axis=1))
            if (layer, "reset") in held:
                both = np.concatenate([x, held[layer, "reset"]], axis=1)
                self.reset_moments.setdefault(layer, Moments()).add(both)
        elif name == "c" and _gates(self._layers[layer]) == GATES:
            added = held[layer, "i"] * held[layer, "g"]
            self._count(layer, "i·g", added)
            self._count(layer, "f·c", value - added)  # without having to know the cell before
        elif name == "h":
            for extra, seen in step_tensors(self._layers[layer], lambda each: held[layer, each]).items():
                self._count(layer, extra, seen)
            if layer == len(self._layers) - 1:
                moments.setdefault(layer + 1, Moments()).add(value)

    def _count(self, layer: int, name: str, value: Array) -> None:
        if (layer, name) not in self.histograms:
            self.histograms[layer, name] = Histogram(value.shape[1] if (layer, name) == (0, "x") else 1)
        self.histograms[layer, name].add(value)

    def _of_half(self, layer: int, name: str) -> _Watch:
        if (layer, name) not in self.halves:
            self.halves[layer, name] = _Watch([*self._layers[:layer], getattr(self._layers[layer], name)])
        return self.halves[layer, name]


def _gates(layer: CellWeights) -> tuple[str, ...]:
    """Of the layer itself, not of its halves."""
    return () if isinstance(layer, BidirectionalWeights) else layer.gates


_WATCHED = {
    *("x", "c", "h", "y", "over_x", "over_h", "over_reset"),
    *(f"{gate}_pre" for weights in CELLS.values() for gate in weights.gates),
}


def _checked(series: Array, index: int, model: FloatModel) -> Array:
    channels = model.interface.channels
    if series.ndim != 2 or series.shape[1] != len(channels):
        raise CalibrationError(
            f"calibration recording {index} has shape {series.shape}; expected (steps, {len(channels)})"
        )
    bad = np.argwhere(~np.isfinite(series))
    if len(bad):
        step, channel = bad[0]
        raise CalibrationError(
            f"calibration recording {index}, step {step}, channel {channels[channel]!r} is "
            f"{series[step, channel]}; remove it or state a rule for missing values"
        )
    return series


def _data_warnings(model: FloatModel, recordings: Sequence[Array]) -> list[str]:
    steps = sum(len(r) for r in recordings)
    warnings = []
    if steps < ENOUGH_STEPS:
        warnings.append(
            f"only {steps} calibration steps, {ENOUGH_STEPS} are wanted: ranges may be too narrow for the device"
        )
    interface = model.interface
    scaled = interface.scaling.apply(np.concatenate(recordings))
    for name, values in zip(interface.channels, scaled.T, strict=True):
        spread = float(values.std())
        if spread == 0.0:
            warnings.append(f"channel {name!r} is constant at {values[0]:.6g} (scaled) in the calibration data")
        elif interface.scaling.kind == "standard" and spread < _QUIET:
            warnings.append(
                f"channel {name!r} moves {spread:.2g} of what it did in training: its range was never reached"
            )
    return warnings


def _range_warnings(model: FloatModel, histograms: dict[Key, Histogram]) -> list[str]:
    warnings = []
    for layer, weights in enumerate(model.layers):
        if isinstance(weights, ConvWeights | BidirectionalWeights):
            continue  # whose c is inputs
        largest = float(np.abs([histograms[layer, "c"].low, histograms[layer, "c"].high]).max())
        if largest > 100.0:
            warnings.append(
                f"layer {layer}: the cell state reaches {largest:.0f}; beyond 128 it saturates on the device"
            )
    return warnings
