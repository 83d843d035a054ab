"""ARMv7 with NEON: codes of both schemes stay int16 and the weights are widened to meet them."""

from __future__ import annotations

from edge_lstm.integer import NativeLstm
from edge_lstm_export.c_source.kernel_sets.base import KernelSet, Written
from edge_lstm_export.c_source.kernel_sets.neon import requantisation, wide, wide_rows, write_head, written


def write_layer(layer: NativeLstm, name: str) -> Written:
    """w8a16: an ``el_neon32_rows16``; w8a8: an ``el_neon32_rows8`` over x and one over h."""
    if layer.scheme == "w8a16":
        return written("el_lstm_w8a16_neon32", "el_neon32_rows16", name, [wide_rows(layer.blocks[0])])
    blocks = [[wide(block), *requantisation(block)] for block in layer.blocks]
    return written("el_lstm_w8a8_neon32", "el_neon32_rows8", name, blocks)


_FILES = (
    "el_head_neon.c",
    "el_neon.h",
    "el_neon_sigmoid.h",
    "el_neon_units.h",
    "el_neon_wide.h",
    "el_sigmoid.c",
    "el_sigmoid.h",
)

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
)
