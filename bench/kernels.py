"""Instructions of a step of an LSTM and of a GRU on every core, beside CMSIS-NN's; bytes are compared in the same run.

    python bench/kernels.py [CORE ...]

Every figure is exact and comes from an emulator: instructions, or cycles on AVR. A step is the kernel's call: inputs
copied, all gates, new states; the dense head is not in it. What is printed goes to ``build/bench/kernels.json`` too.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from random_models import random_native, random_tflite

from edge_lstm.board import Core, core_names, load_core
from edge_lstm.errors import MissingDependencyError
from edge_lstm.reference import network, trace
from edge_lstm_export.c_source import (
    constant_bytes,
    native_state_bytes,
    tflm_constant_bytes,
    tflm_kernel_set,
    tflm_state_bytes,
    write_c,
    write_c_tflm,
)
from edge_lstm_export.c_source.kernel_sets import kernel_set
from edge_lstm_export.emulators import emulate, program
from edge_lstm_export.emulators.base import Layout
from edge_lstm_export.firmware.image import Image

SHAPES = ((8, 16), (8, 32), (40, 64), (10, 128))
OUTPUTS = 6
RESULT = Path("build/bench/kernels.json")

CMSIS_NN = {
    "cortex-m0plus": (32_933, 74_751, 239_476, 575_006),
    "cortex-m3": (14_757, 34_131, 115_091, 281_124),
    "cortex-m4": (13_369, 28_973, 87_005, 207_161),
    "cortex-m7": (13_397, 29_001, 87_033, 207_189),
    "cortex-m33": (13_268, 28_748, 86_560, 206_279),
    "cortex-m55": (6_536, 12_252, 30_392, 66_684),
}
"""CMSIS-NN 99f736a6, arm_lstm_unidirectional_s8, hidden state carried, -Ofast, arm-none-eabi-gcc 12.2.1, QEMU 7.2."""

SUMS = {
    "cortex-m0plus": 53 / 24,
    "cortex-m3": 11 / 8,
    "cortex-m4": 27 / 32,
    "cortex-m7": 27 / 32,
    "cortex-m33": 27 / 32,
    "cortex-m55": 7 / 32,
}
"""Instructions a multiply-accumulate of w8a16 that the sums alone take: loads, unpacking, products."""


@dataclass(frozen=True)
class Row:
    """One entry of the result file."""

    core: str
    cell: str
    inputs: int
    units: int
    arithmetic: str
    scheme: str
    instructions: int
    code_bytes: int
    const_bytes: int
    ram_bytes: int
    stack_bytes: int
    emulator: str


@dataclass(frozen=True, eq=False)
class Subject:
    """What is run: C for a core, and what it must compute on (T, C) codes."""

    sources: dict[str, bytes]
    layout: Layout
    codes: Any
    expected: dict[tuple[int, str], Any]
    const_bytes: int
    ram_bytes: int


def native(core: Core, cell: str, features: int, units: int, scheme: Any) -> Subject:
    model, codes = random_native(features, (units,), OUTPUTS, scheme, cell=cell)
    chosen, layout = kernel_set(core.kernels), Layout.of(model)
    sources, expected = write_c(model, kernel_set_name=core.kernels), trace(network(model), codes)
    return Subject(sources, layout, codes, expected, constant_bytes(model, chosen), native_state_bytes(model, chosen))


def tflm(core: Core, _cell: str, features: int, units: int, _scheme: Any) -> Subject:
    model, codes = random_tflite(features, (units,), OUTPUTS)
    chosen = tflm_kernel_set(core.kernels)
    layout = Layout.of(model, cell="<i2", hidden="i1", code="i1")
    sources, expected = write_c_tflm(model, kernel_set_name=core.kernels), trace(network(model, "tflm"), codes)
    return Subject(
        sources, layout, codes, expected, tflm_constant_bytes(model, chosen), tflm_state_bytes(model, chosen)
    )


VARIANTS = {
    ("lstm", "native", "w8a16"): native,
    ("lstm", "native", "w8a8"): native,
    ("lstm", "tflm", "w8a8"): tflm,
    ("gru", "native", "w8a16"): native,
    ("gru", "native", "w8a8"): native,
}
"""Cell, arithmetic and scheme → what makes its subject."""


def measure(core: Core, cell: str, arithmetic: str, scheme: str, features: int, units: int) -> Row:
    """One kernel on one core; a wrong byte ends the run."""
    subject = VARIANTS[cell, arithmetic, scheme](core, cell, features, units, scheme)
    image = program(core, subject.sources)
    done = emulate(core, image, subject.layout, [subject.codes], None)
    require_equal(core, subject, done.traces[0])
    return Row(
        core.name,
        cell,
        features,
        units,
        arithmetic,
        scheme,
        done.layer_count,
        code_bytes(image),
        subject.const_bytes,
        subject.ram_bytes,
        done.stack_bytes,
        done.emulator,
    )


def require_equal(core: Core, subject: Subject, found: Any) -> None:
    h, c = found.states[0]
    expected = subject.expected
    pairs = ((h, expected[0, "h"]), (c, expected[0, "c"]), (found.outputs, expected[1, "y"]))
    if not all(np.array_equal(seen, wanted) for seen, wanted in pairs):
        sys.exit(f"{core.name}: bytes differ from the reference")


def code_bytes(image: Image) -> int:
    """Kernel, driver and head; the encoder of samples and what the compiler adds for floats are not in it."""
    ours = {n: s for n, s in image.functions.items() if n.startswith(("el_", "layer_", "head_"))}
    return sum(s for n, s in ours.items() if not n.startswith(("el_encode", "el_decode", "el_argmax", "el_floor")))


def main(asked: list[str]) -> None:
    rows: list[Row] = []
    print(f"{machine()}\n")
    for core in map(load_core, asked or core_names()):
        if not core.emulator:
            print(f"{core.name}: unchecked, no emulator")
            continue
        for variant in VARIANTS:
            try:
                found = [measure(core, *variant, f, h) for f, h in SHAPES if fits(core, f, h)]
            except MissingDependencyError as error:
                sys.exit(f"{core.name}: {error}")
            print(line(core, found, rows))
            rows += found
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps([vars(row) for row in rows], indent=2) + "\n")
    print(f"\n{len(rows)} kernels, every output and state equal to the reference: {RESULT}")


def fits(core: Core, features: int, units: int) -> bool:
    """An ATmega328P has 32 KB of flash."""
    return core.kernels != "avr" or 4 * units * (features + units) < 24_000


def line(core: Core, rows: list[Row], before: list[Row]) -> str:
    """A variant, and what it is to be compared with: CMSIS-NN, or the LSTM of the same sizes in ``before``."""
    counts = "  ".join(f"{row.instructions:>8,}" for row in rows)
    kind = "tflm" if rows[0].arithmetic == "tflm" else rows[0].scheme
    text = f"{core.name:<14}{core.kernels:<9}{rows[0].cell:<5}{kind:<6}{counts}"
    text += f"   code {rows[0].code_bytes}..{rows[-1].code_bytes} B, constants {rows[0].const_bytes}.."
    text += f"{rows[-1].const_bytes} B, stack {rows[-1].stack_bytes} B, {rows[0].emulator}"
    if rows[0].cell != "lstm":
        shares = "  ".join(f"{row.instructions / of_lstm(row, before):>8.3f}" for row in rows)
        return text + "\n" + " " * 14 + f"{'of an LSTM':<20}" + shares
    if core.name in CMSIS_NN and rows[0].scheme == "w8a16":
        peer = CMSIS_NN[core.name][: len(rows)]
        floor = [SUMS[core.name] * 4 * row.units * (row.inputs + row.units) for row in rows]
        ratios = "  ".join(f"{p / row.instructions:>7.1f}x" for p, row in zip(peer, rows, strict=True))
        text += "\n" + " " * 14 + f"{'CMSIS-NN':<20}" + "  ".join(f"{p:>8,}" for p in peer)
        text += "\n" + " " * 14 + f"{'fewer by':<20}" + ratios
        text += "\n" + " " * 14 + f"{'floor: the sums':<20}" + "  ".join(f"{int(f):>8,}" for f in floor)
    return text


def of_lstm(row: Row, before: list[Row]) -> int:
    """Instructions of the LSTM of that size and scheme."""
    asked = row.core, "lstm", row.inputs, row.units, row.arithmetic, row.scheme
    (found,) = (r for r in before if (r.core, r.cell, r.inputs, r.units, r.arithmetic, r.scheme) == asked)
    return found.instructions


if __name__ == "__main__":
    main(sys.argv[1:])
