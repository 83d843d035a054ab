"""Cells other than the LSTM with NEON and on x86-64: the reference's bytes at every shape, and what a step takes."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from board_nets import check_core
from c_nets import PROGRAMS, WARNINGS, place, random_codes, random_gated, random_native, run
from extreme_nets import LARGEST, with_shifts

from edge_lstm.board import load_core
from edge_lstm.integer import Affine, NativeModel, Scheme
from edge_lstm.model import GATES
from edge_lstm.reference import network, trace
from edge_lstm_export.c_source import write_c
from edge_lstm_export.c_source.gated import write_gated
from edge_lstm_export.c_source.kernel_sets import kernel_set
from edge_lstm_export.emulators import program
from edge_lstm_export.firmware.toolchain import TOOLCHAINS

ARM = ["cortex-a72", "cortex-a76", "cortex-a7"]
"""64 bits without SDOT, with it, and 32 bits."""

CORES = [*ARM, "x86-64"]
SCHEMES: tuple[Scheme, ...] = ("w8a16", "w8a8")
CELLS = ("gru", "gru-before", "rnn", "rnn-relu", "fastgrnn", "dense", "conv")

CHAINS = [
    # features, units, hidden bits
    (1, (1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 64), 10),
    (64, (33, 17, 16, 15, 9, 8, 7, 3, 2, 1, 1), 8),
    (40, (24, 25, 40, 41, 56, 31, 32, 48, 23, 4, 5, 6), 12),
]
"""A layer's features are the units below it. A write past a layer's units would spoil the state of the next."""

SHAPES = [(8, 16), (8, 32), (40, 64), (10, 128)]

AT_MOST: dict[tuple[str, Scheme], tuple[float, ...]] = {
    ("cortex-a72", "w8a16"): (1.00, 0.89, 0.81, 0.80),
    ("cortex-a72", "w8a8"): (0.90, 0.82, 0.78, 0.77),
    ("cortex-a76", "w8a16"): (1.19, 1.02, 0.89, 0.85),
    ("cortex-a76", "w8a8"): (1.01, 0.92, 0.84, 0.82),
    ("cortex-a7", "w8a16"): (0.96, 0.88, 0.81, 0.80),
    ("cortex-a7", "w8a8"): (0.85, 0.80, 0.77, 0.76),
    ("x86-64", "w8a16"): (1.07, 0.99, 0.90, 0.88),
    ("x86-64", "w8a8"): (0.93, 0.90, 0.86, 0.85),
}
"""Instructions of a step of a GRU, of an LSTM's, as the pinned compiler makes them, at ``SHAPES``."""

COMPILERS = [
    (core, toolchain, level)
    for core in ARM
    for toolchain in load_core(core).toolchains
    if TOOLCHAINS[toolchain].command()
    for level in ("-O0", "-Os", "-O2", "-O3")
]

ZIG = [sys.executable, "-m", "ziglang", "cc"]
LINUX = {
    "cortex-a72": ([*ZIG, "-target", "aarch64-linux-musl"], "qemu-aarch64"),
    "cortex-a76": ([*ZIG, "-target", "aarch64-linux-musl"], "qemu-aarch64"),
    "cortex-a7": ([*ZIG, "-target", "arm-linux-musleabihf", "-mcpu=cortex_a7"], "qemu-arm"),
}
"""Core → what compiles programs with a C library for it, and what runs them."""

CROSS = {
    "neon": [["aarch64-linux-gnu-gcc"], ["clang", "--target=aarch64-none-elf", "-ffreestanding"]],
    "neon32": [
        ["arm-linux-gnueabihf-gcc", "-mcpu=cortex-a7", "-mfpu=neon-vfpv4", "-marm"],
        ["clang", "--target=armv7-none-eabihf", "-mcpu=cortex-a7", "-ffreestanding"],
    ],
    "x86": [["gcc"], ["clang"]],
}


def in_turn(first: int, units: Sequence[int]) -> list[tuple[str, int]]:
    """A stack of these units in which the cells take turns."""
    return [(CELLS[(first + k) % len(CELLS)], count) for k, count in enumerate(units)]


def at_its_limits(model: NativeModel, shift: int) -> NativeModel:
    """The model whose sums are constants: all limits over x and over h meet, under the largest multiplier."""
    cycles = [LARGEST, -LARGEST, 1, -1, 0], [LARGEST, -LARGEST, -1, 0], [-LARGEST, LARGEST, 7]

    def limit(block: Affine, cycle: list[int]) -> Affine:
        rows = len(block.bias)
        return Affine(np.zeros_like(block.weights), np.resize(cycle, rows), np.full(rows, 255), np.full(rows, shift))

    layers = [
        replace(layer, blocks=tuple(map(limit, layer.blocks, cycles[: len(layer.blocks)]))) for layer in model.layers
    ]
    return replace(model, layers=tuple(layers))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("first", range(len(CELLS)), ids=CELLS)
@pytest.mark.parametrize(("features", "units", "bits"), CHAINS)
def test_any_shape_gives_the_bytes_of_the_reference(
    core: str, scheme: Scheme, first: int, features: int, units: tuple[int, ...], bits: int
) -> None:
    """Every cell at every number of units, over x of one kernel and of another."""
    model = random_gated(features + first, features, in_turn(first, units), 3, scheme, bits)
    check_core(core, model, random_codes(model, 20))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("cell", CELLS)
def test_any_format_of_the_rows(core: str, scheme: Scheme, cell: str) -> None:
    """A layer each; those of layers that rectify have 8 fraction bits or more."""
    model = random_gated(2, 3, [(cell, 9)] * 9, 3, scheme)
    least = 8 if cell in ("dense", "conv", "rnn-relu") else 4
    layers = [replace(layer, row_bits=least + k % (13 - least)) for k, layer in enumerate(model.layers)]
    check_core(core, replace(model, layers=tuple(layers)), random_codes(model, 40))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("scheme", "shifts"), [("w8a16", (9, 26)), ("w8a16", range(9, 27)), ("w8a8", (1, 26, 9))])
def test_any_shifts(core: str, scheme: Scheme, shifts: Sequence[int]) -> None:
    """The least and the largest, side by side in one vector."""
    model = with_shifts(random_gated(1, 5, in_turn(0, [13, 12, 11, 10, 9]), 3, scheme), shifts)
    check_core(core, model, random_codes(model, 40))


@pytest.mark.parametrize("core", ARM)
def test_shifts_that_no_quantiser_gives_leave_the_layer_to_the_c_of_all_cores(core: str) -> None:
    """One doubled product cannot apply them."""
    model = random_gated(1, 5, [("gru", 9), ("rnn", 9)], 3, "w8a16")
    model = replace(model, layers=(*with_shifts(model, range(1, 27)).layers[:1], *model.layers[1:]))
    sources = write_c(model, kernel_set_name=load_core(core).kernels)
    assert {"el_gru.c", "el_rnn_neon.c"} <= set(sources)
    assert not {"el_gru_neon.c", "el_rnn.c"} & set(sources)
    check_core(core, model, random_codes(model, 40))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("shift", [9, 15, 16, 26])
def test_sums_at_both_limits(core: str, scheme: Scheme, shift: int) -> None:
    """Rows that saturate alone, rows that saturate together, and rows that cancel."""
    model = at_its_limits(random_gated(3, 4, in_turn(0, [21] * 10), 3, scheme), shift)
    layers = [replace(layer, row_bits=(12, 8)[k // len(CELLS)]) for k, layer in enumerate(model.layers)]
    check_core(core, replace(model, layers=tuple(layers)), random_codes(model, 3))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("cell", ["gru", "gru-before"])
def test_every_clamp_of_a_gru_is_reached_and_kept(core: str, scheme: Scheme, cell: str) -> None:
    """Pre-activations at both ends, states near both of theirs, and hidden states where they are saturated."""

    def loud(block: Affine) -> Affine:
        units = np.arange(len(block.bias)) % 16
        bias = np.where(units < 6, np.where(units % 2, 1 << 22, -(1 << 22)), block.bias)
        return Affine(block.weights // 8, bias, block.multiplier, np.full(len(bias), 9))

    model = random_gated(2, 4, [(cell, 16)], 3, scheme, 9)
    layer = replace(model.layers[0], blocks=tuple(map(loud, model.layers[0].blocks)), row_bits=12)
    model = replace(model, layers=(layer,))
    codes = random_codes(model, 200)
    expected = trace(network(model), codes)
    assert expected[0, "c"].max() > 0.99 * 2**23
    assert expected[0, "c"].min() < -0.99 * 2**23
    assert scheme == "w8a16" or (expected[0, "h"].min(), expected[0, "h"].max()) == (-128, 127)
    check_core(core, model, codes)


@pytest.mark.parametrize("core", CORES)
def test_inputs_may_use_all_sixteen_bits(core: str) -> None:
    """SDOT takes bytes; both bytes of a code count, whatever its sign."""
    model = random_gated(3, 21, [("gru", 9)], 2, "w8a16")
    over_x, over_h = model.layers[0].blocks
    quiet = Affine(np.sign(over_x.weights) * 12, over_x.bias % 1000, over_x.multiplier, np.full(27, 16))
    layer = replace(model.layers[0], blocks=(quiet, over_h))
    encoding = replace(model.encoding, low=np.full(21, -32768), high=np.full(21, 32767))
    model = replace(model, layers=(layer,), encoding=encoding)
    check_core(core, model, random_codes(model, 60))


@pytest.mark.parametrize(("core", "toolchain", "level"), COMPILERS)
def test_every_compiler_and_level_gives_equal_bytes(core: str, toolchain: str, level: str) -> None:
    """The assembly inside the C does not depend on what a compiler does around it."""
    for scheme in SCHEMES:
        model = random_gated(2, 9, in_turn(0, [10, 24, 16, 7, 8]), 3, scheme)
        check_core(core, model, random_codes(model, 20), toolchain=toolchain, extra=[level])


@pytest.mark.parametrize("core", ARM)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("first", range(len(CELLS)), ids=CELLS)
def test_gates_are_the_references_and_the_scratch_is_kept(tmp_path: Any, core: str, scheme: Scheme, first: int) -> None:
    """Each cell as the last of a stack, whose scratch is the largest: nothing behind the state is written."""
    model = random_gated(first, 3, in_turn(first + 1, [3, 17, 9, 8, 23]), 3, scheme)
    codes = random_codes(model, 40)
    sources = write_c(model, kernel_set_name=load_core(core).kernels)
    units = place(tmp_path, {**sources, "guarded.c": (PROGRAMS / "guarded.c").read_bytes()})
    compiler, qemu = LINUX[core]
    run([*compiler, "-static", "-O2", "-fno-sanitize=all", "-DEL_TAP", "-o", "guarded", *units], tmp_path)
    said = run([qemu, "-cpu", core, "./guarded"], tmp_path, codes.astype(np.int16).tobytes()).stdout
    expected, total = trace(network(model), codes), sum(layer.units for layer in model.layers)
    seen = np.frombuffer(said, np.dtype([("y", np.int16, (3,)), ("taps", np.int16, (8 * total,))]))
    assert np.array_equal(seen["y"], expected[len(model.layers), "y"])
    at = 0
    for k, layer in enumerate(model.layers):
        taps = seen["taps"][:, at : at + 8 * layer.units].reshape(len(codes), 8, layer.units)
        for gate, name in enumerate(layer.gates):
            assert np.array_equal(taps[:, gate], expected[k, f"{name}_pre"]), (layer.cell, name)
            assert np.array_equal(taps[:, len(GATES) + gate], expected[k, name]), (layer.cell, name)
        at += 8 * layer.units


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_constants_announced_are_those_that_are_linked(core: str, scheme: Scheme) -> None:
    """Arrays; an ``el_head`` a block and an ``el_gated`` are counted as they are where pointers have four bytes."""
    chosen = kernel_set(load_core(core).kernels)
    for cell in CELLS:
        model = random_gated(1, 7, [(cell, 20)], 3, scheme)
        image = program(load_core(core), write_c(model, kernel_set_name=chosen.name))
        structs = [f"layer_0_{name}" for name in ("over_x", "over_h", "over_reset", "constants")]
        arrays = [
            size
            for name, (_, size) in image.symbols.items()
            if name.startswith("layer_0_") and name not in structs and not name.endswith("_rows")
        ]
        assert write_gated(model.layers[0], "l", chosen).bytes == sum(arrays) + 12 * len(model.layers[0].blocks) + 24


@pytest.mark.parametrize(("core", "scheme"), AT_MOST)
def test_a_gru_takes_no_more_of_an_lstms_instructions_than_promised(core: str, scheme: Scheme) -> None:
    """Where both read x and h once: an LSTM of w8a16 sums both in one accumulator, and has a gate more."""
    for (features, units), most in zip(SHAPES, AT_MOST[core, scheme], strict=True):
        models = (
            random_gated(1, features, [("gru", units)], 3, scheme),
            random_native(1, features, [units], 3, scheme),
        )
        gru, lstm = (check_core(core, model, random_codes(model, 3)).layer_count for model in models)
        assert gru <= most * lstm, (features, units)


@pytest.mark.parametrize("core", CORES)
def test_the_count_does_not_depend_on_the_data(core: str) -> None:
    """From the second step on: at the first, x86-64 asks which processor it is."""
    for cell in CELLS:
        model = random_gated(1, 8, [(cell, 17)], 3, "w8a16")
        assert len(set(check_core(core, model, random_codes(model, 30)).counts[1:])) == 1


@pytest.mark.parametrize(("kernels", "command"), [(name, each) for name, known in CROSS.items() for each in known])
@pytest.mark.parametrize("taps", [[], ["-DEL_TAP"]], ids=["plain", "taps"])
def test_the_sources_compile_without_a_warning(
    tmp_path: Any, kernels: str, command: list[str], taps: list[str]
) -> None:
    """Beside an LSTM, with and without optimisation."""
    assert shutil.which(command[0])
    for scheme in SCHEMES:
        model = random_gated(1, 5, [("lstm", 5), *in_turn(0, [9, 20, 3, 4, 7])], 3, scheme)
        units = place(tmp_path, write_c(model, kernel_set_name=kernels))
        for level in ("-O0", "-O3"):
            run([*command, "-std=c99", *WARNINGS, *taps, level, "-c", *units], tmp_path)
