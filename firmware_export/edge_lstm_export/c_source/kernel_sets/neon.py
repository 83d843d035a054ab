"""64-bit Arm with NEON: eight units at a time, and SDOT where the processor has it, which is asked at run time."""

from __future__ import annotations

import numpy as np

from edge_lstm.integer import Affine, NativeLstm, Scheme
from edge_lstm_export.c_source.kernel_sets.base import Array, Constant, KernelSet, Written, written
from edge_lstm_export.c_source.kernel_sets.neon_cells import PANELS, Rows, cell_kernels
from edge_lstm_export.c_source.kernel_sets.neon_rows import (
    COLUMNS,
    UNITS,
    VECTOR,
    Order,
    quads,
    requantisation,
    split_rows,
    wide_rows,
)

GATES = 4


def write_layer(layer: NativeLstm, name: str) -> Written:
    """w8a16: an ``el_neon_rows16``; w8a8: an ``el_neon_rows8`` over x and one over h."""
    if layer.scheme == "w8a16":
        return written("el_lstm_w8a16_neon", "el_neon_rows16", name, [_rows16(layer.blocks[0], GROUPS)])
    return written("el_lstm_w8a8_neon", "el_neon_rows8", name, [_rows8(block, GROUPS) for block in layer.blocks])


def write_head(head: Affine, name: str) -> Written:
    """One ``el_neon_head``."""
    constants = [
        Constant("int16_t", "weights", head.weights, f"(outputs, units) = {head.weights.shape}", VECTOR),
        Constant("int32_t", "bias", head.bias, "(outputs)"),
        Constant("uint8_t", "multiplier", head.multiplier, "(outputs)"),
        Constant("uint8_t", "shift", head.shift, "(outputs)"),
    ]
    return written("el_head_neon", "el_neon_head", name, [constants])


def grouped(rows: Array) -> Array:
    """(4H, ...) gate by gate → (groups, gates, 8, ...), units of zeros up to whole groups."""
    by_gate = rows.reshape(GATES, -1, *rows.shape[1:])
    missing = [(0, 0), (0, -by_gate.shape[1] % UNITS)] + [(0, 0)] * (rows.ndim - 1)
    return np.swapaxes(np.pad(by_gate, missing).reshape(GATES, -1, UNITS, *rows.shape[1:]), 0, 1)


def in_quads(weights: Array) -> Array:
    """(4H, N) → (groups, quads, gates, 8, 4): four codes meet four weights of each of four units in a vector.

    N is a multiple of 4.
    """
    rows = grouped(weights)
    return np.moveaxis(rows.reshape(*rows.shape[:-1], -1, 4), 3, 1)


GROUPS = Order(
    rows=grouped,
    wide=lambda weights: np.moveaxis(grouped(weights), -1, 1),
    quads=in_quads,
    shapes=("(groups, gates, units)", "(groups, columns, gates, units)", "(groups, quads, gates, units, columns)"),
)
"""Gate by gate of eight units of an LSTM."""


def _rows16(block: Affine, order: Order) -> list[Constant]:
    return [*wide_rows(block, order), *split_rows(block, order)]


def _rows8(block: Affine, order: Order) -> list[Constant]:
    return [quads(block, order), *requantisation(block, order)]


def _work_words(layer: NativeLstm) -> int:
    """w8a16: codes of x and the old h, two bytes each, and these bytes apart. w8a8: codes of one byte."""
    if layer.scheme == "w8a16":
        return VECTOR * -(-(layer.features + layer.units) // VECTOR)
    return sum(-(-width // COLUMNS) * COLUMNS // 4 for width in (layer.features, layer.units))


_FILES = (
    "el_head_neon.c",
    "el_neon.h",
    "el_neon_quads.h",
    "el_neon_sigmoid.c",
    "el_neon_sigmoid.h",
    "el_neon_units.h",
    "el_sigmoid.h",
)

_CELLS: dict[Scheme, Rows] = {
    "w8a16": Rows(
        files=("el_neon_quad_rows.h", "el_neon_wide_rows.h", "el_rows_w8a16_neon.c"),
        write=lambda block, name: written("el_rows_w8a16_neon", "el_neon_rows16", name, [_rows16(block, PANELS)]),
        # The two bytes of a code apart.
        scratch=lambda columns: 2 * VECTOR * -(-columns // VECTOR),
    ),
    "w8a8": Rows(
        files=("el_neon_quad_rows.h", "el_rows_w8a8_neon.c"),
        write=lambda block, name: written("el_rows_w8a8_neon", "el_neon_rows8", name, [_rows8(block, PANELS)]),
        # Codes of one byte.
        scratch=lambda columns: COLUMNS * -(-columns // COLUMNS),
    ),
}

NEON = KernelSet(
    name="neon",
    files={
        "w8a16": (*_FILES, "el_lstm_w8a16_neon.c", "el_neon_wide.h"),
        "w8a8": (*_FILES, "el_lstm_w8a8_neon.c"),
    },
    headers=("el_neon.h",),
    layer=write_layer,
    head=write_head,
    work_words=_work_words,
    cells=cell_kernels(_CELLS),
)
