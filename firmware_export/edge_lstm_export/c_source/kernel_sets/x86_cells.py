"""Cells other than the LSTM on x86-64: rows of as many units as a vector has lanes, and at once what joins them."""

from __future__ import annotations

from collections.abc import Callable

from edge_lstm.integer import Affine, NativeCell, NativeConv
from edge_lstm_export.c_source.kernel_sets import joined
from edge_lstm_export.c_source.kernel_sets.base import CellKernel, Written

BLOCK = 16
"""Units side by side: the lanes of the widest vector."""

_FILES = (
    "el_conv.h",
    "el_gated.h",
    "el_x86_cell_steps.h",
    "el_x86_cells.c",
    "el_x86_cells.h",
    "el_x86_cells_avx2.c",
    "el_x86_cells_avx512.c",
    "el_x86_cells_sse2.c",
)

_KEPT = {"gru": 0, "gru-before": 4, "rnn": 0, "rnn-relu": 0, "fastgrnn": 0, "dense": 0, "conv": 0}
"""Codes a unit in the scratch, beside those of x and of the old h."""


def cell_kernels(write_rows: Callable[[Affine, int, str], Written]) -> dict[str, CellKernel]:
    """A kernel for each cell.

    Args:
        write_rows: (block, rows a unit, C name) → C.
    """
    return {cell: _kernel(f"el_{cell.replace('-', '_')}_x86", kept, write_rows) for cell, kept in _KEPT.items()}


def _kernel(function: str, kept: int, write_rows: Callable[[Affine, int, str], Written]) -> CellKernel:
    return CellKernel(
        files={"w8a16": _FILES, "w8a8": _FILES},
        layer=lambda layer, name: joined.write_joined(layer, name, function, write_rows, BLOCK),
        work_words=lambda layer: _work_words(layer, kept),
        serves=lambda _layer: True,
        headers=("el_x86_cells.h",),
    )


def _work_words(layer: NativeCell, kept: int) -> int:
    """A word holds two codes; a convolution has its columns twice."""
    columns = -(-layer.columns // 2) * (2 if isinstance(layer, NativeConv) else 1)
    return columns + (1 + kept) * BLOCK // 2 * -(-layer.units // BLOCK)
