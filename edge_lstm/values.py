"""Arrays that do not change, and what they may hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.errors import ModelError

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


def frozen(array: Any, dtype: Any) -> Any:
    """A read-only copy, so that a frozen dataclass is frozen all the way down.

    Raises:
        ModelError: if an integer would change its value: arrays are stored, never rounded or wrapped.
    """
    copy = np.array(array).astype(dtype, order="C")
    if copy.dtype.kind in "iu" and not np.array_equal(copy, array):
        raise ModelError(f"a value of {np.asarray(array).dtype} does not fit {copy.dtype}")
    copy.setflags(write=False)
    return copy


def refuse_non_finite(what: str, *arrays: NDArray[np.floating[Any]]) -> None:
    """Raise ModelError unless every value is finite."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise ModelError(f"{what} holds a value that is not finite")
