"""64-bit Arm with NEON: eight units at a time, and SDOT where the processor has it, which is asked at run time."""

from __future__ import annotations

import numpy as np

from edge_lstm.integer import Affine, NativeLstm
from edge_lstm_export.c_source.blueprint import table
from edge_lstm_export.c_source.kernel_sets.base import Array, Constant, KernelSet, Written, bytes_of, declare
from edge_lstm_export.c_source.packing import padded

UNITS = 8
"""Of a group: the lanes of int16 in a vector."""

GATES = 4
COLUMNS = 8
"""Columns of int8 weights come in multiples of this: two quads."""

VECTOR = 16
"""Bytes."""


def write_layer(layer: NativeLstm, name: str) -> Written:
    """w8a16: an ``el_neon_rows16``; w8a8: an ``el_neon_rows8`` over x and one over h."""
    if layer.scheme == "w8a16":
        rows = [*wide_rows(layer.blocks[0]), *_split_rows(layer.blocks[0])]
        return written("el_lstm_w8a16_neon", "el_neon_rows16", name, [rows])
    blocks = [[_quads(block), *requantisation(block)] for block in layer.blocks]
    return written("el_lstm_w8a8_neon", "el_neon_rows8", name, blocks)


def write_head(head: Affine, name: str) -> Written:
    """One ``el_neon_head``."""
    constants = [
        Constant("int16_t", "weights", head.weights, f"(outputs, units) = {head.weights.shape}", VECTOR),
        Constant("int32_t", "bias", head.bias, "(outputs)"),
        Constant("uint8_t", "multiplier", head.multiplier, "(outputs)"),
        Constant("uint8_t", "shift", head.shift, "(outputs)"),
    ]
    return written("el_head_neon", "el_neon_head", name, [constants])


def written(function: str, c_type: str, name: str, blocks: list[list[Constant]]) -> Written:
    """Constants of each block, and one ``c_type`` of pointers to them a block."""
    texts = [declare(f"{name}_{k}", block) for k, block in enumerate(blocks)]
    rows = ["{" + ", ".join(f"{name}_{k}_{c.name}" for c in block) + "}" for k, block in enumerate(blocks)]
    text = "\n".join([*texts, table(c_type, f"{name}_rows", rows)])
    return Written(text, function, f"{name}_rows", sum(bytes_of(block) for block in blocks))


def grouped(rows: Array) -> Array:
    """(4H, ...) gate by gate → (groups, gates, 8, ...), units of zeros up to whole groups."""
    by_gate = rows.reshape(GATES, -1, *rows.shape[1:])
    missing = [(0, 0), (0, -by_gate.shape[1] % UNITS)] + [(0, 0)] * (rows.ndim - 1)
    return np.swapaxes(np.pad(by_gate, missing).reshape(GATES, -1, UNITS, *rows.shape[1:]), 0, 1)


def in_quads(weights: Array) -> Array:
    """(4H, N) → (groups, quads, gates, 8, 4): four codes meet four weights of each of four units in a vector."""
    rows = grouped(padded(weights, COLUMNS))
    return np.moveaxis(rows.reshape(*rows.shape[:-1], -1, 4), 3, 1)


def wide(block: Affine) -> Constant:
    """A code meets the gates of eight units in 32 weights."""
    weights = np.moveaxis(grouped(block.weights), -1, 1)
    return Constant("int16_t", "wide", weights, f"(groups, columns, gates, units) = {weights.shape}", VECTOR)


def wide_rows(block: Affine) -> list[Constant]:
    """Weights, bias and multiplier of w8a16. A product is doubled and loses 32 bits; shifts are 9 at least."""
    multiplier = block.multiplier << (31 - block.shift)
    return [wide(block), _by_unit("wide_bias", block.bias), _by_unit("multiplier", multiplier)]


def requantisation(block: Affine) -> list[Constant]:
    """Bias, multiplier and shift of w8a8."""
    rows = {"bias": block.bias, "multiplier": block.multiplier, "shift": -block.shift}
    return [_by_unit(name, values) for name, values in rows.items()]


def _split_rows(block: Affine) -> list[Constant]:
    """Weights for codes that are split into a high byte and a low one less 128, and the bias that makes up for it."""
    lacking = 128 * block.weights.astype(np.int32).sum(axis=1)
    return [_quads(block), _by_unit("quads_bias", block.bias + lacking)]


def _quads(block: Affine) -> Constant:
    weights = in_quads(block.weights)
    return Constant("int8_t", "quads", weights, f"(groups, quads, gates, units, columns) = {weights.shape}", VECTOR)


def _by_unit(name: str, rows: Array) -> Constant:
    return Constant("int32_t", name, grouped(rows), "(groups, gates, units)", VECTOR)


def _work_words(layer: NativeLstm) -> int:
    """w8a16: codes of x and the old h, two bytes each, and these bytes apart. w8a8: codes of one byte."""
    if layer.scheme == "w8a16":
        return VECTOR * -(-(layer.features + layer.units) // VECTOR)
    return sum(-(-width // COLUMNS) * COLUMNS // 4 for width in (layer.features, layer.units))


_FILES = (
    "el_head_neon.c",
    "el_neon.h",
    "el_neon_quads.h",
    "el_neon_sigmoid.h",
    "el_neon_units.h",
    "el_sigmoid.h",
)

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
)
