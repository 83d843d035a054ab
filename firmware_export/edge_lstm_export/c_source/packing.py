"""Orders in which kernels read the rows of a layer, and the words they read them in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def unit_by_unit(rows: Array) -> Array:
    """(4H, ...) gate by gate → (H, 4, ...): what one unit needs lies together."""
    return np.ascontiguousarray(np.swapaxes(rows.reshape(4, -1, *rows.shape[1:]), 0, 1))


def interleaved(rows: Array) -> Array:
    """(4H, N) gate by gate → (H, N, 4): a code is loaded once and multiplied with four weights in a row."""
    return np.ascontiguousarray(np.swapaxes(unit_by_unit(rows), 1, 2))


def padded(rows: Array, multiple: int) -> Array:
    """(R, N) → (R, N') with columns of zeros up to a multiple."""
    missing = -rows.shape[1] % multiple
    return np.pad(rows, ((0, 0), (0, missing)))


def in_fours(rows: Array, filler: int = 0) -> Array:
    """(R, ...) → (R' / 4, 4, ...) with rows of ``filler`` at the end up to a multiple of four."""
    missing = -len(rows) % 4
    filled = np.pad(rows, ((0, missing), *((0, 0) for _ in rows.shape[1:])), constant_values=filler)
    return filled.reshape(-1, 4, *rows.shape[1:])
