"""What cells have in common.

Every cell has ``zero_state(batch)`` and ``step(h, c, x, tap)``; arrays carry a leading batch axis B. Of an LSTM, c is
the cell state; of every other cell it is the hidden state in the full precision of its arithmetic, of which h shows as
much as products are made with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_lstm.arithmetic import native
from edge_lstm.integer import Affine, Int32

Array = NDArray[Any]

CellTap = Callable[[str, Array], None]
"""Sees every tensor of a step by name: x, h_before, then for each gate k of the cell k_pre and k, then c and h."""


class Cell(Protocol):
    """One layer's step."""

    units: int

    def zero_state(self, batch: int) -> tuple[Array, Array]: ...

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]: ...


class AffineRows:
    """An ``Affine`` block, ready to be applied to (B, N) codes."""

    def __init__(self, block: Affine) -> None:
        # Accumulators stay below 2**24, where a float32 matrix product is exact whatever its order, and much
        # faster than an integer one.
        self._weights = block.weights.T.astype(np.float32)
        self._bias = block.bias
        self._multiplier, self._shift = block.multiplier, block.shift

    def __call__(self, v: Array) -> Int32:
        accumulator = (v.astype(np.float32) @ self._weights).astype(np.int32) + self._bias
        return native.requantise(accumulator, self._multiplier, self._shift)


def sigmoid(z: Array) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)))


def report(
    tap: CellTap, names: Sequence[str], x: Array, h: Array, pre: Any, gates: Any, c_new: Array, h_new: Array
) -> None:
    """Tell a tap the tensors of a step, in the order they are computed."""
    tap("x", x)
    tap("h_before", h)
    for name, value in zip(names, pre, strict=True):
        tap(f"{name}_pre", value)
    for name, value in zip(names, gates, strict=True):
        tap(name, value)
    tap("c", c_new)
    tap("h", h_new)
