"""From a float model and its calibration to the integers of the ``native`` arithmetic.

Formats are chosen for the whole model, then rows are rounded one layer after the other. Nothing can overflow.
"""

from __future__ import annotations

import numpy as np

from edge_lstm.arithmetic import native
from edge_lstm.errors import QuantisationError
from edge_lstm.integer import (
    Affine,
    Decoding,
    Encoding,
    NativeBidirectional,
    NativeCellLayer,
    NativeLayer,
    NativeLstm,
    NativeModel,
    Quant,
    Scheme,
)
from edge_lstm.model import ArrayWeights, BidirectionalWeights, Float64, FloatModel, LstmWeights
from edge_lstm_calibration.calibrate import Calibration, Moments
from edge_lstm_calibration.formats import GATE_GAIN, Layer, choose_formats, input_columns, joint_rows
from edge_lstm_calibration.input_codes import Folded, InputCodes
from edge_lstm_calibration.quantise_gated import Place, quantise_gated, reach_bits
from edge_lstm_calibration.rounding import compensates
from edge_lstm_calibration.rows import Columns, quantise_blocks, quantise_rows, require_shifts

INPUT_HEADROOM = 1.5
"""An int16 input code reaches this multiple of the largest calibration sample."""

OUTPUT_HEADROOM = 2.0
NARROW_HIDDEN_BITS = range(7, 13)
_TINY = 1e-9
_STILL = 1e-6


def quantise_native(
    model: FloatModel, calibration: Calibration, scheme: Scheme = "w8a16", rounding: str = "compensated"
) -> NativeModel:
    """The integer model in arithmetic ``native``.

    Args:
        scheme: ``w8a16`` (one accumulator a row) or ``w8a8`` (8-bit activations, two accumulators).
        rounding: of the weights: ``compensated`` or ``nearest``.

    Raises:
        QuantisationError: if weights are so large or small that no kernel has the multipliers they need.
    """
    quantisers: dict[str, type[_Wide] | type[_Narrow]] = {"w8a16": _Wide, "w8a8": _Narrow}
    if scheme not in quantisers:
        raise QuantisationError(f"scheme {scheme!r} is not known; choose one of {', '.join(quantisers)}")
    return quantisers[scheme](model, calibration, compensates(rounding)).model()


class _Quantiser:
    """What both schemes share."""

    def __init__(self, model: FloatModel, calibration: Calibration, compensate: bool) -> None:
        self._float, self._calibration, self._compensate = model, calibration, compensate

    def _moments(self, layer: int, calibration: Calibration | None = None) -> Moments | None:
        return (calibration or self._calibration).moments[layer] if self._compensate else None

    def _assemble(self, layers: list[NativeLayer], hidden: Columns, encoding: Encoding) -> NativeModel:
        head, decoding = self._head(hidden)
        return NativeModel(tuple(layers), head, encoding, decoding, self._float.interface)

    def _head(self, hidden: Columns) -> tuple[Affine, Decoding]:
        """Rows of one common power-of-two step, the finest that holds the calibrated outputs and that shifts allow."""
        head, layer = self._float.head, len(self._float.layers)
        largest = max(float(self._calibration.largest(layer, "y")[0]), _TINY) * OUTPUT_HEADROOM
        for fraction_bits in range(15 - int(np.ceil(np.log2(largest))), -16, -1):
            gain = np.full(head.outputs, 2.0**fraction_bits)
            affine = quantise_rows(head.weights, head.bias, hidden, gain, self._moments(layer))
            if affine.shift.min() >= native.SHIFTS.start:
                break
        require_shifts(affine, "the head")
        return affine, Decoding(2.0**-fraction_bits)


class _Wide(_Quantiser):
    """w8a16: int16 codes; an LSTM sums those of x and h side by side in one accumulator."""

    def model(self) -> NativeModel:
        largest = self._calibration.largest(0, "x")
        # A channel that never moved gets one scaled unit, so that a device's change does not saturate.
        largest = INPUT_HEADROOM * np.where(largest < _STILL, 1.0, largest)
        layers = [Layer(w, reach_bits(w, self._calibration, k)) for k, w in enumerate(self._float.layers)]
        formats = choose_formats(layers, self._float.head, largest)
        x = input_columns(layers[0].weights, largest, formats.input_limit, formats.hidden_bits[0])
        encoding = self._encoding(x)
        integer: list[NativeLayer] = []
        for index, (layer, bits) in enumerate(zip(layers, formats.hidden_bits, strict=True)):
            hidden = layer.hidden(bits)
            integer.append(self._layer(index, x, hidden, bits - layer.reach_bits))
            x = hidden
        return self._assemble(integer, x, encoding)

    def _layer(self, index: int, x: Columns, hidden: Columns, bits: int) -> NativeLayer:
        layer = self._float.layers[index]
        if not isinstance(layer, BidirectionalWeights):
            return self._cell(layer, self._calibration, index, x, hidden, bits)
        own, seen = hidden.first(layer.forward.units), self._calibration.halves
        forward = self._cell(layer.forward, seen[index, "forward"], index, x, own, bits)
        backward = self._cell(layer.backward, seen[index, "backward"], index, x, own, bits)
        return NativeBidirectional(forward, backward, layer.look_ahead)

    def _cell(
        self, layer: ArrayWeights, calibration: Calibration, index: int, x: Columns, hidden: Columns, bits: int
    ) -> NativeCellLayer:
        if not isinstance(layer, LstmWeights):
            plain = np.ones(layer.columns), np.zeros(layer.columns)
            place = Place(index, x.over(layer.span), hidden, *plain, "w8a16", bits, self._compensate)
            return quantise_gated(layer, calibration, place)
        gain, bias = np.repeat(GATE_GAIN, layer.units), layer.bias.reshape(-1)
        rows = quantise_rows(joint_rows(layer), bias, x.beside(hidden), gain, self._moments(index, calibration))
        require_shifts(rows, f"layer {index}")
        return NativeLstm((rows,), layer.features, bits)

    def _encoding(self, x: Columns) -> Encoding:
        scaling, limit = self._float.interface.scaling, x.limit.astype(np.int32)
        gain = (1.0 / (scaling.scale * x.scale)).astype(np.float32)
        return Encoding(scaling.offset.astype(np.float32), gain, 0, -limit, limit)


class _Narrow(_Quantiser):
    """w8a8: int8 x and h, each with its own accumulator and multiplier, because one scale cannot serve both."""

    def model(self) -> NativeModel:
        codes = InputCodes.of(self._float, self._calibration)
        reading = codes.reading(Quant(1.0))
        x = Columns(np.ones(len(codes.step)), np.full(len(codes.step), 127))
        layers: list[NativeLayer] = []
        for index, layer in enumerate(self._float.layers):
            bits = self._hidden_bits(index)
            hidden = Columns(np.full(layer.units, 2.0**-bits), np.full(layer.units, 128))
            if isinstance(layer, BidirectionalWeights):
                own, seen = hidden.first(layer.forward.units), self._calibration.halves
                forward = self._cell(layer.forward, seen[index, "forward"], index, x, own, bits, reading)
                backward = self._cell(layer.backward, seen[index, "backward"], index, x, own, bits, reading)
                layers.append(NativeBidirectional(forward, backward, layer.look_ahead))
            else:
                layers.append(self._cell(layer, self._calibration, index, x, hidden, bits, reading))
            x, reading = hidden, (np.ones(layer.units), np.zeros(layer.units))
        return self._assemble(layers, x, codes.encoding(self._float.interface.scaling, -127))

    def _cell(
        self,
        layer: ArrayWeights,
        calibration: Calibration,
        index: int,
        x: Columns,
        hidden: Columns,
        bits: int,
        reading: tuple[Float64, Float64],
    ) -> NativeCellLayer:
        if isinstance(layer, LstmWeights):
            folded = Folded.of(layer, calibration, index, *reading)
            return NativeLstm(self._blocks(index, folded, x, hidden), layer.features, bits)
        gain, offset = (np.tile(part, layer.span) for part in reading)
        place = Place(index, x.over(layer.span), hidden, gain, offset, "w8a8", bits, self._compensate)
        return quantise_gated(layer, calibration, place)

    def _hidden_bits(self, index: int) -> int:
        """The finest format whose int8 codes hold the calibrated hidden states."""
        largest = max(float(self._calibration.largest(index, "h")[0]), _TINY)
        least = NARROW_HIDDEN_BITS[0] - reach_bits(self._float.layers[index], self._calibration, index)
        return int(np.clip(np.floor(np.log2(127.0 / largest)), least, NARROW_HIDDEN_BITS[-1]))

    def _blocks(self, index: int, folded: Folded, x: Columns, hidden: Columns) -> tuple[Affine, Affine]:
        units, features = len(hidden.scale), len(x.scale)
        rows = folded.weights.reshape(4 * units, -1)
        over_x, over_h = quantise_blocks(
            [(rows[:, :features], x), (rows[:, features:], hidden)],
            folded.bias.reshape(-1),
            np.repeat(GATE_GAIN, units),
            folded if self._compensate else None,
        )
        for block, name in ((over_x, "inputs"), (over_h, "recurrence")):
            require_shifts(block, f"layer {index}, {name}", native.NARROW_SHIFTS)
        return over_x, over_h
