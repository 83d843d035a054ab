"""RISC-V RV32IM(C): whole steps in assembly, which read the constants of a layer as one stream of words."""

from __future__ import annotations

import numpy as np

from edge_lstm.integer import Affine, NativeLstm
from edge_lstm_export.c_source.kernel_sets.base import Array, Constant, KernelSet, Written, bytes_of, declare
from edge_lstm_export.c_source.packing import in_fours, unit_by_unit

_COMMON = ("el_asm.h", "el_head_rv32.c", "el_rv32.h", "el_sigmoid.c", "el_sigmoid.h")


def write_layer(layer: NativeLstm, name: str) -> Written:
    """(units, words), the blocks of a unit side by side."""
    blocks = [
        _words(*(unit_by_unit(rows) for rows in (block.weights, block.bias, block.multiplier, block.shift)))
        for block in layer.blocks
    ]
    return _written(np.concatenate(blocks, axis=1), "units", name, f"el_lstm_rv32_{layer.scheme}")


def write_head(head: Affine, name: str) -> Written:
    """(fours of outputs, words). The last four are filled up with rows of zeros."""
    rows = in_fours(head.bias), in_fours(head.multiplier, 128), in_fours(head.shift, 8)
    return _written(_words(in_fours(head.weights), *rows), "fours of outputs", name, "el_head_rv32")


def _words(weights: Array, bias: Array, multiplier: Array, shift: Array) -> Array:
    """(U, 4, N) weights and (U, 4) row constants → (U, 4 + N + 2)."""
    parts = (bias.astype("<i4"), np.swapaxes(weights, 1, 2).astype("i1"), multiplier.astype("u1"), shift.astype("u1"))
    return np.concatenate([np.ascontiguousarray(p).reshape(len(p), -1).view("<i4") for p in parts], axis=1)


def _written(stream: Array, axis: str, name: str, function: str) -> Written:
    constants = [
        Constant("int32_t", "stream", stream, f"({axis}, words) = {stream.shape}, little-endian; see el_rv32.h")
    ]
    return Written(declare(name, constants), function, f"{name}_stream", bytes_of(constants))


RV32 = KernelSet(
    name="rv32",
    files={
        "w8a16": (*_COMMON, "el_lstm_rv32_w8a16.c"),
        "w8a8": (*_COMMON, "el_lstm_rv32_w8a8.c"),
    },
    headers=("el_rv32.h",),
    layer=write_layer,
    head=write_head,
    # What holds h: x too in w8a16, h alone in w8a8.
    work_words=lambda layer: -(-layer.blocks[-1].weights.shape[1] // 2),
)
