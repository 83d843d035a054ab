"""Recordings through a program on an emulated core, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_lstm.board import Core
from edge_lstm.integer import NativeModel, TfliteModel
from edge_lstm.runtimes.base import layers_in_a_row
from edge_lstm.runtimes.worker import Trace
from edge_lstm_export.firmware.image import Image

Array = NDArray[Any]


@dataclass(frozen=True)
class Layout:
    """Of the variables of ``harness.c``.

    Args:
        units: of each layer.
        cells: of each layer, numbers of its cell state or what stands in its place.
        cell, code: C types of the cell state and of codes, as NumPy dtypes in little-endian order.
        hidden: of the hidden state.
    """

    channels: int
    outputs: int
    units: tuple[int, ...]
    cells: tuple[int, ...]
    cell: str = "<i4"
    hidden: str = "<i2"
    code: str = "<i2"

    @classmethod
    def of(cls, model: NativeModel | TfliteModel, **types: str) -> Layout:
        """That of a model in C; ``types`` where they are not the native ones."""
        units, cells = (tuple(getattr(layer, name) for layer in model.layers) for name in ("units", "cells"))
        return cls(len(model.interface.channels), len(model.head.bias), units, cells, **types)

    @property
    def output_bytes(self) -> int:
        return self.outputs * np.dtype(self.code).itemsize

    @property
    def state_bytes(self) -> int:
        """Of cell and hidden state together, which begin ``el_state``."""
        return self.cell_bytes + sum(self.units) * np.dtype(self.hidden).itemsize

    @property
    def cell_bytes(self) -> int:
        """Of the cell state; C knows no array of none."""
        return max(sum(self.cells), 1) * np.dtype(self.cell).itemsize


@dataclass(frozen=True, eq=False)
class BoardRun:
    """What a core computed and what it took.

    Args:
        traces: outputs (T, O) and the hidden and cell state after every step, a recording each.
        counts: (steps,) of all recordings together, what a whole step took.
        layer_count: what the first layer's kernel took in the last step.
        unit: of the counts: ``instructions`` or ``cycles``.
        stack_bytes: the most that a step had on the stack.
        emulator: which one it was, with its version.
    """

    traces: list[Trace]
    counts: Array
    layer_count: int
    unit: str
    stack_bytes: int
    emulator: str


@dataclass(frozen=True)
class Emulator:
    """A row of the table of emulators.

    Args:
        program: (core, sources of a model, toolchain or None, more compiler flags) → the program it runs.
        run: (program, what the core's file calls ``cpu``, layout, recordings (T, C) of codes, window) → what happened.
            The state is zeroed before each recording and at every window.
    """

    program: Callable[[Core, Mapping[str, bytes], str | None, Sequence[str]], Image]
    run: Callable[[Image, str, Layout, Sequence[Array], int | None], BoardRun]


class Device(Protocol):
    """A program in memory whose functions can be called one by one."""

    unit: str
    emulator: str

    def write(self, variable: str, content: bytes) -> None: ...

    def read(self, variable: str, count: int) -> bytes: ...

    def call(self, function: str) -> int:
        """What the call took."""
        ...

    def stack_bytes(self) -> int:
        """The most that a call had on the stack so far."""
        ...


def run_on(device: Device, layout: Layout, recordings: Sequence[Array], window: int | None) -> BoardRun:
    """All recordings through a device that can be called."""
    counts: list[int] = []
    traces = [_trace(device, layout, codes, window, counts) for codes in recordings]
    layer_count = device.call("board_layer")
    return BoardRun(traces, np.array(counts), layer_count, device.unit, device.stack_bytes(), device.emulator)


def _trace(device: Device, layout: Layout, codes: Array, window: int | None, counts: list[int]) -> Trace:
    outputs, states = [], []
    for step, x in enumerate(np.asarray(codes).astype(layout.code)):
        if step % (window or len(codes)) == 0:
            device.call("board_reset")
        device.write("board_x", x.tobytes())
        counts.append(device.call("board_step"))
        outputs.append(np.frombuffer(device.read("board_y", layout.output_bytes), layout.code))
        states.append(device.read("board_state", layout.state_bytes))
    return traced(layout, np.array(outputs).reshape(-1, layout.outputs), states)


def traced(layout: Layout, outputs: Array, states: Sequence[bytes]) -> Trace:
    """Memory of the state after each step → the trace of a recording."""
    memory = np.frombuffer(b"".join(states), np.uint8).reshape(len(states), -1)
    cell = np.ascontiguousarray(memory[:, : layout.cell_bytes]).view(layout.cell)
    hidden = np.ascontiguousarray(memory[:, layout.cell_bytes :]).view(layout.hidden)
    spans = zip(layers_in_a_row(layout.units), layers_in_a_row(layout.cells), strict=True)
    return Trace(outputs, tuple((hidden[:, u], cell[:, c]) for u, c in spans))
