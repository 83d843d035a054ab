"""GRU layers on cores with MVE: blocks of eight units, their rows over x and then over h, as ``el_gru_mve.h`` reads."""

from __future__ import annotations

import numpy as np

from edge_lstm.arithmetic.native import SHIFTS
from edge_lstm.integer import Affine, NativeGru
from edge_lstm_export.c_source.kernel_sets.base import (
    Array,
    CellKernel,
    Constant,
    Written,
    bytes_of,
    declare,
    instantiate,
)
from edge_lstm_export.c_source.kernel_sets.mve_groups import BLOCK, GROUP, ORDER, WHOLE, by_group, kept, vectors

_ROWS = 4
"""Rows that are summed together."""


def _serves(layer: NativeGru) -> bool:
    """Whether all shifts are those that one doubled high word applies."""
    return all(int(shift) in SHIFTS for block in layer.blocks for shift in block.shift)


def _groups(columns: int) -> tuple[int, int]:
    """Columns of w8a16 → (groups that are split, groups that stay whole), the fewest instructions."""
    whole = int(0 < columns % GROUP <= WHOLE)
    return vectors(columns - WHOLE * whole), whole


def _write(layer: NativeGru, name: str) -> Written:
    """A stream, and the kernel for the layer's shape."""
    narrow = layer.scheme == "w8a8"
    shape = {
        "features": layer.features,
        "units": layer.units,
        "hidden_bits": layer.hidden_bits,
        "scale_bits": 12 - layer.row_bits,
        "narrow": int(narrow),
    }
    for part, columns in (("x", layer.features), ("h", layer.units)):
        split, whole = (0, 0) if narrow else _groups(columns)
        count = vectors(columns) if narrow else 2 * split + whole
        shape |= {f"{what}_{part}": n for what, n in (("split", split), ("whole", whole), ("vectors", count))}
        shape[f"kept_{part}"] = kept(count, 6)
    stream = np.concatenate([_bytes_of_blocks(block, narrow) for block in layer.blocks], axis=1)
    constants = [Constant("int8_t", "stream", stream, f"(blocks, bytes) = {stream.shape}; see el_mve.h", align=4)]
    kernel = instantiate("el_gru_mve.h", name, shape)
    return Written(f"{declare(name, constants)}\n{kernel}", f"{name}_step", f"{name}_stream", bytes_of(constants))


def _bytes_of_blocks(block: Affine, narrow: bool) -> Array:
    """(3H rows) → (blocks, bytes)."""
    split = 0 if narrow else GROUP * _groups(block.weights.shape[1])[0]
    halves, rest = np.split(block.weights, [min(split, block.weights.shape[1])], axis=1)
    bias = block.bias + 128 * halves.sum(1, dtype=np.int32)
    groups = [*by_group(halves), *by_group(rest, GROUP if narrow else WHOLE)]
    parts = [_fours(part) for part in (bias, *groups, block.multiplier << 31 - block.shift)]
    fours = np.concatenate(parts, axis=1)
    return fours.reshape(len(fours) * _ROWS // (3 * BLOCK), -1)


def _fours(rows: Array) -> Array:
    """(3H, ...) gate by gate → (fours of rows, bytes): gates of a block after another, units as the stream has them."""
    gates = rows.reshape(3, -1, *rows.shape[1:])
    whole = np.pad(gates, [(0, 0), (0, -gates.shape[1] % BLOCK)] + [(0, 0)] * (gates.ndim - 2))
    blocks = np.swapaxes(whole.reshape(3, -1, BLOCK, *rows.shape[1:])[:, :, ORDER], 0, 1)
    ordered = blocks.reshape(blocks.size // (_ROWS * int(np.prod(rows.shape[1:], dtype=int))), -1)
    return np.ascontiguousarray(ordered).astype(ordered.dtype.newbyteorder("<")).view(np.int8)


def _work_words(layer: NativeGru) -> int:
    columns = layer.features, layer.units
    if layer.scheme == "w8a8":
        return 4 * sum(map(vectors, columns))
    return sum(8 * split + 4 * whole for split, whole in map(_groups, columns))


_FILES = ("el_gru_mve.h", "el_asm.h")

GRU = CellKernel(
    files={"w8a16": _FILES, "w8a8": _FILES},
    layer=_write,
    work_words=_work_words,
    serves=_serves,
)
