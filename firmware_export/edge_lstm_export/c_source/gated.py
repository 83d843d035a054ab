"""Layers other than LSTMs as C: their blocks by the kernel set's rows, joined by the same C on every core."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lstm.integer import NativeCell, NativeDense, NativeFastGrnn
from edge_lstm_export.c_source.kernel_sets.base import Constant, KernelSet, Written, bytes_of, declare

COMMON_FILES = ("el_gated.h", "el_sigmoid.c", "el_sigmoid.h")
HEADER = "el_gated.h"

_BLOCKS = ("over_x", "over_h", "over_reset")
_CONSTANT_BYTES, _HEAD_BYTES = 24, 12
"""Of an ``el_gated`` and an ``el_head`` where pointers have four bytes."""


@dataclass(frozen=True)
class _Kernel:
    """Args:
    scratch: int16 codes a unit.
    """

    file: str
    function: str
    scratch: int


_KERNELS = {
    "gru": _Kernel("el_gru.c", "el_gru", 6),
    "gru-before": _Kernel("el_gru_before.c", "el_gru_before", 7),
    "rnn": _Kernel("el_rnn.c", "el_rnn", 2),
    "fastgrnn": _Kernel("el_fastgrnn.c", "el_fastgrnn", 2),
    "dense": _Kernel("el_dense.c", "el_dense", 1),
}


def gated_files(layer: NativeCell, chosen: KernelSet) -> tuple[str, ...]:
    """Those of ``kernels/`` that a layer needs beside those that every layer of the set does."""
    file = _KERNELS[layer.cell].file
    return (*COMMON_FILES, chosen.instead.get(file, file))


def gated_work_words(layer: NativeCell) -> int:
    """Scratch, in 4 bytes each."""
    return -(-_KERNELS[layer.cell].scratch * layer.units // 2)


def write_gated(layer: NativeCell, name: str, chosen: KernelSet) -> Written:
    """An ``el_gated`` over one ``el_head`` a block."""
    rows = {block: chosen.head(affine, f"{name}_{block}") for block, affine in zip(_BLOCKS, layer.blocks, strict=False)}
    text = [written.text for written in rows.values()]
    for (block, written), affine in zip(rows.items(), layer.blocks, strict=True):
        count, columns = affine.weights.shape
        members = f"{written.function}, {written.constants}, {columns}, {count}"
        text.append(f"static const el_head {name}_{block} = {{{members}}};\n")
    constants = []
    if isinstance(layer, NativeFastGrnn):
        constants.append(Constant("int16_t", "candidate", layer.candidate, "(units)"))
        text.append(declare(name, constants))
    text.append(f"static const el_gated {name}_constants = {{{', '.join(_members(layer, name, list(rows)))}}};\n")
    size = sum(w.bytes + _HEAD_BYTES for w in rows.values()) + bytes_of(constants) + _CONSTANT_BYTES
    return Written("\n".join(text), _KERNELS[layer.cell].function, f"&{name}_constants", size)


def _members(layer: NativeCell, name: str, blocks: list[str]) -> list[str]:
    pointers = [f"&{name}_{block}" if block in blocks else "NULL" for block in _BLOCKS]
    leaks = isinstance(layer, NativeFastGrnn)
    numbers = (layer.zeta, layer.nu) if isinstance(layer, NativeFastGrnn) else (0, 0)
    activation = f"EL_{layer.activation.upper()}" if isinstance(layer, NativeDense) else "EL_LINEAR"
    shown = [*numbers, 12 - layer.row_bits, layer.reach, int(layer.scheme == "w8a8"), activation]
    return [*pointers, f"{name}_candidate" if leaks else "NULL", *map(str, shown)]
