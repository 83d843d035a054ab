"""ARMv7 with NEON: codes of both schemes stay int16 and the weights are widened to meet them."""

from __future__ import annotations

from edge_lstm.integer import Affine, NativeLstm, Scheme
from edge_lstm_export.c_source.kernel_sets.base import Constant, KernelSet, Written, written
from edge_lstm_export.c_source.kernel_sets.neon import GROUPS, write_head
from edge_lstm_export.c_source.kernel_sets.neon_cells import PANELS, Rows, cell_kernels
from edge_lstm_export.c_source.kernel_sets.neon_rows import Order, requantisation, wide, wide_rows


def write_layer(layer: NativeLstm, name: str) -> Written:
    """w8a16: an ``el_neon32_rows16``; w8a8: an ``el_neon32_rows8`` over x and one over h."""
    if layer.scheme == "w8a16":
        return written("el_lstm_w8a16_neon32", "el_neon32_rows16", name, [wide_rows(layer.blocks[0], GROUPS)])
    return written("el_lstm_w8a8_neon32", "el_neon32_rows8", name, [_rows8(block, GROUPS) for block in layer.blocks])


def _rows8(block: Affine, order: Order) -> list[Constant]:
    return [wide(block, order), *requantisation(block, order)]


_FILES = (
    "el_head_neon.c",
    "el_neon.h",
    "el_neon_sigmoid.h",
    "el_neon_units.h",
    "el_neon_wide.h",
    "el_sigmoid.c",
    "el_sigmoid.h",
)

# Codes are read where they lie.
_CELLS: dict[Scheme, Rows] = {
    "w8a16": Rows(
        files=("el_neon_wide_rows.h", "el_rows_w8a16_neon32.c"),
        write=lambda block, name: written("el_rows_w8a16_neon32", "el_neon32_rows16", name, [wide_rows(block, PANELS)]),
        scratch=lambda _columns: 0,
    ),
    "w8a8": Rows(
        files=("el_neon_wide_rows.h", "el_rows_w8a8_neon32.c"),
        write=lambda block, name: written("el_rows_w8a8_neon32", "el_neon32_rows8", name, [_rows8(block, PANELS)]),
        scratch=lambda _columns: 0,
    ),
}

NEON32 = KernelSet(
    name="neon32",
    files={
        "w8a16": (*_FILES, "el_lstm_w8a16_neon32.c"),
        "w8a8": (*_FILES, "el_lstm_w8a8_neon32.c"),
    },
    headers=("el_neon.h",),
    layer=write_layer,
    head=write_head,
    # Codes of x and the old h.
    work_words=lambda layer: -(-(layer.features + layer.units) // 2),
    cells=cell_kernels(_CELLS),
)
