"""Cortex-M0 and M0+: a step in assembly, in the 16-bit instructions they have."""

from __future__ import annotations

from edge_lstm.integer import NativeLstm
from edge_lstm_export.c_source.kernel_sets import braid
from edge_lstm_export.c_source.kernel_sets.base import KernelSet, Written
from edge_lstm_export.c_source.kernel_sets.portable import write_head


def write_layer(layer: NativeLstm, name: str) -> Written:
    """A stream, and the function that reads it."""
    return braid.write_layer(layer, name, f"el_lstm_armv6m_{layer.scheme}.h", reverse=False)


ARMV6M = KernelSet(
    name="armv6m",
    files={
        "w8a16": (*braid.FILES, "el_lstm_armv6m.h", "el_lstm_armv6m_w8a16.h"),
        "w8a8": (*braid.FILES, "el_lstm_armv6m.h", "el_lstm_armv6m_w8a8.h"),
    },
    headers=("el_rows.h", "el_lstm_armv6m.h"),
    layer=write_layer,
    head=write_head,
    work_words=braid.work_words,
    rows=braid.ROWS,
)
