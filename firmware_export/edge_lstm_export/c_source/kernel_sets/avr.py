"""AVR cores that multiply: whole steps in assembly, which read the constants of a layer as one stream of bytes."""

from __future__ import annotations

import numpy as np

from edge_lstm.integer import Affine, NativeLstm
from edge_lstm_export.c_source.kernel_sets.base import Array, Constant, KernelSet, Written, bytes_of, declare
from edge_lstm_export.c_source.packing import in_fours, padded, unit_by_unit

_COMMON = ("el_asm.h", "el_avr.h", "el_head_avr.c", "el_sigmoid.c", "el_sigmoid.h")

_KEPT = {"w8a16": 11, "w8a8": 34}
"""Bytes of scratch before the codes: ``EL_AVR_KEPT``, and in w8a8 the other block, a pointer and four sums."""

_CODE = {"w8a16": 2, "w8a8": 1}
"""Bytes of scratch a code takes."""


def write_layer(layer: NativeLstm, name: str) -> Written:
    """(units, bytes), the blocks of a unit side by side."""
    blocks = [
        _bytes(
            unit_by_unit(padded(block.weights, 2)),
            unit_by_unit(block.bias - _excess(block, layer)),
            unit_by_unit(block.multiplier),
            unit_by_unit(block.shift),
        )
        for block in layer.blocks
    ]
    return _written(np.concatenate(blocks, axis=1), "units", name, f"el_lstm_avr_{layer.scheme}")


def write_head(head: Affine, name: str) -> Written:
    """(fours of outputs, bytes). The last four are filled up with rows of zeros."""
    rows = in_fours(head.bias), in_fours(head.multiplier, 128), in_fours(head.shift, 8)
    return _written(_bytes(in_fours(head.weights), *rows), "fours of outputs", name, "el_head_avr")


def _bytes(weights: Array, bias: Array, multiplier: Array, shift: Array) -> Array:
    """(U, 4, N) weights and (U, 4) row constants → (U, 12 + 4 N + 12)."""
    dropped = -(-shift // 8)
    parts = (
        _digits(bias, 3),
        np.swapaxes(weights, 1, 2) + 128,
        np.concatenate([_digits(multiplier << (8 * dropped - shift), 2), dropped[..., None] - 1], axis=-1),
    )
    return np.concatenate([part.reshape(len(part), -1).astype(np.uint8) for part in parts], axis=1)


def _excess(block: Affine, layer: NativeLstm) -> Array:
    """(R,) what a row has too much where codes have 128 added."""
    return 128 * block.weights.sum(axis=1) if layer.scheme == "w8a8" else np.zeros_like(block.bias)


def _digits(values: Array, count: int) -> Array:
    """(...,) → (..., count) bytes, the lowest first."""
    return np.asarray((values[..., None] >> (8 * np.arange(count))) & 0xFF)


def _written(stream: Array, axis: str, name: str, function: str) -> Written:
    constants = [Constant("uint8_t", "stream", stream, f"({axis}, bytes) = {stream.shape}; see el_avr.h")]
    return Written(declare(name, constants), function, f"{name}_stream", bytes_of(constants))


def _work_words(layer: NativeLstm) -> int:
    """Blocks have an even number of columns."""
    codes = sum(block.weights.shape[1] + block.weights.shape[1] % 2 for block in layer.blocks)
    return -(-(_KEPT[layer.scheme] + _CODE[layer.scheme] * codes) // 4)


AVR = KernelSet(
    name="avr",
    files={
        "w8a16": (*_COMMON, "el_lstm_avr_w8a16.c"),
        "w8a8": (*_COMMON, "el_lstm_avr_w8a8.c"),
    },
    headers=("el_avr.h",),
    layer=write_layer,
    head=write_head,
    work_words=_work_words,
)
