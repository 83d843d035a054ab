"""x86-64 with any vectors: AVX-512, AVX2 and SSE2 read the same constants, and the processor is asked at run time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_lstm.integer import Affine, NativeLstm
from edge_lstm_export.c_source.blueprint import table
from edge_lstm_export.c_source.kernel_sets.base import Array, Constant, KernelSet, Written, bytes_of, declare
from edge_lstm_export.c_source.kernel_sets.x86_cells import BLOCK, cell_kernels

GATES = 4


def write_layer(layer: NativeLstm, name: str) -> Written:
    """An ``el_x86_rows`` a block of the layer; x and h have columns of their own in each."""
    widths = [layer.features, layer.units]
    columns = [widths] if layer.scheme == "w8a16" else [[width] for width in widths]
    parts = [_rows(f"{name}_{k}", block, GATES, columns[k]) for k, block in enumerate(layer.blocks)]
    names = table("el_x86_rows", f"{name}_rows", [_row(f"{name}_{k}") for k in range(len(parts))])
    text = "\n".join([*(text for text, _ in parts), names])
    return Written(text, f"el_lstm_{layer.scheme}_x86", f"{name}_rows", sum(size for _, size in parts))


def write_head(head: Affine, name: str) -> Written:
    """One ``el_x86_rows``; an output is a unit of one gate."""
    return _write_block(head, 1, name, "el_head_x86")


def blocked(rows: Array, gates: int) -> Array:
    """(gates * H, ...) gate by gate → (blocks, gates, 16, ...), units of zeros up to whole blocks."""
    by_gate = rows.reshape(gates, -1, *rows.shape[1:])
    missing = -by_gate.shape[1] % BLOCK
    whole = np.pad(by_gate, [(0, 0), (0, missing)] + [(0, 0)] * (rows.ndim - 1))
    return np.swapaxes(whole.reshape(gates, -1, BLOCK, *rows.shape[1:]), 0, 1)


def paired(weights: Array, gates: int, widths: Sequence[int]) -> Array:
    """(gates * H, N) → (blocks, pairs, gates, 16, 2): a word of two codes meets two weights of sixteen units.

    Args:
        widths: of the vectors that the columns belong to, one after the other; each is padded to whole pairs.
    """
    ends = np.cumsum(widths)[:-1]
    padded = [np.pad(part, ((0, 0), (0, part.shape[1] % 2))) for part in np.split(weights, ends, axis=1)]
    by_block = blocked(np.concatenate(padded, axis=1), gates)
    pairs = by_block.reshape(*by_block.shape[:-1], -1, 2)
    return np.moveaxis(pairs, 3, 1)


def _rows(name: str, block: Affine, gates: int, widths: Sequence[int]) -> tuple[str, int]:
    weights = paired(block.weights, gates, widths)
    constants = [
        Constant("int8_t", "weights", weights, f"(blocks, pairs, gates, units, columns) = {weights.shape}"),
        Constant("int32_t", "bias", blocked(block.bias, gates), "(blocks, gates, units)"),
        Constant("uint8_t", "multiplier", blocked(block.multiplier, gates), "(blocks, gates, units)"),
        Constant("uint8_t", "shift", blocked(block.shift, gates), "(blocks, gates, units)"),
    ]
    return declare(name, constants), bytes_of(constants)


def _write_block(block: Affine, gates: int, name: str, function: str = "NULL") -> Written:
    text, size = _rows(name, block, gates, [block.weights.shape[1]])
    return Written(f"{text}\n{table('el_x86_rows', f'{name}_rows', [_row(name)])}", function, f"{name}_rows", size)


def _row(name: str) -> str:
    return f"{{{name}_weights, {name}_bias, {name}_multiplier, {name}_shift}}"


_FILES = (
    "el_sigmoid.c",
    "el_sigmoid.h",
    "el_x86.c",
    "el_x86.h",
    "el_x86_avx2.c",
    "el_x86_avx2.h",
    "el_x86_avx512.c",
    "el_x86_avx512.h",
    "el_x86_rows.h",
    "el_x86_sse2.c",
    "el_x86_sse2.h",
    "el_x86_step.h",
)

X86 = KernelSet(
    name="x86",
    files={"w8a16": _FILES, "w8a8": _FILES},
    headers=("el_x86.h",),
    layer=write_layer,
    head=write_head,
    # A word holds two codes of x or of the old h.
    work_words=lambda layer: -(-layer.features // 2) + -(-layer.units // 2),
    cells=cell_kernels(_write_block),
)
