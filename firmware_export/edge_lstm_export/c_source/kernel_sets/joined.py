"""Cells as rows over each of their blocks, and C that joins them: an ``el_gated`` over one ``el_head`` a block."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge_lstm.arithmetic.native import SHIFTS
from edge_lstm.integer import Affine, NativeCell, NativeDense, NativeFastGrnn, NativePeepholeLstm
from edge_lstm_export.c_source.kernel_sets.base import Array, Constant, Written, bytes_of, declare

HEADER = "el_gated.h"

_BLOCKS = ("over_x", "over_h", "over_reset")
_CONSTANT_BYTES, _PEEPHOLE_BYTES, _HEAD_BYTES = 24, 8, 12
"""Of an ``el_gated``, what an ``el_peepholes`` has more, and of an ``el_head``, where pointers have four bytes."""

_ARRAYS = {"candidate": (1, "(units)"), "peephole": (3, "(i f o, units)")}
"""Beside the blocks: numbers a unit, and the order."""


def write_joined(
    layer: NativeCell,
    name: str,
    function: str,
    write_rows: Callable[[Affine, int, str], Written],
    multiple: int = 1,
) -> Written:
    """A layer and what its blocks are for ``function``, each a block of rows in C.

    Args:
        function: the C that joins the rows.
        write_rows: (block, rows a unit, C name) → C.
        multiple: units are filled up to one of this, with noughts.
    """
    gates = [count for count, _ in layer.rows]
    blocks = [_filled(block, count, multiple) for block, count in zip(layer.blocks, gates, strict=True)]
    rows = {
        over: write_rows(block, count, f"{name}_{over}")
        for over, block, count in zip(_BLOCKS, blocks, gates, strict=False)
    }
    text = [written.text for written in rows.values()]
    for (block, written), affine in zip(rows.items(), blocks, strict=True):
        count, columns = affine.weights.shape
        members = f"{written.function}, {written.constants}, {columns}, {count}"
        text.append(f"static const el_head {name}_{block} = {{{members}}};\n")
    constants = [
        Constant(
            "int16_t", array, _whole(getattr(layer, array).reshape(-1), _ARRAYS[array][0], multiple), _ARRAYS[array][1]
        )
        for array in layer.arrays
    ]
    if constants:
        text.append(declare(name, constants))
    kind, members = "el_gated", ", ".join(_members(layer, name, list(rows)))
    size = sum(w.bytes + _HEAD_BYTES for w in rows.values()) + bytes_of(constants) + _CONSTANT_BYTES
    if isinstance(layer, NativePeepholeLstm):
        kind, members = "el_peepholes", f"{{{members}}}, {name}_peephole, {layer.peephole_bits - 5}"
        size += _PEEPHOLE_BYTES
    text.append(f"static const {kind} {name}_constants = {{{members}}};\n")
    return Written("\n".join(text), function, f"&{name}_constants", size)


def _filled(block: Affine, gates: int, multiple: int) -> Affine:
    """(G·H rows) → (G·H'), units of noughts behind each gate's."""
    values = (block.weights, 0), (block.bias, 0), (block.multiplier, 128), (block.shift, SHIFTS.start)
    return Affine(*(_whole(rows, gates, multiple, filler) for rows, filler in values))


def _whole(rows: Array, gates: int, multiple: int, filler: int = 0) -> Array:
    """(G·H, ...) → (G·H', ...), H' a multiple."""
    by_gate = rows.reshape(gates, -1, *rows.shape[1:])
    missing = [(0, 0), (0, -by_gate.shape[1] % multiple)] + [(0, 0)] * (rows.ndim - 1)
    return np.pad(by_gate, missing, constant_values=filler).reshape(-1, *rows.shape[1:])


def _members(layer: NativeCell, name: str, blocks: list[str]) -> list[str]:
    pointers = [f"&{name}_{block}" if block in blocks else "NULL" for block in _BLOCKS]
    leaks = isinstance(layer, NativeFastGrnn)
    numbers = (layer.zeta, layer.nu) if isinstance(layer, NativeFastGrnn) else (0, 0)
    activation = f"EL_{layer.activation.upper()}" if isinstance(layer, NativeDense) else "EL_LINEAR"
    shown = [*numbers, 12 - layer.row_bits, layer.reach, int(layer.scheme == "w8a8"), activation]
    return [*pointers, f"{name}_candidate" if leaks else "NULL", *map(str, shown)]
