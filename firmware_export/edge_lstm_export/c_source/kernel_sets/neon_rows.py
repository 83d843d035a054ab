"""Rows as NEON kernels read them: int16 weights for codes of int16, int8 weights in fours for SDOT and its like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_lstm.integer import Affine
from edge_lstm_export.c_source.kernel_sets.base import Array, Constant
from edge_lstm_export.c_source.packing import padded

UNITS = 8
"""Of a group: the lanes of int16 in a vector."""

COLUMNS = 8
"""Columns of int8 weights come in multiples of this: two quads."""

VECTOR = 16
"""Bytes."""


@dataclass(frozen=True)
class Order:
    """How the rows of a block lie.

    Args:
        rows: (R,) → what a row has one of.
        wide: (R, N) → weights, column by column.
        quads: (R, N), N a multiple of 4 → weights, four columns by four columns.
        shapes: of the three, for the comments beside them.
    """

    rows: Callable[[Array], Array]
    wide: Callable[[Array], Array]
    quads: Callable[[Array], Array]
    shapes: tuple[str, str, str]


def wide(block: Affine, order: Order) -> Constant:
    """A code meets as many weights as there are rows side by side."""
    return Constant("int16_t", "wide", order.wide(block.weights), order.shapes[1], VECTOR)


def wide_rows(block: Affine, order: Order) -> list[Constant]:
    """Weights, bias and multiplier of w8a16. A product is doubled and loses 32 bits; shifts are 9 at least."""
    multiplier = block.multiplier << (31 - block.shift)
    return [
        wide(block, order),
        _by_row("wide_bias", block.bias, order),
        _by_row("multiplier", multiplier, order),
    ]


def split_rows(block: Affine, order: Order) -> list[Constant]:
    """Weights for codes that are split into a high byte and a low one less 128, and the bias that makes up for it."""
    lacking = 128 * block.weights.astype(np.int32).sum(axis=1)
    return [quads(block, order), _by_row("quads_bias", block.bias + lacking, order)]


def quads(block: Affine, order: Order) -> Constant:
    """Four codes meet four weights of each of four rows in a vector."""
    weights = order.quads(padded(block.weights, COLUMNS))
    return Constant("int8_t", "quads", weights, order.shapes[2], VECTOR)


def requantisation(block: Affine, order: Order) -> list[Constant]:
    """Bias, multiplier and shift of w8a8."""
    rows = {"bias": block.bias, "multiplier": block.multiplier, "shift": -block.shift}
    return [_by_row(name, values, order) for name, values in rows.items()]


def _by_row(name: str, rows: Array, order: Order) -> Constant:
    return Constant("int32_t", name, order.rows(rows), order.shapes[0], VECTOR)
