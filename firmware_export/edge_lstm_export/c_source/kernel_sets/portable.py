"""C99 for any core."""

from __future__ import annotations

from collections.abc import Callable

from edge_lstm.integer import Affine, NativeLstm
from edge_lstm_export.c_source.blueprint import table
from edge_lstm_export.c_source.kernel_sets.base import Array, Constant, KernelSet, Written, bytes_of, declare
from edge_lstm_export.c_source.packing import interleaved, unit_by_unit

_COMMON = ("el_rows.h", "el_head_rows.c", "el_lstm_native.h", "el_sigmoid.c", "el_sigmoid.h", "el_sum_rows.c")


def write_layer(layer: NativeLstm, name: str) -> Written:
    """An ``el_rows`` a block, weights (units, columns, gates)."""
    blocks = [
        _rows(f"{name}_{k}", interleaved(block.weights), "(units, columns, gates)", block, unit_by_unit)
        for k, block in enumerate(layer.blocks)
    ]
    names = table("el_rows", f"{name}_rows", [_row(f"{name}_{k}") for k in range(len(blocks))])
    text = "\n".join([*(text for text, _ in blocks), names])
    return Written(text, f"el_lstm_{layer.scheme}", f"{name}_rows", sum(size for _, size in blocks))


def write_head(head: Affine, name: str) -> Written:
    """One ``el_rows``, weights (outputs, units)."""
    text, size = _rows(name, head.weights, "(outputs, units)", head, lambda rows: rows)
    return Written(f"{text}\n{table('el_rows', f'{name}_rows', [_row(name)])}", "el_head_rows", f"{name}_rows", size)


def _rows(name: str, weights: Array, shape: str, block: Affine, order: Callable[[Array], Array]) -> tuple[str, int]:
    constants = [
        Constant("int8_t", "weights", weights, f"{shape} = {weights.shape}"),
        Constant("int32_t", "bias", order(block.bias), "(rows)"),
        Constant("uint8_t", "multiplier", order(block.multiplier), "(rows)"),
        Constant("uint8_t", "shift", order(block.shift), "(rows)"),
    ]
    return declare(name, constants), bytes_of(constants)


def _row(name: str) -> str:
    return f"{{{name}_weights, {name}_bias, {name}_multiplier, {name}_shift}}"


PORTABLE = KernelSet(
    name="portable",
    files={
        "w8a16": (*_COMMON, "el_lstm_w8a16.c"),
        "w8a8": (*_COMMON, "el_lstm_w8a8.c"),
    },
    headers=("el_rows.h",),
    layer=write_layer,
    head=write_head,
    work_words=lambda layer: -(-layer.units // 2),
)
