"""What every back end that computes an integer model offers, and the checks they share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_lstm.errors import BundleError, InputError, MissingDependencyError
from edge_lstm.integer import Arithmetic

Array = NDArray[Any]
State = tuple[tuple[Array, Array], ...]
"""(h, c) of each layer, (H,) and (cells,), in the runtime's own integers."""


class Runtime(Protocol):
    """One model, one stream. The state is carried from call to call until ``reset``."""

    @property
    def name(self) -> str: ...

    @property
    def arithmetic(self) -> Arithmetic: ...

    def reset(self) -> None:
        """Zero state, as before the first sample."""

    def step(self, codes: Array) -> Array:
        """(C,) input codes → (O,) output codes."""

    def run(self, codes: Array) -> Array:
        """(T, C) input codes, one after the other → (T, O)."""

    def get_state(self) -> State: ...

    def set_state(self, state: State) -> None: ...


def layers_in_a_row(counts: Sequence[int]) -> list[slice]:
    """Where each layer's numbers are in memory that holds those of all, layer after layer."""
    ends = np.cumsum(counts)
    return [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]


def fitting(values: Any, dtype: Any, width: int, what: str) -> Array:
    """(N,) values as ``dtype``, refused where the cast would change them.

    Raises:
        InputError: if the width is wrong or a value does not fit.
    """
    array = np.asarray(values)
    if array.shape != (width,):
        raise InputError(f"{what} has shape {array.shape}; expected ({width},)")
    if array.dtype != dtype and np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        if array.min() < limits.min or array.max() > limits.max:
            raise InputError(
                f"{what} holds codes {array.min()}..{array.max()}; {np.dtype(dtype)} takes {limits.min}..{limits.max}"
            )
    return array.astype(dtype, copy=False)


def read_tflite(model: bytes | Path) -> bytes:
    """The bytes of a ``.tflite`` file, refused if it is plainly something else.

    Raises:
        BundleError: if it cannot be read or does not bear the format's identifier; interpreters would crash on it.
    """
    try:
        content = model if isinstance(model, bytes) else Path(model).read_bytes()
    except OSError as error:
        raise BundleError(f"{where(model)}: cannot be read ({error.strerror}); export the bundle anew") from error
    if content[4:8] != b"TFL3":
        raise BundleError(f"{where(model)}: not a TFLite file; export the bundle anew")
    return content


def not_usable(name: str, install: str, error: ImportError) -> MissingDependencyError:
    """The error of an interpreter that is not there, or whose import fails: built for another NumPy or C library."""
    if isinstance(error, ModuleNotFoundError):
        return MissingDependencyError(f"the back end {name} is not installed; {install}")
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return MissingDependencyError(f"the back end {name} is installed and does not load: {said}; {install} again")


def where(model: bytes | Path) -> str:
    """How an error names a model."""
    return str(model) if isinstance(model, Path) else "the model"
