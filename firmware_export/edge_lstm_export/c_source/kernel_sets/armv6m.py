"""Cortex-M0 and M0+: a step in assembly, in the 16-bit instructions they have."""

from __future__ import annotations

from edge_lstm.integer import Affine, NativeLstm
from edge_lstm_export.c_source.kernel_sets import braid
from edge_lstm_export.c_source.kernel_sets.base import KernelSet, Written

_FILES = (*braid.FILES, "el_head_armv6m.c", "el_lstm_armv6m.h")


def write_layer(layer: NativeLstm, name: str) -> Written:
    """A stream, and the function that reads it."""
    return braid.write_layer(layer, name, f"el_lstm_armv6m_{layer.scheme}.h", reverse=False)


def write_head(head: Affine, name: str) -> Written:
    """A stream, read four rows at a time."""
    return braid.write_head(head, name, "el_head_armv6m", reverse=False)


ARMV6M = KernelSet(
    name="armv6m",
    files={
        "w8a16": (*_FILES, "el_lstm_armv6m_w8a16.h"),
        "w8a8": (*_FILES, "el_lstm_armv6m_w8a8.h"),
    },
    headers=("el_lstm_armv6m.h",),
    layer=write_layer,
    head=write_head,
    work_words=braid.work_words,
    instead={"el_gru.c": "el_gru_armv6m.c"},
)
