"""Four rows in three sums: the packing of cores that have one 32-bit multiplier and nothing wider.

A word P holds the four weights a column has in the gates of a unit, a byte each. Sums are kept modulo 2**32, and the
rules of the arithmetic bound each row's sum S below 2**23, so four of them are 96 bits: just what three products a
column can carry. With S_k the sum of the weights in byte k, the kernel sums ::

    A = Σ P v          = S_0 + 2**8 S_1 + 2**16 S_2 + 2**24 S_3
    U = Σ (P >> 16) v  = S_2 + 2**8 S_3
    B = Σ rev(P) v     = S_3 + 2**8 S_2 + 2**16 S_1 + 2**24 S_0             (modulo 2**32)

and once a unit it takes them apart, exactly ::

    T = A - 2**16 U                   = S_0 + 2**8 S_1
    Q = B - 2**8 U - 2**24 T          = S_3 + 2**16 (S_1 - S_3)             so Q's lower half is that of S_3
    S_2 = (2**8 U - 2**16 Q) >> 8,      S_3 = (U - S_2) >> 8
    R = Q - S_3 + 2**16 S_3           = 2**16 S_1
    S_0 = (2**8 T - R) >> 8,            S_1 = (T - S_0) >> 8

Bytes are weight + 128, so that they unpack without a sign; kernels take 128 Σ v off once a unit.
"""

from __future__ import annotations

import numpy as np

from edge_lstm.integer import Affine, NativeLstm
from edge_lstm_export.c_source.kernel_sets.base import (
    Array,
    Constant,
    RowsKernel,
    Written,
    bytes_of,
    declare,
    instantiate,
)
from edge_lstm_export.c_source.packing import in_fours, interleaved, unit_by_unit

FILES = ("el_rows.h", "el_head_rows.c", "el_sigmoid_lines.c", "el_sigmoid_lines.h")
"""What every such kernel set needs: its table, and the portable head."""

_SUMS = np.array([[1, 1 << 8, 1 << 16, 1 << 24], [0, 0, 1, 1 << 8], [1 << 24, 1 << 16, 1 << 8, 1]])
"""(sums A U B, gates) what a weight counts in each sum."""


def write_layer(layer: NativeLstm, name: str, header: str, reverse: bool) -> Written:
    """One stream, and a function for this layer alone.

    Args:
        header: the template of the function.
        reverse: whether the stream holds rev(P), for cores that get P from it by reversing in place.
    """
    stream = np.concatenate([_strand(block, reverse) for block in layer.blocks], axis=1)
    shape = f"(units, blocks of 12 B bias, 4 B a column, 8 B shift and multiplier) = {stream.shape}"
    constants = [Constant("uint8_t", "stream", stream, shape, align=4)]
    counts = {"features": layer.features, "units": layer.units, "hidden_bits": layer.hidden_bits}
    text = f"{declare(name, constants)}\n{instantiate(header, name, counts)}"
    return Written(text, f"{name}_step", f"{name}_stream", bytes_of(constants))


def work_words(layer: NativeLstm) -> int:
    """The codes of x and h, a word each."""
    return layer.features + layer.units


def _strand(block: Affine, reverse: bool) -> Array:
    """(H, 20 + 4N) bytes: what a kernel reads for each unit, in its order."""
    units = len(block.bias) // 4
    bias = (unit_by_unit(block.bias).astype(np.int64) @ _SUMS.T) & 0xFFFFFFFF
    words = (interleaved(block.weights).astype(np.int16) + 128).astype(np.uint8)
    rows = np.stack([unit_by_unit(block.shift), unit_by_unit(block.multiplier)], axis=2)
    parts = [bias.astype("<u4").view(np.uint8), words[:, :, ::-1] if reverse else words, rows.astype(np.uint8)]
    return np.concatenate([part.reshape(units, -1) for part in parts], axis=1)


def _write_rows(block: Affine, name: str) -> Written:
    """Rows four by four, as ``el_rows_braid.h`` reads them."""
    bias = (in_fours(block.bias).astype(np.int64) @ _SUMS.T) & 0xFFFFFFFF
    words = np.ascontiguousarray(np.swapaxes(in_fours(block.weights), 1, 2)).astype(np.int16) + 128
    scaling = [in_fours(values).astype(np.uint8) for values in (block.multiplier, block.shift)]
    parts = [bias.astype("<u4").view(np.uint8), words.astype(np.uint8), *scaling]
    stream = np.concatenate([part.reshape(len(bias), -1) for part in parts], axis=1)
    shape = f"(fours of rows, 12 B bias, 4 B a column, 8 B multipliers and shifts) = {stream.shape}"
    constants = [Constant("uint8_t", "stream", stream, shape, align=4)]
    return Written(declare(name, constants), "el_rows_braid", f"{name}_stream", bytes_of(constants))


ROWS = RowsKernel(files=("el_rows_braid.c", "el_rows_braid.h"), header="el_rows_braid.h", write=_write_rows)
