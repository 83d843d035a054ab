"""Cells other than the plain LSTM, and dense layers, in the ``native`` arithmetic: rows over x and rows over h, rounded
apart.

Rows saturate: their format holds what calibration saw, with headroom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_lstm.arithmetic import native
from edge_lstm.errors import QuantisationError
from edge_lstm.integer import (
    Affine,
    Int16,
    NativeCellLayer,
    NativeConv,
    NativeDense,
    NativeFastGrnn,
    NativeGru,
    NativeGruBefore,
    NativePeepholeLstm,
    NativeRnn,
    NativeRnnRelu,
    Scheme,
)
from edge_lstm.model import (
    ArrayWeights,
    CellWeights,
    ConvWeights,
    DenseLayerWeights,
    FastGrnnWeights,
    Float32,
    Float64,
    GruWeights,
    PeepholeLstmWeights,
    RnnWeights,
)
from edge_lstm_calibration.calibrate import Calibration
from edge_lstm_calibration.input_codes import Moved
from edge_lstm_calibration.rows import Columns, quantise_blocks

HEADROOM = 1.25
"""Rows and hidden states reach this multiple of the largest that calibration saw."""

_TINY = 1e-9


@dataclass(frozen=True, eq=False)
class Place:
    """Where a layer stands.

    Args:
        x, hidden: its columns.
        gain, offset: (columns of x,) how it reads its inputs, ``x = gain · u + offset``.
        hidden_bits: fraction bits of its hidden state.
        compensate: whether rounding spreads its errors.
    """

    index: int
    x: Columns
    hidden: Columns
    gain: Float64
    offset: Float64
    scheme: Scheme
    hidden_bits: int
    compensate: bool


def reach_bits(layer: CellWeights, calibration: Calibration, index: int) -> int:
    """The power of two that holds a layer's hidden state: 0 where a cell cannot leave ±1."""
    if isinstance(layer, DenseLayerWeights) and layer.activation in ("linear", "relu"):
        return 15 - _row_bits(layer, calibration, index)
    most = _most_reach_bits(layer)
    if not most:
        return 0
    largest = HEADROOM * max(float(calibration.largest(index, "h")[0]), _TINY)
    return int(np.clip(np.ceil(np.log2(largest)), 0, most))


def _most_reach_bits(layer: CellWeights) -> int:
    if isinstance(layer, FastGrnnWeights):
        return 4
    return 7 if _is_rectified(layer) else 0


def _is_rectified(layer: CellWeights) -> bool:
    return isinstance(layer, RnnWeights) and layer.activation == "relu"


def quantise_gated(layer: ArrayWeights, calibration: Calibration, place: Place) -> NativeCellLayer:
    """The integers of a layer that is no LSTM.

    Raises:
        QuantisationError: if no format of its rows has the multipliers they need.
    """
    most, least = _row_bits(layer, calibration, place.index), _least_row_bits(layer)
    for row_bits in range(most, least - 1, -1):
        found = _Rows(layer, calibration, place, row_bits).layer()
        if all(block.shift.min() >= native.SHIFTS.start for block in found.blocks):
            break
    shifts = [int(s) for block in found.blocks for s in block.shift if s not in native.SHIFTS]
    if shifts:
        raise QuantisationError(
            f"layer {place.index}: a row needs a shift of {shifts[0]}, kernels have {native.SHIFTS.start}.."
            f"{native.SHIFTS.stop - 1}; its weights are far larger or smaller than its inputs: check the scaling"
        )
    return found


def _row_bits(layer: ArrayWeights, calibration: Calibration, index: int) -> int:
    """The finest format that holds what rows gave; pre-activations have twelve bits, more would be lost."""
    names = [name for layer, name in calibration.histograms if layer == index and name.startswith("over_")]
    largest = max(float(calibration.largest(index, name)[0]) for name in names)
    if isinstance(layer, FastGrnnWeights):
        largest = max(largest, float(np.abs(layer.bias[1] - layer.bias[0]).max()))  # a constant in the format of rows
    return int(np.clip(15 - np.ceil(np.log2(max(HEADROOM * largest, _TINY))), _least_row_bits(layer), 12))


def _peepholes(layer: PeepholeLstmWeights) -> tuple[Int16, int]:
    """Codes and their fraction bits: the finest format that holds the largest.

    Raises:
        QuantisationError: if none does.
    """
    largest = float(np.abs(layer.peephole).max())
    bits = int(min(15 - np.ceil(np.log2(max(largest, _TINY))), 20))
    if bits < 6:
        raise QuantisationError(f"a peephole has the weight {largest:.3g}, integers hold up to 512; train it again")
    return np.clip(np.rint(layer.peephole * 2.0**bits), -32767, 32767).astype(np.int16), bits


def _least_row_bits(layer: ArrayWeights) -> int:
    """Rows that are themselves the hidden state must fit its Q8.23."""
    return 8 if isinstance(layer, DenseLayerWeights) or _is_rectified(layer) else 4


class _Rows:
    """The blocks of a layer, with ``row_bits`` fraction bits in what they give."""

    def __init__(self, layer: ArrayWeights, calibration: Calibration, place: Place, row_bits: int) -> None:
        self._layer, self._calibration, self._place, self._row_bits = layer, calibration, place, row_bits
        kernel = layer.kernel.astype(np.float64).reshape(-1, layer.columns)
        self._kernel = kernel * place.gain
        if not isinstance(layer, DenseLayerWeights):
            self._recurrent = layer.recurrent.astype(np.float64).reshape(-1, layer.units)
        self._moved = kernel @ place.offset

    def layer(self) -> NativeCellLayer:
        layer, place = self._layer, self._place
        formats = place.scheme, self._row_bits, place.hidden_bits
        if isinstance(layer, GruWeights):
            return self._gru(layer, *formats)
        if isinstance(layer, DenseLayerWeights):
            bias, columns = layer.bias[0] + self._moved, slice(layer.columns)
            rows = self._block(slice(None), self._kernel, bias, place.x, columns)
            choices = layer.activation, reach_bits(layer, self._calibration, place.index)
            if isinstance(layer, ConvWeights):
                return NativeConv((rows,), *formats, *choices, layer.taps)
            return NativeDense((rows,), *formats, *choices)
        both = self._summed(slice(None), layer.bias[: layer.matrices].reshape(-1))
        if isinstance(layer, PeepholeLstmWeights):
            return NativePeepholeLstm(both, *formats, *_peepholes(layer))
        reach = reach_bits(layer, self._calibration, place.index)
        if not isinstance(layer, FastGrnnWeights):
            return NativeRnnRelu(both, *formats, reach) if _is_rectified(layer) else NativeRnn(both, *formats)
        candidate = np.rint((layer.bias[1].astype(np.float64) - layer.bias[0]) * 2.0**self._row_bits)
        zeta, nu = (min(int(np.rint(value * 32768)), 32767) for value in (layer.zeta, layer.nu))
        return NativeFastGrnn(both, *formats, np.clip(candidate, -32768, 32767), zeta, nu, reach)

    def _gru(self, layer: GruWeights, scheme: Scheme, row_bits: int, hidden_bits: int) -> NativeCellLayer:
        units, bias = layer.units, layer.bias.reshape(-1)
        gates, candidate = slice(2 * units), slice(2 * units, 3 * units)
        over_x, over_h = self._summed(gates, bias[gates])
        if layer.reset_after:
            features = slice(layer.features)
            x = self._block(candidate, self._kernel, bias[candidate] + self._moved[candidate], self._place.x, features)
            hidden = slice(layer.features, None)
            h = self._block(candidate, self._recurrent, layer.reset_bias, self._place.hidden, hidden)
            return NativeGru((_stacked(over_x, x), _stacked(over_h, h)), scheme, row_bits, hidden_bits)
        x, h = self._summed(candidate, bias[candidate], reset=True)
        return NativeGruBefore((_stacked(over_x, x), over_h, h), scheme, row_bits, hidden_bits)

    def _summed(self, rows: slice, bias: Float32 | Float64, *, reset: bool = False) -> tuple[Affine, ...]:
        """Rows over x and over h (or r·h) that are added: what one rounds wrongly the other makes good."""
        parts = [(self._kernel[rows], self._place.x), (self._recurrent[rows], self._place.hidden)]
        moments = self._calibration.reset_moments if reset else self._calibration.moments
        moved = Moved.of(moments[self._place.index], self._place.gain, self._place.offset)
        return tuple(self._rounded(parts, bias + self._moved[rows], moved))

    def _block(self, rows: slice, weights: Float64, bias: Float32 | Float64, over: Columns, columns: slice) -> Affine:
        """Rows over ``columns`` of [x | h] alone."""
        moved = Moved.of(self._calibration.moments[self._place.index], self._place.gain, self._place.offset)
        return self._rounded([(weights[rows], over)], bias, moved.take(columns))[0]

    def _rounded(self, parts: Sequence[tuple[Float64, Columns]], bias: Float32 | Float64, moved: Moved) -> list[Affine]:
        gain = np.full(len(parts[0][0]), 2.0**self._row_bits)
        return quantise_blocks(list(parts), bias, gain, moved if self._place.compensate else None)


def _stacked(above: Affine, below: Affine) -> Affine:
    """The rows of two blocks over the same columns."""
    pairs = zip(vars(above).values(), vars(below).values(), strict=True)
    return Affine(*(np.concatenate(pair) for pair in pairs))
