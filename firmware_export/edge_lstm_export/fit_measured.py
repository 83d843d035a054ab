"""What a stack with cells other than the LSTM would take on a board: a model of that shape is linked and run.

Terms of a table, as ``fit`` has them for LSTMs, were not measured for these; a compiler and an emulator must be here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edge_lstm.board import Board
from edge_lstm.halves import HALVES, OF_HALVES
from edge_lstm.integer import (
    NATIVE_CELLS,
    Affine,
    Decoding,
    Encoding,
    NativeBidirectional,
    NativeCellLayer,
    NativeConv,
    NativeDense,
    NativeFastGrnn,
    NativeLayer,
    NativeLstm,
    NativeModel,
    NativePeepholeLstm,
    NativeRnnRelu,
)
from edge_lstm.model import Interface, Scaling, Task
from edge_lstm_export.c_source import write_c
from edge_lstm_export.emulators import emulate, program
from edge_lstm_export.emulators.base import Layout
from edge_lstm_export.fit import Fit, Shape, require_shape
from edge_lstm_export.footprint import Footprint, OnBoard
from edge_lstm_export.size import flash_parts, link, ram_parts

_STEPS = 4
"""Its time does not hang on the data but where a value saturates, so few steps tell it."""


def measure(shape: Shape, board: Board, rate_hz: float | None = None) -> Fit:
    """A model of noughts of that shape, in the memory and on the emulated core of a board.

    Args:
        rate_hz: samples a second.

    Raises:
        ProjectError: if a number of the shape is not one that a model can have.
        ExportError: if it cannot be written or compiled for the core.
        MissingDependencyError: if the compiler or the emulator is not installed, or there is none.
    """
    require_shape(shape)
    interface = _interface(shape, rate_hz)
    model = model_of_noughts(shape, interface)
    sources = write_c(model, kernel_set_name=board.core.kernels)
    image = link(sources, board, interface.task.predicts_labels)
    layout = Layout.of(model)
    memory = Footprint(flash_parts(image), ram_parts(image, layout.state_bytes, board.core))
    on_board = OnBoard(board, shape.units, memory, rate_hz)
    if not on_board.fits:
        return Fit(on_board, None, None)
    codes = np.zeros((_STEPS, len(interface.channels)), np.int32)
    ran = emulate(board.core, program(board.core, sources), layout, [codes], None)
    counted = replace(memory, stack_bytes=ran.stack_bytes, count=int(np.median(ran.counts)), unit=ran.unit)
    return Fit(replace(on_board, footprint=counted), None, None)


def model_of_noughts(shape: Shape, interface: Interface) -> NativeModel:
    """All weights 0, with multipliers and shifts that every kernel takes; no kernel takes longer for others."""
    cells = shape.cells or (NativeLstm.cell,) * len(shape.units)
    pairs = zip(cells, shape.layers, strict=True)
    layers = tuple(_layer(cell, features, units, shape) for cell, (features, units) in pairs)
    limit, plain = np.full(shape.features, 127), np.zeros(shape.features, np.float32)
    encoding = Encoding(plain, plain + 1, 0, -limit, limit)
    return NativeModel(layers, _noughts(shape.outputs, shape.widths[-1]), encoding, Decoding(2.0**-8), interface)


def _interface(shape: Shape, rate_hz: float | None) -> Interface:
    """Names that take as many bytes as the shape says, where that is enough to tell them apart."""
    task = Task("tag" if shape.labels else "regress", _names("y", shape.outputs, shape.text_bytes))
    channels = _names("x", shape.features, shape.channel_bytes)
    inputs, outputs = Scaling.identity(shape.features), Scaling.identity(shape.outputs)
    return Interface(channels, inputs, task, outputs, rate_hz, look_ahead=shape.late)


def _names(stem: str, count: int, text_bytes: int) -> tuple[str, ...]:
    first, *others = (f"{stem}{k}" for k in range(count))
    missing = text_bytes - sum(len(name) + 1 for name in (first, *others))
    return (first + "_" * max(missing, 0), *others)


def _layer(cell: str, features: int, units: int, shape: Shape) -> NativeLayer:
    if cell not in OF_HALVES:
        return _plain_layer(cell, features, units, shape)
    forward, backward = (_plain_layer(OF_HALVES[cell], features, units, shape) for _ in HALVES)
    return NativeBidirectional(forward, backward, shape.look_ahead)


def _plain_layer(cell: str, features: int, units: int, shape: Shape) -> NativeCellLayer:
    scheme = shape.scheme
    if cell == NativeLstm.cell:
        widths = (features + units,) if scheme == "w8a16" else (features, units)
        return NativeLstm(tuple(_noughts(4 * units, width) for width in widths), features, 8)
    kind = NATIVE_CELLS[cell]
    more: dict[str, Any] = {"scheme": scheme, "row_bits": 12, "hidden_bits": 8}
    if kind is NativeFastGrnn:
        more |= {"candidate": np.zeros(units), "zeta": 0, "nu": 0, "reach_bits": 0}
    if kind is NativePeepholeLstm:
        more |= {"peephole": np.zeros((3, units)), "peephole_bits": 15}
    if kind is NativeRnnRelu:
        more |= {"reach_bits": 0}
    if issubclass(kind, NativeDense):
        more |= {"activation": "relu", "reach_bits": 0}
    if kind is NativeConv:
        more |= {"taps": shape.taps}
    columns = features * more.get("taps", 1)
    blocks = tuple(
        _noughts(n * units, columns) if over == "x" else _saturating(_noughts(n * units, units))
        for n, over in kind.rows
    )
    return kind(blocks, **more)


def _saturating(over_h: Affine) -> Affine:
    """A unit whose rows saturate: kernels of layers without one may be shorter, and weights will tell."""
    bias = np.array(over_h.bias)
    bias[:: over_h.weights.shape[1]] = 1 << 20
    return replace(over_h, bias=bias)


def _noughts(rows: int, columns: int) -> Affine:
    zeros = np.zeros(rows, np.int32)
    return Affine(np.zeros((rows, columns), np.int8), zeros, zeros + 128, zeros + 12)
