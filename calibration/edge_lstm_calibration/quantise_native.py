"""From a float model and its calibration to the integers of the ``native`` arithmetic.

Scales are chosen so that nothing can overflow: every accumulator stays below 2**23 for any input within its limits
(the acc24 rule), whatever the data. The hidden state gets as many fraction bits as that rule allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_lstm.arithmetic import native
from edge_lstm.errors import QuantisationError
from edge_lstm.integer import Affine, Decoding, Encoding, Int64, NativeLstm, NativeModel, Scheme
from edge_lstm.model import DenseWeights, Float64, FloatModel, LstmWeights
from edge_lstm_calibration.calibrate import Calibration, Moments
from edge_lstm_calibration.rounding import compensates, round_to_nearest, round_with_compensation

INPUT_HEADROOM = 1.5
"""An int16 input code reaches this multiple of the largest calibration sample."""

OUTPUT_HEADROOM = 2.0
MOST_HIDDEN_BITS, FEWEST_HIDDEN_BITS = 12, 8
INPUT_LIMITS = (32767, 16383, 8191, 4095, 2047)
_GATE_GAIN = native.PRE_ACTIVATION_ONE * np.array([1.0, 1.0, 2.0, 1.0])
_TINY = 1e-9


@dataclass(frozen=True, eq=False)
class Columns:
    """What a block of rows is multiplied with: codes of step ``scale`` within ``±limit``.

    Args:
        scale: (N,) real value of one code.
        limit: (N,) largest magnitude of a code.
    """

    scale: Float64
    limit: Int64

    def beside(self, other: Columns) -> Columns:
        return Columns(np.concatenate([self.scale, other.scale]), np.concatenate([self.limit, other.limit]))


def quantise_native(
    model: FloatModel, calibration: Calibration, scheme: Scheme = "w8a16", rounding: str = "compensated"
) -> NativeModel:
    """The integer model in arithmetic ``native``.

    Args:
        scheme: ``w8a16`` (one accumulator a row) or ``w8a8`` (8-bit activations, two accumulators).
        rounding: of the weights: ``compensated`` or ``nearest``.

    Raises:
        QuantisationError: if no choice of scales keeps the accumulators below 2**23.
    """
    quantisers: dict[str, type[_Wide] | type[_Narrow]] = {"w8a16": _Wide, "w8a8": _Narrow}
    if scheme not in quantisers:
        raise QuantisationError(f"scheme {scheme!r} is not known; choose one of {', '.join(quantisers)}")
    return quantisers[scheme](model, calibration, compensates(rounding)).model()


class _Quantiser:
    """What both schemes share."""

    def __init__(self, model: FloatModel, calibration: Calibration, compensate: bool) -> None:
        self._float, self._calibration, self._compensate = model, calibration, compensate

    def _moments(self, layer: int) -> Moments | None:
        return self._calibration.moments[layer] if self._compensate else None

    def _assemble(self, layers: list[NativeLstm], x: Columns) -> NativeModel:
        hidden = hidden_columns(layers[-1].units, layers[-1].hidden_bits)
        head, decoding = self._head(hidden)
        scaling = self._float.interface.scaling
        gain = (1.0 / (scaling.scale * x.scale)).astype(np.float32)
        limit = x.limit.astype(np.int32)
        encoding = Encoding(scaling.offset.astype(np.float32), gain, 0, -limit, limit)
        return NativeModel(tuple(layers), head, encoding, decoding, self._float.interface)

    def _head(self, hidden: Columns) -> tuple[Affine, Decoding]:
        """Rows of one common power-of-two step, the finest that holds the calibrated outputs and that shifts allow."""
        head: DenseWeights = self._float.head
        layer = len(self._float.layers)
        largest = max(float(self._calibration.largest(layer, "y")[0]), _TINY) * OUTPUT_HEADROOM
        rows, weights = np.ones(head.outputs), head.weights.astype(np.float64)
        for fraction_bits in range(15 - int(np.ceil(np.log2(largest))), -16, -1):
            gain = rows * 2.0**fraction_bits
            affine = quantise_rows(weights, head.bias, hidden, gain, self._moments(layer))
            if affine.shift.min() >= native.SHIFTS.start:
                break
        require_shifts(affine, "the head")
        require_headroom(affine, hidden, "the head")
        return affine, Decoding(2.0**-fraction_bits)


class _Wide(_Quantiser):
    """w8a16: int16 x and h side by side in one accumulator; formats are searched for, from fine to coarse."""

    def model(self) -> NativeModel:
        layers = self._float.layers
        bits = [MOST_HIDDEN_BITS] * len(layers)
        ceilings = list(bits)
        limits = list(INPUT_LIMITS)
        index = 0
        while index < len(layers):
            x = self._inputs(index, bits, limits[0])
            affine = self._rows(index, x, bits[index])
            columns = x.beside(hidden_columns(layers[index].units, bits[index]))
            if worst_accumulator(affine, columns) < native.ACCUMULATOR_LIMIT:
                require_shifts(affine, f"layer {index}")
                index += 1
            elif index and bits[index - 1] > max(FEWEST_HIDDEN_BITS, bits[index] - 1):
                # The hidden state below is this layer's input: make it coarser there, and begin again from there.
                bits[index - 1] = ceilings[index - 1] = bits[index - 1] - 1
                index -= 1
            elif bits[index] > FEWEST_HIDDEN_BITS:
                bits[index] -= 1
            elif index == 0 and len(limits) > 1:
                # Inputs that outweigh the recurrence: coarser inputs, and the finest hidden state again.
                limits.pop(0)
                bits[0] = ceilings[0]
            else:
                raise QuantisationError(
                    f"layer {index}: an accumulator can reach {worst_accumulator(affine, columns):,}, the limit of "
                    f"w8a16 is {native.ACCUMULATOR_LIMIT:,}; use fewer units or features, or --scheme w8a8"
                )
        native_layers = [
            NativeLstm((self._rows(k, self._inputs(k, bits, limits[0]), bits[k]),), layer.features, bits[k])
            for k, layer in enumerate(layers)
        ]
        return self._assemble(native_layers, self._inputs(0, bits, limits[0]))

    def _inputs(self, index: int, bits: list[int], limit: int) -> Columns:
        if index:
            return hidden_columns(self._float.layers[index - 1].units, bits[index - 1])
        layer = self._float.layers[0]
        largest = INPUT_HEADROOM * np.maximum(self._calibration.largest(0, "x"), 1e-6)
        scale = np.maximum(largest / limit, equal_weight_scale(layer, bits[0]))
        return Columns(scale, np.minimum(limit, np.ceil(largest / scale)).astype(np.int64))

    def _rows(self, index: int, x: Columns, hidden_bits: int) -> Affine:
        layer = self._float.layers[index]
        columns = x.beside(hidden_columns(layer.units, hidden_bits))
        weights = np.concatenate([layer.kernel, layer.recurrent], axis=2).reshape(4 * layer.units, -1)
        gain = np.repeat(_GATE_GAIN, layer.units)
        return quantise_rows(weights, layer.bias.reshape(-1), columns, gain, self._moments(index))


class _Narrow(_Quantiser):
    """w8a8: int8 x and h, each with its own accumulator and multiplier, because one scale cannot serve both."""

    HIDDEN_BITS = 7

    def model(self) -> NativeModel:
        x = self._inputs()
        layers, below = [], x
        for index, layer in enumerate(self._float.layers):
            hidden = Columns(np.full(layer.units, 2.0**-7), np.full(layer.units, 128))
            layers.append(NativeLstm(self._blocks(index, below, hidden), layer.features, self.HIDDEN_BITS))
            below = hidden
        return self._assemble(layers, x)

    def _inputs(self) -> Columns:
        calibration = self._calibration
        observe = calibration.observe
        histogram = calibration.histograms[0, "x"]
        ranges = np.array([observe(histogram, channel) for channel in range(histogram.channels)])
        largest = np.maximum(np.abs(ranges).max(axis=1), 1e-6)
        return Columns(largest / 127.0, np.full(histogram.channels, 127))

    def _blocks(self, index: int, x: Columns, hidden: Columns) -> tuple[Affine, Affine]:
        layer = self._float.layers[index]
        gain = np.repeat(_GATE_GAIN, layer.units)
        kernel = layer.kernel.reshape(4 * layer.units, -1)
        recurrent = layer.recurrent.reshape(4 * layer.units, -1)
        moments = self._moments(index)
        over_x, over_h = quantise_blocks(
            [(kernel, x), (recurrent, hidden)], layer.bias.reshape(-1).astype(np.float64), gain, moments
        )
        for block, columns, name in ((over_x, x, "inputs"), (over_h, hidden, "recurrence")):
            require_shifts(block, f"layer {index}, {name}", native.NARROW_SHIFTS)
            require_headroom(block, columns, f"layer {index}, {name}")
        return over_x, over_h


def hidden_columns(units: int, bits: int) -> Columns:
    """A hidden state of ``bits`` fraction bits as the columns of the next block."""
    return Columns(np.full(units, 2.0**-bits), np.full(units, 1 << bits))


def equal_weight_scale(layer: LstmWeights, hidden_bits: int) -> Float64:
    """(F,) input steps at which an input column weighs as much in a row as a hidden column does.

    A finer step would only make the accumulator larger: the row's int8 scale is set by the hidden columns.
    """
    recurrent = np.abs(layer.recurrent).reshape(-1, layer.units).max(axis=1)
    kernel = np.abs(layer.kernel).reshape(-1, layer.features).max(axis=0)
    return np.asarray(np.median(recurrent) * 2.0**-hidden_bits / np.maximum(kernel, 1e-6))


def quantise_rows(weights: Any, bias: Any, columns: Columns, gain: Float64, moments: Moments | None) -> Affine:
    """One block: rows (R, N) over ``columns``, with ``gain`` output codes to the unit."""
    return quantise_blocks([(weights, columns)], np.asarray(bias, np.float64), gain, moments)[0]


def quantise_blocks(
    parts: list[tuple[Any, Columns]], bias: Float64, gain: Float64, moments: Moments | None
) -> list[Affine]:
    """Blocks of rows whose results add up, each part (R, N_k) over its columns with its own row scales.

    The bias and the rounding half of the first block are in its integer bias; the others carry their half only.
    """
    per_code = [np.asarray(weights, np.float64) * columns.scale for weights, columns in parts]
    multipliers = []
    for k, part in enumerate(per_code):
        step = np.maximum(np.abs(part).max(axis=1) / 127.0, _TINY)
        if k == 0:
            step = np.maximum(step, np.abs(bias) * 2.0**-22)  # tiny weights must not push the bias past 22 bits
        multipliers.append(native.round_multiplier_up(step * gain))
    steps = [m * 2.0**-s / gain for m, s in multipliers]
    joint = np.concatenate(per_code, axis=1)
    step = np.concatenate([np.repeat(s[:, None], p.shape[1], axis=1) for s, p in zip(steps, per_code, strict=True)], 1)
    if moments is None:
        codes = round_to_nearest(joint, step)
        correction = np.zeros(len(bias))
    else:
        scale = np.concatenate([columns.scale for _, columns in parts])
        codes = round_with_compensation(joint, step, moments.covariance / np.outer(scale, scale))
        correction = (joint - codes * step) @ (moments.mean / scale)
    blocks = []
    for k, (part, (m, s), row_step) in enumerate(zip(per_code, multipliers, steps, strict=True)):
        taken, codes = codes[:, : part.shape[1]], codes[:, part.shape[1] :]
        offset = (bias + correction) / row_step if k == 0 else 0.0
        rounding_half = 2.0 ** (s - 1) / m
        integer_bias = np.rint(offset + rounding_half).astype(np.int32)
        blocks.append(Affine(taken.astype(np.int8), integer_bias, m.astype(np.int32), s.astype(np.int32)))
    return blocks


def worst_accumulator(block: Affine, columns: Columns) -> int:
    """Largest magnitude any accumulator of the block can reach, for any codes within the limits."""
    reach = np.abs(block.weights.astype(np.int64)) @ columns.limit + np.abs(block.bias.astype(np.int64))
    return int(reach.max())


def require_headroom(block: Affine, columns: Columns, where: str) -> None:
    worst = worst_accumulator(block, columns)
    if worst >= native.ACCUMULATOR_LIMIT:
        raise QuantisationError(
            f"{where}: an accumulator can reach {worst:,}, the limit is {native.ACCUMULATOR_LIMIT:,}; use fewer units"
        )


def require_shifts(block: Affine, where: str, allowed: range = native.SHIFTS) -> None:
    bad = [int(s) for s in block.shift if s not in allowed]
    if bad:
        raise QuantisationError(
            f"{where}: a row needs a shift of {bad[0]}, kernels have {allowed.start}..{allowed.stop - 1}; "
            "its weights are far larger or smaller than its inputs: check the scaling of the data"
        )
