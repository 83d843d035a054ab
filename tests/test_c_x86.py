"""The kernels for x86-64: equal bytes from SSE2, AVX2 and AVX-512, whatever the shape and the compiler."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_nets import (
    COMPILERS,
    NATIVE_COMPILERS,
    PROGRAMS,
    compiler_name,
    place,
    random_codes,
    random_gated,
    random_native,
    run,
)
from numpy.typing import NDArray
from test_c_exact import first_difference, saturating_model

from edge_lstm.integer import NativeModel, Scheme
from edge_lstm.model import GATES
from edge_lstm.reference import network, trace
from edge_lstm.runtimes.c_library import CLibrary
from edge_lstm_export.c_source import kernels, write_c

FLAGS = {"sse2": {"sse2"}, "avx2": {"avx2"}, "avx512": {"avx512f", "avx512bw", "avx512vl", "avx512_vnni"}}
"""Words of ``/proc/cpuinfo`` that a level needs, from the plainest to the best."""


def levels_here() -> list[str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = set(next(line for line in lines if line.startswith("flags")).split())
    return [level for level, needed in FLAGS.items() if needed <= flags]


LEVELS = levels_here()
"""What this processor can run."""

SHAPES: list[tuple[Scheme, int, tuple[int, ...], int]] = [
    # scheme, features, units, hidden bits; the first has one output, the second two, and so on to 17
    ("w8a16", 1, (1,), 12),
    ("w8a16", 7, (8,), 8),
    ("w8a16", 8, (7,), 9),
    ("w8a16", 9, (33,), 10),
    ("w8a16", 33, (64,), 11),
    ("w8a16", 64, (9,), 9),
    ("w8a16", 16, (16, 16), 9),
    ("w8a16", 3, (17, 5), 9),
    ("w8a16", 13, (7, 1, 24), 12),
    ("w8a8", 1, (1,), 7),
    ("w8a8", 7, (8,), 8),
    ("w8a8", 8, (7,), 9),
    ("w8a8", 9, (33,), 10),
    ("w8a8", 33, (64,), 11),
    ("w8a8", 64, (9,), 12),
    ("w8a8", 16, (16, 15), 7),
    ("w8a8", 2, (3, 11, 31), 7),
]


def shape_id(number: int) -> str:
    scheme, features, units, _ = SHAPES[number]
    return f"{scheme}-{features}-{'-'.join(map(str, units))}-{number + 1}"


@cache
def model_and_trace(number: int) -> tuple[NativeModel, NDArray[Any], dict[tuple[int, str], NDArray[Any]]]:
    """A random network of ``SHAPES``, codes for it, and what the reference makes of them."""
    scheme, features, units, bits = SHAPES[number]
    model = random_native(number, features, units, number + 1, scheme, bits)
    codes = random_codes(model, 80)
    return model, codes, trace(network(model), codes)


CELLS = ("gru", "gru-before", "rnn", "rnn-relu", "fastgrnn", "dense", "conv")

STACKS: list[tuple[Scheme, int, tuple[int, ...], int]] = [
    # scheme, features, units of cells in turn, hidden bits
    ("w8a16", 1, (1, 1, 1, 1, 1), 12),
    ("w8a16", 9, (7, 8, 9, 15, 16), 10),
    ("w8a16", 40, (17, 31, 32, 33, 5, 3, 24, 64, 12, 2, 6, 16), 9),
    ("w8a16", 4, (48, 65, 1, 23, 33, 10), 8),
    ("w8a8", 2, (3, 2, 5, 4, 1), 7),
    ("w8a8", 9, (8, 7, 16, 15, 9, 40), 10),
    ("w8a8", 33, (33, 17, 64, 24, 31, 32, 6, 12, 2), 12),
]


@cache
def stack_and_trace(number: int) -> tuple[NativeModel, NDArray[Any], dict[tuple[int, str], NDArray[Any]]]:
    """A random network of ``STACKS``, each of which begins with another cell, codes, and what the reference says."""
    scheme, features, units, bits = STACKS[number]
    cells = [(CELLS[(number + k) % len(CELLS)], count) for k, count in enumerate(units)]
    model = random_gated(number, features, cells, 3, scheme, bits)
    codes = random_codes(model, 60)
    return model, codes, trace(network(model), codes)


def first_difference_of_cells(model: NativeModel, library: CLibrary, codes: Any, expected: Any) -> str:
    """A tap's place bears the name that an LSTM's gate has there."""
    seen = library.trace(codes)
    for k, layer in enumerate(model.layers):
        places = dict(zip(layer.gates, GATES, strict=False))
        names = {"h": "h", "c": "c", **places, **{f"{name}_pre": f"{at}_pre" for name, at in places.items()}}
        for name, at in names.items():
            if not np.array_equal(seen[k, at], expected[k, name]):
                return f"layer {k}, {layer.cell}: {name}"
    return "" if np.array_equal(seen[len(model.layers), "y"], expected[len(model.layers), "y"]) else "y"


def sources_of(model: NativeModel) -> dict[str, bytes]:
    return {**write_c(model, kernel_set_name="x86"), **kernels.kernel_files([kernels.HOST_FILE])}


def forced(level: str) -> list[str]:
    """Macros that put the kernels of ``level`` in the place of all others."""
    return [f"-Del_x86_{other}=el_x86_{level}" for other in FLAGS if other != level]


KERNELS = [f"el_x86_{level}.c" for level in FLAGS]
CELL_KERNELS = [f"el_x86_cells_{level}.c" for level in FLAGS]
# Without optimisation zig adds calls to a library that is not linked here.
SHIPPED = ["-std=c99", "-fPIC", "-fvisibility=hidden", "-fno-sanitize=undefined"]

Build = Callable[..., CLibrary]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """(model, level, compiler of the kernels, its options) → the library. What models share is compiled once."""
    folder = tmp_path_factory.mktemp("x86")

    @cache
    def objects(compiler: Sequence[str], options: Sequence[str], names: Sequence[str]) -> list[str]:
        made = tmp_path_factory.mktemp("objects")
        place(made, {**sources_of(model_and_trace(0)[0]), **sources_of(stack_and_trace(0)[0])})
        for name in names:
            run([*compiler, *SHIPPED, *options, "-c", name, "-o", f"{name}.o"], made)
        return [str(made / f"{name}.o") for name in names]

    def one(
        model: NativeModel, level: str, compiler: Sequence[str] = ("gcc",), options: Sequence[str] = ("-O3", "-DEL_TAP")
    ) -> CLibrary:
        own = folder / str(len(list(folder.iterdir())))
        own.mkdir()
        tap = tuple(option for option in options if option == "-DEL_TAP")
        units = place(own, sources_of(model))
        of_model = ["el_host.c", "model.c"]
        of_level = [name for name in units if name in (*KERNELS, *CELL_KERNELS)]
        shared = tuple(name for name in units if name not in (*of_level, *of_model))
        compiled = objects(tuple(compiler), tuple(options), tuple(of_level))
        compiled = [*compiled, *objects(("gcc",), (*tap, *forced(level)), shared)]
        run(["gcc", *SHIPPED, *tap, "-shared", "-nostdlib", "-o", "model.so", *of_model, *compiled], own)
        return CLibrary(own / "model.so")

    return one


def assert_same(library: CLibrary, codes: NDArray[Any], expected: Mapping[tuple[int, str], NDArray[Any]]) -> None:
    """Outputs of a chunk, and the states after it."""
    layers = library.get_state()
    assert np.array_equal(library.run(codes), expected[len(layers), "y"])
    for layer, (h, c) in enumerate(library.get_state()):
        assert np.array_equal(h, expected[layer, "h"][-1])
        assert np.array_equal(c, expected[layer, "c"][-1])


@pytest.mark.parametrize("number", range(len(SHAPES)), ids=shape_id)
@pytest.mark.parametrize("level", LEVELS)
def test_every_shape_gives_equal_bytes_in_every_gate(build: Build, level: str, number: int) -> None:
    """Units and features that leave lanes over, stacks and 1 to 17 outputs: every tensor of every step is equal."""
    model, codes, expected = model_and_trace(number)
    assert first_difference(expected, build(model, level).trace(codes)) == ""


@pytest.mark.parametrize("number", range(len(STACKS)))
@pytest.mark.parametrize("level", LEVELS)
def test_every_cell_gives_equal_bytes_in_every_gate(build: Build, level: str, number: int) -> None:
    """Layers other than LSTMs, of every cell and behind each other, with lanes left over and without."""
    model, codes, expected = stack_and_trace(number)
    assert first_difference_of_cells(model, build(model, level), codes, expected) == ""


@pytest.mark.parametrize("options", ["-O0", "-Os", "-O2", "-O3"])
@pytest.mark.parametrize("compiler", COMPILERS, ids=compiler_name)
def test_every_compiler_makes_the_same_of_them(build: Build, compiler: list[str], options: str) -> None:
    """The kernels of all levels, without taps as they ship, at every level of optimisation."""
    for model, codes, expected in (model_and_trace(8), model_and_trace(16), stack_and_trace(2), stack_and_trace(6)):
        for level in LEVELS:
            assert_same(build(model, level, compiler, [options]), codes, expected)


@pytest.mark.parametrize(("scheme", "bits"), [("w8a16", 8), ("w8a16", 12), ("w8a8", 7), ("w8a8", 10)])
@pytest.mark.parametrize("level", LEVELS)
def test_every_saturation_is_equal(build: Build, level: str, scheme: Scheme, bits: int) -> None:
    """Pre-activations at both limits, the cell at both clamps, hidden states and outputs at their largest."""
    model = saturating_model(scheme, bits)
    limit = int(model.encoding.high[0])
    codes = np.concatenate([np.full((400, 1), limit), np.full((500, 1), -limit), np.full((300, 1), 1)])
    expected = trace(network(model), codes)
    assert {expected[0, "c"].min(), expected[0, "c"].max()} == {-(1 << 30), (1 << 30) - 1}
    assert first_difference(expected, build(model, level).trace(codes)) == ""


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("made", "number"), [(model_and_trace, 7), (model_and_trace, 16), (stack_and_trace, 0), (stack_and_trace, 4)]
)
def test_sanitizers_find_nothing(tmp_path: Path, level: str, made: Callable[[int], Any], number: int) -> None:
    """Nothing is read or written beside x, state and y, wherever they lie."""
    model, codes, expected = made(number)
    sources = {**write_c(model, kernel_set_name="x86"), "replay.c": (PROGRAMS / "replay.c").read_bytes()}
    units = [name for name in place(tmp_path, sources) if name != "el_x86.c"]
    checks = ["-std=c99", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    run([*NATIVE_COMPILERS[0], *checks, *forced(level), "-c", "el_x86.c"], tmp_path)
    run([*NATIVE_COMPILERS[0], *checks, "-o", "replay", *units, "el_x86.o"], tmp_path)
    output = run(["./replay"], tmp_path, codes.astype(np.int16).tobytes()).stdout
    units_of_all, cells = (sum(getattr(layer, name) for layer in model.layers) for name in ("units", "cells"))
    parts = ("y", np.int16, len(model.head.bias)), ("c", np.int32, cells), ("h", np.int16, units_of_all)
    record = np.dtype([(name, dtype, (count,)) for name, dtype, count in parts])
    # Two streams take turns; the second is reset now and then.
    assert np.array_equal(np.frombuffer(output, record)[::2]["y"], expected[len(model.layers), "y"])


@pytest.fixture(scope="module")
def choice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that prints which kernels it would run."""
    folder = tmp_path_factory.mktemp("choice")
    place(folder, {**sources_of(model_and_trace(0)[0]), "choice.c": (PROGRAMS / "x86_choice.c").read_bytes()})
    run(["gcc", "-std=c99", "-o", "choice", "choice.c"], folder)
    return folder


def test_this_processor_runs_the_best_it_has(choice: Path) -> None:
    """What CPUID says agrees with what the kernel of the system says."""
    assert run(["./choice"], choice).stdout.decode().strip() == LEVELS[-1]


@pytest.mark.parametrize(
    ("processor", "level"), [("Nehalem", "sse2"), ("SandyBridge", "sse2"), ("Haswell", "avx2"), ("EPYC-Rome", "avx2")]
)
def test_other_processors_run_the_best_they_have(choice: Path, processor: str, level: str) -> None:
    """AVX without AVX2 is not enough; QEMU has no AVX-512 to offer."""
    assert shutil.which("qemu-x86_64"), "install qemu-user"
    assert run(["qemu-x86_64", "-cpu", processor, "./choice"], choice).stdout.decode().strip() == level
