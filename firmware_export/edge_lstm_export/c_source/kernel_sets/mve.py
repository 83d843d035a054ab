"""Cores with MVE (Cortex-M55): sums of sixteen columns an instruction, a step in assembly for each layer's shape."""

from __future__ import annotations

import numpy as np

from edge_lstm.arithmetic.native import SHIFTS
from edge_lstm.integer import Affine, NativeLstm, Scheme
from edge_lstm_export.c_source.kernel_sets.base import (
    Array,
    Constant,
    KernelSet,
    Written,
    bytes_of,
    declare,
    instantiate,
)
from edge_lstm_export.c_source.kernel_sets.mve_groups import BLOCK, GROUP, ORDER, WHOLE, by_group, kept, vectors
from edge_lstm_export.c_source.kernel_sets.mve_gru import GRU
from edge_lstm_export.c_source.literals import require_within
from edge_lstm_export.c_source.packing import in_fours, unit_by_unit

SPREAD = -1
"""The shifts of a block are too far apart: sums are multiplied and shifted one after the other."""

_SCHEMES: tuple[Scheme, ...] = ("w8a16", "w8a8")
_FILES = ("el_head_mve.c", "el_mve.h", "el_mve_asm.h", "el_mve_sigmoid.c")


def groups(columns: int) -> tuple[int, int]:
    """Columns of w8a16 → (groups that are split, groups that stay whole), the fewest instructions."""
    left = columns % GROUP
    whole = int(columns > GROUP and 0 < left <= WHOLE)
    return vectors(columns - WHOLE * whole), whole


def shift_up(block: Affine) -> int:
    """By how much sums are shifted left, so that ``m << 31 - up - s`` fits 31 bits for every row; else ``SPREAD``."""
    up = max(0, 8 - int(block.shift.min()))
    return SPREAD if up + block.shift.max() > 31 else up


def write_layer(layer: NativeLstm, name: str) -> Written:
    """The stream of ``el_mve.h`` and the kernel for the layer's shape.

    Raises:
        ExportError: if a shift of w8a16 is outside those that every kernel can apply.
    """
    shape = {"features": layer.features, "units": layer.units, "hidden_bits": layer.hidden_bits}
    if layer.scheme == "w8a16":
        split, whole = groups(layer.features + layer.units)
        shape |= {"split": split, "whole": whole, "kept": kept(2 * split + whole, 6)}
        parts = _wide(layer.blocks[0], split)
    else:
        over_x, over_h = layer.blocks
        of_x, of_h = vectors(layer.features), vectors(layer.units)
        shape |= {"of_x": of_x, "of_h": of_h, "kept": kept(of_x + of_h, 5)}
        shape |= {"up_x": shift_up(over_x), "up_h": shift_up(over_h)}
        parts = _narrow(layer)
    stream = np.concatenate([_bytes_of_units(part) for part in parts], axis=1)
    constants = [Constant("int8_t", "stream", stream, f"(units, bytes) = {stream.shape}; see el_mve.h", align=4)]
    kernel = instantiate(f"el_lstm_mve_{layer.scheme}.h", name, shape)
    return Written(f"{declare(name, constants)}\n{kernel}", f"{name}_step", f"{name}_stream", bytes_of(constants))


def write_head(head: Affine, name: str) -> Written:
    """The stream of ``el_mve.h``.

    Raises:
        ExportError: if a shift is outside those that every kernel can apply.
    """
    require_within("shift of rows", head.shift, SHIFTS.start, SHIFTS.stop - 1)
    multiplier = head.multiplier.astype(np.int32) << 31 - head.shift
    parts = [head.bias, *by_group(head.weights, WHOLE), multiplier]
    stream = np.concatenate([_bytes(in_fours(part)) for part in parts], axis=1)
    constants = [
        Constant("int8_t", "stream", stream, f"(fours of rows, bytes) = {stream.shape}; see el_mve.h", align=4)
    ]
    return Written(declare(name, constants), "el_head_mve", f"{name}_stream", bytes_of(constants))


def _wide(block: Affine, split: int) -> list[Array]:
    """(4H, ...) a part of what a unit of w8a16 reads, in its order."""
    require_within("shift of w8a16 layers", block.shift, SHIFTS.start, SHIFTS.stop - 1)
    halves, whole = np.split(block.weights, [min(GROUP * split, block.weights.shape[1])], axis=1)
    bias = block.bias + 128 * halves.sum(1, dtype=np.int32)
    return [bias, *by_group(halves), *by_group(whole, WHOLE), block.multiplier << 31 - block.shift]


def _narrow(layer: NativeLstm) -> list[Array]:
    """(4H, ...) a part of what a unit of w8a8 reads, in its order."""
    biases = [block.bias for block in layer.blocks]
    weights = [group for block in layer.blocks for group in by_group(block.weights)]
    scaling = [part for block in layer.blocks for part in _scaling(block)]
    return [*biases, *weights, *scaling]


def _scaling(block: Affine) -> list[Array]:
    up = shift_up(block)
    if up == SPREAD:
        return [block.multiplier.astype(np.uint8), (-block.shift).astype(np.int8)]
    return [block.multiplier << 31 - up - block.shift]


def _bytes_of_units(rows: Array) -> Array:
    """(4H, ...) gate by gate → (units, bytes), units padded to blocks and in the order of the stream."""
    units = unit_by_unit(rows)
    whole = np.pad(units, [(0, -len(units) % BLOCK)] + [(0, 0)] * (units.ndim - 1))
    return _bytes(whole.reshape(-1, BLOCK, *whole.shape[1:])[:, ORDER].reshape(len(whole), -1))


def _bytes(rows: Array) -> Array:
    """(R, ...) → (R, bytes)."""
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1)
    return flat.astype(flat.dtype.newbyteorder("<")).view(np.int8)


def _work_words(layer: NativeLstm) -> int:
    if layer.scheme == "w8a8":
        return 4 * (vectors(layer.features) + vectors(layer.units))
    split, whole = groups(layer.features + layer.units)
    return 8 * split + 4 * whole


MVE = KernelSet(
    name="mve",
    files={scheme: (*_FILES, f"el_lstm_mve_{scheme}.h") for scheme in _SCHEMES},
    headers=("el_mve_asm.h",),
    layer=write_layer,
    head=write_head,
    work_words=_work_words,
    cells={"gru": GRU},
)
