"""Formats of w8a16: how many bits its inputs and hidden states can have beside int8 weights in one accumulator.

Finer codes make sums larger. Where a sum would outgrow the accumulator, hidden states give way first, then inputs, and
weights last: their rounding is what limits the accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np

from edge_lstm.arithmetic import native
from edge_lstm.errors import QuantisationError
from edge_lstm.model import BidirectionalWeights, CellWeights, DenseLayerWeights, DenseWeights, Float64, LstmWeights
from edge_lstm_calibration.rows import Columns, hidden_columns, reach_steps, weight_steps

HIDDEN_BITS = range(12, 7, -1)
INPUT_LIMITS = (32767, 16383, 8191, 4095, 2047)
GATE_GAIN = native.PRE_ACTIVATION_ONE * np.array([1.0, 1.0, 2.0, 1.0])

# Prices, beside the square of the hidden bits a layer gives up: giving up all of them (16) is cheaper than halving the
# input codes once, and halving those four times is cheaper than halving the levels of one row's weights.
_HALVED_INPUT = 20.0
_HALVED_WEIGHTS = 100.0


@dataclass(frozen=True)
class Formats:
    """Args:
    input_limit: largest magnitude of an input code.
    hidden_bits: bits of each layer's hidden state, without its sign; fraction bits where it stays within ±1.
    """

    input_limit: int
    hidden_bits: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer whose formats are to be chosen.

    Args:
        reach_bits: its hidden state stays within ±2**reach_bits.
    """

    weights: CellWeights
    reach_bits: int = 0

    def hidden(self, bits: int) -> Columns:
        """Its hidden state, in codes of ``bits`` bits and a sign, as the columns of the next block."""
        return hidden_columns(self.weights.units, bits, self.reach_bits)


def choose_formats(layers: Sequence[Layer], head: DenseWeights, largest: Float64) -> Formats:
    """The cheapest formats from end to end (dynamic programming over the layers).

    Args:
        largest: (F,) largest magnitude an input shall be able to have.

    Raises:
        QuantisationError: if a layer's multipliers leave what the kernels can apply, whatever the formats.
    """
    # The cheapest way to each format of the hidden state below: (price, formats so far).
    ways = {bits: (np.inf, Formats(INPUT_LIMITS[0], (bits,))) for bits in HIDDEN_BITS}
    for (halvings, limit), bits in product(enumerate(INPUT_LIMITS), HIDDEN_BITS):
        x = input_columns(layers[0].weights, largest, limit, bits)
        price = _layer_price(layers[0], x, bits) + halvings * _HALVED_INPUT
        ways[bits] = min(ways[bits], (price, Formats(limit, (bits,))), key=_price)
    _require_a_way(ways, layers[0].weights, 0)
    for index, (below, layer) in enumerate(pairwise(layers), start=1):
        before = list(ways.values())
        ways = {bits: min((_further(way, below, layer, bits) for way in before), key=_price) for bits in HIDDEN_BITS}
        _require_a_way(ways, layer.weights, index)
    weights, bias = head.weights.astype(np.float64), head.bias.astype(np.float64)
    ends = [
        (price + _strain(weights, bias, layers[-1].hidden(bits)), formats) for bits, (price, formats) in ways.items()
    ]
    return min(ends, key=_price)[1]


_Way = tuple[float, Formats]


def _price(way: _Way) -> float:
    return way[0]


def _further(way: _Way, below: Layer, layer: Layer, bits: int) -> _Way:
    price, formats = way
    x = below.hidden(formats.hidden_bits[-1])
    return price + _layer_price(layer, x, bits), Formats(formats.input_limit, (*formats.hidden_bits, bits))


def _layer_price(layer: Layer, x: Columns, bits: int) -> float:
    """Infinite where a multiplier is out of reach."""
    if isinstance(layer.weights, BidirectionalWeights):
        return sum(_layer_price(Layer(half), x, bits) for half in (layer.weights.forward, layer.weights.backward))
    weights, lost = layer.weights, float((HIDDEN_BITS.start - bits) ** 2)
    bias = weights.bias.reshape(-1).astype(np.float64)
    if not isinstance(weights, LstmWeights):
        # Rows over x and over h are apart, and what they give has as many bits as their multipliers allow.
        over_x = _rows(weights.kernel)
        lost += _strain(over_x, bias[: len(over_x)], x.over(weights.span))
        if isinstance(weights, DenseLayerWeights):
            return lost
        over_h = _rows(weights.recurrent)
        return lost + _strain(over_h, np.zeros(len(over_h)), layer.hidden(bits))
    rows, columns = joint_rows(weights), x.beside(layer.hidden(bits))
    steps = np.maximum(weight_steps(rows, columns), reach_steps(rows, bias, columns))
    _, shift = native.round_multiplier_up(steps * np.repeat(GATE_GAIN, weights.units))
    if shift.min() < native.SHIFTS.start or shift.max() >= native.SHIFTS.stop:
        return np.inf
    return lost + _strain(rows, bias, columns)


def _rows(matrices: Any) -> Float64:
    """(G, H, N) → (G·H, N)."""
    return np.asarray(matrices, np.float64).reshape(-1, matrices.shape[2])


def _strain(weights: Float64, bias: Float64, columns: Columns) -> float:
    """Price of the weight levels lost because sums would overflow: 0 if every row keeps ±127."""
    worst = float((reach_steps(weights, bias, columns) / weight_steps(weights, columns)).max())
    return _HALVED_WEIGHTS * float(np.log2(max(worst, 1.0)))


def _require_a_way(ways: dict[int, _Way], layer: CellWeights, index: int) -> None:
    if min(price for price, _ in ways.values()) == np.inf:
        halves = (layer.forward, layer.backward) if isinstance(layer, BidirectionalWeights) else (layer,)
        largest = max(float(np.abs(getattr(half, name)).max()) for half in halves for name in half.arrays)
        raise QuantisationError(
            f"layer {index}: weights up to {largest:.3g} need multipliers beyond the kernels' shifts "
            f"{native.SHIFTS.start}..{native.SHIFTS.stop - 1} in every format of w8a16; check the scaling of the data, "
            "train with [training] weight_decay = 0.1, or use --scheme w8a8"
        )


def joint_rows(layer: LstmWeights) -> Float64:
    """(4H, F + H) kernel and recurrent weights side by side."""
    joint = np.concatenate([layer.kernel, layer.recurrent], axis=2).astype(np.float64)
    return joint.reshape(4 * layer.units, -1)


def input_columns(layer: CellWeights, largest: Float64, limit: int, hidden_bits: int) -> Columns:
    """Input codes as fine as ``limit`` allows, but no finer than hidden columns in the same sum make use of."""
    scale, halves = largest / limit, [layer]
    if isinstance(layer, BidirectionalWeights):
        halves = [layer.forward, layer.backward]
    equal = [_equal_weight_scale(half, hidden_bits) for half in halves if isinstance(half, LstmWeights)]
    if equal:
        scale = np.maximum(scale, np.minimum.reduce(equal))
    return Columns(scale, np.minimum(limit, np.ceil(largest / scale)).astype(np.int64))


def _equal_weight_scale(layer: LstmWeights, hidden_bits: int) -> Float64:
    """(F,) input steps at which an input column weighs as much in a row as a hidden column does.

    A finer step would only make the accumulator larger: the row's int8 scale is set by the hidden columns.
    """
    recurrent = np.abs(layer.recurrent).reshape(-1, layer.units).max(axis=1)
    kernel = np.abs(layer.kernel).reshape(-1, layer.features).max(axis=0)
    return np.asarray(np.median(recurrent) * 2.0**-hidden_bits / np.maximum(kernel, 1e-6))
