"""In which order a kernel reads its weights: one row a kernel set, and nothing else knows.

A kernel set is a C function a scheme and the packing it wants. The generated constants name the function, so weights
packed for one kernel cannot meet another: it would not link.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.errors import ExportError
from edge_lstm.integer import Scheme

Array = NDArray[Any]


@dataclass(frozen=True)
class KernelSet:
    """A row of the table.

    Args:
        functions: the C function that steps a layer, by scheme.
        files: its sources and headers, by scheme, beside those every native model has.
        pack: (4H, N) weights of a block, gate by gate → the bytes in the order the function reads them.
        shape: of what ``pack`` gives, for the comment beside the array.
    """

    functions: Mapping[Scheme, str]
    files: Mapping[Scheme, tuple[str, ...]]
    pack: Callable[[Array], Array]
    shape: str


def unit_by_unit(rows: Array) -> Array:
    """(4H, ...) gate by gate → (H, 4, ...): what one unit needs lies together."""
    return np.ascontiguousarray(np.swapaxes(rows.reshape(4, -1, *rows.shape[1:]), 0, 1))


def interleaved(rows: Array) -> Array:
    """(4H, N) gate by gate → (H, N, 4): a code is loaded once and multiplied with four weights in a row."""
    return np.ascontiguousarray(np.swapaxes(unit_by_unit(rows), 1, 2))


KERNEL_SETS: Mapping[str, KernelSet] = {
    "portable": KernelSet(
        functions={"w8a16": "el_lstm_w8a16", "w8a8": "el_lstm_w8a8"},
        files={
            "w8a16": ("el_lstm_native.h", "el_lstm_w8a16.c", "el_sum_rows.c"),
            "w8a8": ("el_lstm_native.h", "el_lstm_w8a8.c", "el_sum_rows.c"),
        },
        pack=interleaved,
        shape="(units, columns, gates)",
    ),
}


def kernel_set(name: str) -> KernelSet:
    """The row of that name.

    Raises:
        ExportError: if there is none.
    """
    if name not in KERNEL_SETS:
        raise ExportError(f"kernel set {name!r} is not known; choose one of {', '.join(KERNEL_SETS)}")
    return KERNEL_SETS[name]
