"""Cells other than the LSTM with NEON: rows in panels, which C joins eight units at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edge_lstm.arithmetic.native import SHIFTS
from edge_lstm.integer import Affine, NativeCell, NativeConv, Scheme
from edge_lstm_export.c_source.kernel_sets import joined
from edge_lstm_export.c_source.kernel_sets.base import Array, CellKernel, Written
from edge_lstm_export.c_source.kernel_sets.neon_rows import UNITS, Order

_PANELS = (32, 16, 8)
"""Rows side by side: as many as an LSTM has of eight units, then what is left of a block."""

_FILES = ("el_gated.h", "el_neon_gated.h", "el_neon_rows.h")


@dataclass(frozen=True)
class Rows:
    """The rows of a scheme.

    Args:
        files: beside those of all sets with NEON.
        write: (block, C name) → C.
        scratch: columns → bytes that the kernel takes behind its rows.
    """

    files: tuple[str, ...]
    write: Callable[[Affine, str], Written]
    scratch: Callable[[int], int]


@dataclass(frozen=True)
class _Joining:
    """What joins the rows of a cell.

    Args:
        file: its name without ``.c`` is the function.
        kept: codes a unit in the scratch, beside the rows.
        headers: beside those of all.
    """

    file: str
    kept: int = 0
    headers: tuple[str, ...] = ()


_JOININGS = {
    "gru": _Joining("el_gru_neon.c"),
    "gru-before": _Joining("el_gru_before_neon.c", kept=1),
    "rnn": _Joining("el_rnn_neon.c"),
    "rnn-relu": _Joining("el_rnn_relu_neon.c"),
    "fastgrnn": _Joining("el_fastgrnn_neon.c"),
    "dense": _Joining("el_dense_neon.c", headers=("el_neon_dense.h",)),
    "conv": _Joining("el_conv_neon.c", headers=("el_conv.h", "el_neon_dense.h")),
}


def cell_kernels(rows: Mapping[Scheme, Rows]) -> dict[str, CellKernel]:
    """A kernel for each cell."""
    return {cell: _kernel(joining, rows) for cell, joining in _JOININGS.items()}


def _kernel(joining: _Joining, rows: Mapping[Scheme, Rows]) -> CellKernel:
    def layer(layer: NativeCell, name: str) -> Written:
        function = joining.file.removesuffix(".c")
        write = rows[layer.scheme].write
        return joined.write_joined(layer, name, function, lambda block, _gates, rows: write(block, rows), UNITS)

    def work_words(layer: NativeCell) -> int:
        rows_of = UNITS * -(-layer.units // UNITS)
        window = layer.columns if isinstance(layer, NativeConv) else 0
        codes = (sum(count for count, _ in layer.rows) + joining.kept) * rows_of + window
        scratch = max(rows[layer.scheme].scratch(block.weights.shape[1]) for block in layer.blocks)
        return -(-(2 * codes + scratch) // 4)

    sources = (*_FILES, joining.file, *joining.headers)
    files: dict[Scheme, tuple[str, ...]] = {scheme: (*sources, *rows[scheme].files) for scheme in rows}
    return CellKernel(files, layer, work_words, _serves, (joined.HEADER,))


def _serves(layer: NativeCell) -> bool:
    """Whether all shifts are those that one SQDMULH applies; rows of w8a8 take any."""
    return layer.scheme == "w8a8" or all(int(shift) in SHIFTS for block in layer.blocks for shift in block.shift)


def _in_panels(rows: Array) -> list[Array]:
    """(R, ...), R a multiple of eight → panels (P, ...), the largest first."""
    sizes = [_PANELS[0]] * (len(rows) // _PANELS[0]) + [size for size in _PANELS[1:] if len(rows) & size]
    return np.split(rows, np.cumsum(sizes)[:-1])


def _wide(weights: Array) -> Array:
    return np.concatenate([panel.T.ravel() for panel in _in_panels(weights)])


def _quads(weights: Array) -> Array:
    by_quad = weights.reshape(len(weights), -1, 4)
    return np.concatenate([np.swapaxes(panel, 0, 1).ravel() for panel in _in_panels(by_quad)])


PANELS = Order(
    rows=lambda rows: rows,
    wide=_wide,
    quads=_quads,
    shapes=("(rows)", "(panels, columns, rows)", "(panels, quads, rows, columns)"),
)
"""Rows gate by gate."""
