"""How kernels with MVE take columns and units: in groups of columns and blocks of units."""

from __future__ import annotations

import numpy as np

from edge_lstm_export.c_source.kernel_sets.base import Array
from edge_lstm_export.c_source.packing import padded

GROUP, WHOLE = 16, 8
"""Columns of a group that is summed as bytes, and of one that is summed as halfwords."""

BLOCK = 8
ORDER = [0, 4, 1, 5, 2, 6, 3, 7]
"""Units of a block as the stream has them."""


def vectors(columns: int) -> int:
    return -(-columns // GROUP)


def kept(vectors: int, most: int) -> int:
    """How many vectors of codes stay in registers for a block of units: all, or those that no temporary needs."""
    return vectors if vectors <= most else 4


def by_group(weights: Array, columns: int = GROUP) -> list[Array]:
    """(R, N) → (R, columns) a group, the last one padded with zeros."""
    whole = padded(weights, columns)
    return np.split(whole, whole.shape[1] // columns, axis=1) if whole.shape[1] else []
