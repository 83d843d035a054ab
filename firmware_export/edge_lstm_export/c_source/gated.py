"""Layers other than LSTMs as C: by a kernel of the set's own where it has one, else the same C on every core.

That C joins what the rows of the set's head give over each block; a set may have some of it in a file of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_lstm.integer import NativeCell, NativeConv, NativeDense, NativeFastGrnn
from edge_lstm_export.c_source.kernel_sets.base import CellKernel, Constant, KernelSet, Written, bytes_of, declare

COMMON_TABLE = "el_sigmoid.c"
COMMON_FILES = ("el_gated.h", COMMON_TABLE, "el_sigmoid.h")
_HEADER = "el_gated.h"

_BLOCKS = ("over_x", "over_h", "over_reset")
_CONSTANT_BYTES, _HEAD_BYTES = 24, 12
"""Of an ``el_gated`` and an ``el_head`` where pointers have four bytes."""


@dataclass(frozen=True)
class _Kernel:
    """Args:
    scratch: int16 codes a unit, beside those of a convolution's window.
    """

    file: str
    function: str
    scratch: int
    headers: tuple[str, ...] = ()


_KERNELS = {
    "gru": _Kernel("el_gru.c", "el_gru", 6),
    "gru-before": _Kernel("el_gru_before.c", "el_gru_before", 7),
    "rnn": _Kernel("el_rnn.c", "el_rnn", 2),
    "fastgrnn": _Kernel("el_fastgrnn.c", "el_fastgrnn", 2),
    "dense": _Kernel("el_dense.c", "el_dense", 1, ("el_dense.h",)),
    "conv": _Kernel("el_conv.c", "el_conv", 1, ("el_dense.h",)),
}


def gated_files(layer: NativeCell, chosen: KernelSet) -> tuple[str, ...]:
    """Those of ``kernels/`` that a layer needs beside the set's own."""
    own = _own_kernel(layer, chosen)
    if own is not None:
        return own.files
    kernel = _KERNELS[layer.cell]
    return (*COMMON_FILES, *kernel.headers, chosen.instead.get(kernel.file, kernel.file))


def gated_headers(layer: NativeCell, chosen: KernelSet) -> tuple[str, ...]:
    """Those that declare what a layer's constants are made of, beside the set's own."""
    return (_HEADER,) if _own_kernel(layer, chosen) is None else ()


def is_common(layer: NativeCell, chosen: KernelSet) -> bool:
    """Whether the C of all sets computes the layer, with the table that is its own."""
    return _own_kernel(layer, chosen) is None and _KERNELS[layer.cell].file not in chosen.instead


def gated_work_words(layer: NativeCell, chosen: KernelSet) -> int:
    """Scratch, in 4 bytes each."""
    own = _own_kernel(layer, chosen)
    if own is not None:
        return own.work_words(layer)
    window = layer.columns if isinstance(layer, NativeConv) else 0
    return -(-(_KERNELS[layer.cell].scratch * layer.units + window) // 2)


def write_gated(layer: NativeCell, name: str, chosen: KernelSet) -> Written:
    """A layer and the kernel for it."""
    own = _own_kernel(layer, chosen)
    return _write_joined(layer, name, chosen) if own is None else own.layer(layer, name)


def _own_kernel(layer: NativeCell, chosen: KernelSet) -> CellKernel | None:
    own = chosen.cells.get(layer.cell)
    return own if own is not None and own.serves(layer) else None


def _write_joined(layer: NativeCell, name: str, chosen: KernelSet) -> Written:
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
