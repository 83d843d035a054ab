"""Cortex-M3: a step in assembly, without the long multiplies, whose time depends on the data."""

from __future__ import annotations

from edge_lstm.integer import NativeLstm
from edge_lstm_export.c_source.kernel_sets import braid
from edge_lstm_export.c_source.kernel_sets.base import KernelSet, Written
from edge_lstm_export.c_source.kernel_sets.portable import write_head


def write_layer(layer: NativeLstm, name: str) -> Written:
    """A stream, and the function that reads it."""
    return braid.write_layer(layer, name, f"el_lstm_armv7m_{layer.scheme}.h", reverse=True)


ARMV7M = KernelSet(
    name="armv7m",
    files={
        "w8a16": (*braid.FILES, "el_lstm_armv7m.h", "el_lstm_armv7m_w8a16.h"),
        "w8a8": (*braid.FILES, "el_lstm_armv7m.h", "el_lstm_armv7m_w8a8.h"),
    },
    headers=("el_rows.h", "el_lstm_armv7m.h"),
    layer=write_layer,
    head=write_head,
    work_words=braid.work_words,
    rows=braid.ROWS,
)
