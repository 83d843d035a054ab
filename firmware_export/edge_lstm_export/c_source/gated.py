"""Layers other than LSTMs as C: by a kernel of the set's own where it has one, else the same C on every core.

That C joins what the rows of the set's head give over each block; a set may have some of it in a file of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_lstm.integer import NativeCell, NativeConv
from edge_lstm_export.c_source.kernel_sets import joined
from edge_lstm_export.c_source.kernel_sets.base import CellKernel, KernelSet, Written

COMMON_TABLE = "el_sigmoid.c"
COMMON_FILES = ("el_gated.h", COMMON_TABLE, "el_sigmoid.h")


@dataclass(frozen=True)
class _Kernel:
    """Args:
    scratch: int16 codes a unit, beside those of a convolution's window.
    headers: further ones that the file includes.
    declares: that of the function and its constants.
    """

    file: str
    function: str
    scratch: int
    headers: tuple[str, ...] = ()
    declares: str = "el_gated.h"


_KERNELS = {
    "gru": _Kernel("el_gru.c", "el_gru", 6),
    "gru-before": _Kernel("el_gru_before.c", "el_gru_before", 7),
    "lstm-peephole": _Kernel(
        "el_lstm_peephole.c",
        "el_lstm_peephole",
        8,
        ("el_lstm_peephole.h", "el_lstm_native.h", "el_rows.h"),
        "el_lstm_peephole.h",
    ),
    "rnn": _Kernel("el_rnn.c", "el_rnn", 2),
    "rnn-relu": _Kernel("el_rnn_relu.c", "el_rnn_relu", 2),
    "fastgrnn": _Kernel("el_fastgrnn.c", "el_fastgrnn", 2),
    "dense": _Kernel("el_dense.c", "el_dense", 1, ("el_dense.h",)),
    "conv": _Kernel("el_conv.c", "el_conv", 1, ("el_conv.h", "el_dense.h")),
}


def gated_files(layer: NativeCell, chosen: KernelSet) -> tuple[str, ...]:
    """Those of ``kernels/`` that a layer needs beside the set's own."""
    own = _own_kernel(layer, chosen)
    if own is not None:
        return own.files[layer.scheme]
    kernel = _KERNELS[layer.cell]
    return (*COMMON_FILES, *kernel.headers, chosen.instead.get(kernel.file, kernel.file))


def gated_headers(layer: NativeCell, chosen: KernelSet) -> tuple[str, ...]:
    """Those that declare what a layer's constants are made of, beside the set's own."""
    own = _own_kernel(layer, chosen)
    return (_KERNELS[layer.cell].declares,) if own is None else own.headers


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
    if own is not None:
        return own.layer(layer, name)
    function = _KERNELS[layer.cell].function
    return joined.write_joined(layer, name, function, lambda block, _gates, rows: chosen.head(block, rows))


def _own_kernel(layer: NativeCell, chosen: KernelSet) -> CellKernel | None:
    own = chosen.cells.get(layer.cell)
    return own if own is not None and own.serves(layer) else None
