"""The C compiles cleanly everywhere, needs nothing, shares a program with other models, and is the same every time."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_nets import (
    COMPILERS,
    CXX,
    NATIVE_COMPILERS,
    PROGRAMS,
    WARNINGS,
    compiler_name,
    library,
    place,
    random_codes,
    random_native,
    run,
    with_ends,
)
from cell_stacks import STACKS, stacked
from models import float_model, native_model, recordings

from edge_lstm.errors import ExportError
from edge_lstm.integer import Affine, NativeLstm, NativeModel, Scheme
from edge_lstm.model import FloatModel
from edge_lstm.reference import network, replay, trace
from edge_lstm_export.c_source import host_sources, write_c, write_c_float
from edge_lstm_export.c_source.kernel_sets import KERNEL_SETS

BEHIND = ("lstm-peephole", "dense-relu", "dense-tanh")
MODELS: dict[str, Any] = {
    "w8a16": lambda: native_model("w8a16", features=9, units=(32,), outputs=6),
    "w8a8": lambda: native_model("w8a8", units=(7, 5), window=20),
    "float": lambda: float_model(units=(7, 5), kind="regress"),
    "float of every cell": lambda: stacked(5, (*STACKS["mixed"][1], *((cell, 4) for cell in BEHIND)), 3),
}


def device_sources(model: NativeModel | FloatModel, prefix: str = "el") -> dict[str, bytes]:
    return write_c_float(model, prefix) if isinstance(model, FloatModel) else write_c(model, prefix)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every kernel and a model of each kind."""
    folder = tmp_path_factory.mktemp("everything")
    for kind, make in MODELS.items():
        place(folder, device_sources(make(), f"of_{kind.replace(' ', '_')}"))
    place(folder, host_sources(MODELS["w8a16"]()))
    return folder


def c_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.c"))


@pytest.mark.parametrize("options", [["-O0"], ["-Os"], ["-O2"], ["-O3"], ["-O2", "-DEL_TAP"]], ids=" ".join)
@pytest.mark.parametrize("compiler", COMPILERS, ids=compiler_name)
def test_no_compiler_warns(everything: Path, compiler: list[str], options: list[str]) -> None:
    """C99 with -Wall -Wextra -Wpedantic -Wconversion -Werror is clean, with taps and without."""
    run([*compiler, "-std=c99", *options, *WARNINGS, "-c", *c_files(everything)], everything)


@pytest.mark.parametrize("standard", ["-std=c++11", "-std=c++20"])
@pytest.mark.parametrize("compiler", COMPILERS, ids=compiler_name)
def test_it_is_also_cpp(everything: Path, compiler: list[str], standard: str) -> None:
    """The same files compile as C++, warnings on, so the headers are safe to include from C++."""
    run([*CXX[compiler[0]], "-x", "c++", standard, "-O2", *WARNINGS, "-c", *c_files(everything)], everything)


def test_cpp_objects_link(everything: Path) -> None:
    """Compiled as C++, the models and the kernels still find each other."""
    link = ["-x", "c++", "-O1", "-shared", "-fPIC", "-Wl,-z,defs", "-o", "linked.so", *c_files(everything), "-lm"]
    run([*CXX[NATIVE_COMPILERS[0][0]], *link], everything)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("compiler", NATIVE_COMPILERS, ids=compiler_name)
def test_sanitizers_find_nothing(tmp_path: Path, compiler: list[str], kind: str) -> None:
    """Two streams in turn, saved, restored and reset, run clean under the sanitizers and give the reference's bytes."""
    model = MODELS[kind]()
    sources = {**device_sources(model), "replay.c": (PROGRAMS / "replay.c").read_bytes()}
    units = place(tmp_path, sources)
    # zig has no address sanitizer; undefined behaviour traps there.
    checks = ["-fsanitize=undefined", "-fsanitize-trap=undefined"]
    if "ziglang" not in compiler:
        checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    run([*compiler, "-std=c99", "-g", "-O1", *checks, "-o", "replay", *units, "-lm"], tmp_path)
    floating = isinstance(model, FloatModel)
    if floating:
        codes = model.interface.scaling.apply(recordings(model)[0]).astype(np.float32)
    else:
        codes = random_codes(model, 120).astype(np.int16)
    output = run(["./replay"], tmp_path, codes.tobytes()).stdout
    layers, outputs, total = len(model.layers), model.head.weights.shape[0], sum(x.units for x in model.layers)
    code, cell = (np.float32, np.float32) if floating else (np.int16, np.int32)
    record = np.dtype([("y", code, (outputs,)), ("c", cell, (total,)), ("h", code, (total,))])
    first_stream = np.frombuffer(output, record)[::2]
    expected = trace(network(model), codes)
    close = np.array_equal if not floating else lambda a, b: np.abs(a - b).max() < 2e-5  # as in test_c_float.py
    assert close(first_stream["y"], expected[layers, "y"])
    assert close(first_stream["c"], np.concatenate([expected[k, "c"] for k in range(layers)], axis=1))
    assert close(first_stream["h"], np.concatenate([expected[k, "h"] for k in range(layers)], axis=1))


@pytest.mark.parametrize("compiler", NATIVE_COMPILERS, ids=compiler_name)
def test_three_models_share_a_program(tmp_path: Path, compiler: list[str]) -> None:
    """Models of both schemes and of float, each under its prefix, link together and do not disturb one another."""
    alpha = native_model("w8a16", features=3, units=(8, 4), outputs=2)
    beta = native_model("w8a8", features=3, units=(5,), outputs=4, kind="regress")
    gamma = float_model(features=3, units=(6,), outputs=3)
    sources = {**write_c(alpha, "alpha"), **write_c(beta, "beta"), **write_c_float(gamma, "gamma")}
    sources["three_models.c"] = (PROGRAMS / "three_models.c").read_bytes()
    units = place(tmp_path, sources)
    run([*compiler, "-std=c99", "-O2", *WARNINGS, "-o", "three", *units, "-lm"], tmp_path)
    samples = recordings(alpha_float := float_model(features=3, units=(8, 4), outputs=2))[0]
    assert alpha_float.interface.channels == alpha.interface.channels
    output = run(["./three"], tmp_path, samples.tobytes()).stdout
    record = np.dtype([("alpha", np.int16, (2,)), ("beta", np.int16, (4,)), ("gamma", np.float32, (3,))], align=False)
    seen = np.frombuffer(output, record)
    assert np.array_equal(seen["alpha"], replay(network(alpha), [alpha.encoding.encode(samples)])[0])
    assert np.array_equal(seen["beta"], replay(network(beta), [beta.encoding.encode(samples)])[0])
    expected = replay(network(gamma), [gamma.interface.scaling.apply(samples)])[0]
    assert np.abs(seen["gamma"] - expected).max() < 2e-5  # as in test_c_float.py


@pytest.mark.parametrize("compiler", NATIVE_COMPILERS, ids=compiler_name)
@pytest.mark.parametrize("kind", ["w8a16", "w8a8"])
def test_a_firmware_needs_no_library(tmp_path: Path, compiler: list[str], kind: str) -> None:
    """Freestanding, a whole firmware leaves nothing undefined but memcpy and memset: no libm, no heap, no stdio."""
    sources = {**write_c(MODELS[kind]()), "firmware.c": (PROGRAMS / "firmware.c").read_bytes()}
    units = place(tmp_path, sources)
    flags = ["-std=c99", "-Os", "-ffreestanding", "-fno-stack-protector", "-fno-pic", *WARNINGS]
    run([*compiler, *flags, "-nostdlib", "-r", "-o", "firmware.o", *units], tmp_path)
    symbols = run(["nm", "firmware.o"], tmp_path).stdout.decode().splitlines()
    undefined = {line.split()[-1] for line in symbols if line.split()[-2] == "U"}
    assert undefined - {"memcpy", "memset"} == {"el_test_sensor", "el_test_label", "el_test_value"}
    changing = {line.split()[-1] for line in symbols if line.split()[-2] in "bBdDC"}
    # Tables of pointers lie in .data.rel.ro where code is relocatable; here only the firmware's own state changes.
    assert changing == {"state"}


@pytest.mark.parametrize("target", ["thumbv6m-none-eabi", "thumbv7em-none-eabihf", "riscv32", "msp430", "avr"])
@pytest.mark.parametrize("kind", ["w8a16", "w8a8"])
def test_it_fits_other_targets_even_with_16_bit_int(tmp_path: Path, target: str, kind: str) -> None:
    """No header but the compiler's own is needed, and no conversion is implicit where int has 16 bits."""
    units = place(tmp_path, write_c(MODELS[kind]()))
    clang = ["clang"] if shutil.which("clang") else [sys.executable, "-m", "ziglang", "clang"]
    micro = ["-mmcu=atmega328p", "-Wno-avr-rtlib-linking-quirks"] if target == "avr" else []
    command = [*clang, f"--target={target}", *micro, "-std=c99", "-ffreestanding", "-fsyntax-only", *WARNINGS]
    run([*command, *units], tmp_path)


@pytest.mark.parametrize("kind", MODELS)
def test_the_stack_is_bounded(tmp_path: Path, kind: str) -> None:
    """Every frame has a size known at compile time, and all of them together are under 512 bytes."""
    units = place(tmp_path, device_sources(MODELS[kind]()))
    run([*NATIVE_COMPILERS[0], "-std=c99", "-Os", "-fstack-usage", "-c", *units], tmp_path)
    frames = {path.stem: [line.split("\t") for line in path.read_text().splitlines()] for path in tmp_path.glob("*.su")}
    assert any(frames.values())
    assert {bound for file in frames.values() for _, _, bound in file} == {"static"}
    sizes = {name: sum(int(size) for _, size, _ in file) for name, file in frames.items()}
    # Nothing recurses, so no path of calls is deeper than all frames at once; of float cells, which have a file each
    # and call no other, one at a time is on it.
    cells = [size for name, size in sizes.items() if name.endswith("_float") and name != "el_float"]
    assert sum(sizes.values()) - sum(cells) + max(cells, default=0) < 512


def test_the_same_model_gives_the_same_files(tmp_path: Path) -> None:
    """Two writes are equal, byte for byte, and hold no name of this computer."""
    for make in MODELS.values():
        model = make()
        first, second = device_sources(model), device_sources(model)
        assert first == second
        assert not any(str(Path.home()).encode() in content for content in first.values())


def test_constants_cannot_be_written(tmp_path: Path) -> None:
    """Every array of the generated file is const, so that it stays in flash."""
    for make in MODELS.values():
        text = device_sources(make())["model.c"].decode()
        definitions = re.findall(r"^(?!#|/\*|\s|\}).+ = ", text, re.MULTILINE)
        assert len(definitions) > 8
        assert all("const " in line for line in definitions)


def test_the_header_states_the_sizes_the_compiler_finds(tmp_path: Path) -> None:
    """The state of a stream is as large as ``model.h`` says."""
    for number, make in enumerate(MODELS.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        model = make()
        stated = re.search(rb"([\d,]+) bytes of state", host_sources(model)["model.h"])
        assert stated is not None
        assert library(folder, model)._memory.size == int(stated[1].replace(b",", b""))


HOSTILE_NAMES = ('say "hi"', "back\\slash", "what??/", "*/ int x;", "tab\tnew\nline", "Ünïcode ✓", "%s%n", "\x7f")


@pytest.mark.parametrize("compiler", NATIVE_COMPILERS, ids=compiler_name)
def test_names_arrive_unchanged(tmp_path: Path, compiler: list[str]) -> None:
    """Labels with quotes, backslashes, trigraphs, comment ends and any Unicode are the same bytes in C."""
    model = native_model(features=2, outputs=len(HOSTILE_NAMES))
    task = replace(model.interface.task, outputs=HOSTILE_NAMES)
    model = replace(model, interface=replace(model.interface, task=task))
    program = b'#include "model.h"\n#include <stdio.h>\nint main(void) { for (int k = 0; k < EL_OUTPUTS; k++) '
    program += b"printf(\"%s%c\", el_outputs[k], '|'); return 0; }\n"
    units = place(tmp_path, {**write_c(model), "main.c": program})
    run([*compiler, "-std=c99", *WARNINGS, "-o", "main", *units], tmp_path)
    assert run(["./main"], tmp_path).stdout.decode().split("|")[:-1] == list(HOSTILE_NAMES)


@pytest.mark.parametrize("prefix", ["", "int", "9lives", "Gesture", "a__b", "a_", "_a", "el_net", "a b", "é", "a" * 32])
def test_a_prefix_that_is_no_c_name_is_refused(prefix: str) -> None:
    """A prefix that would not compile, or would meet the kernels' names, is named and refused."""
    with pytest.raises(ExportError, match="C prefix"):
        write_c(random_native(0, 2, (2,), 1), prefix)


def test_names_and_numbers_without_a_place_in_c_are_refused() -> None:
    """A label with a NUL, an unknown kernel set and a gain beyond float32 are refused, not written wrongly."""
    model = random_native(0, 2, (2,), 1)
    named = replace(model.interface, task=replace(model.interface.task, outputs=("nul\0",)))
    with pytest.raises(ExportError, match="cannot be a C string"):
        write_c(replace(model, interface=named))
    with pytest.raises(ExportError, match=r"kernel set 'm4' is not known; choose one of .*portable"):
        write_c(model, kernel_set_name="m4")
    wide = replace(model.encoding, high=np.full(2, 40000))
    with pytest.raises(ExportError, match="input code of -32,768 to 32,767; this model has 40,000"):
        write_c(replace(model, encoding=wide))
    loud = replace(model.encoding, gain=np.full(2, np.inf))
    with pytest.raises(ExportError, match="not a finite float32"):
        write_c(replace(model, encoding=loud))


def rows(count: int, columns: int, weight: int = 1, bias: int = 0) -> Affine:
    return Affine(np.full((count, columns), weight), np.full(count, bias), np.full(count, 128), np.full(count, 9))


@pytest.mark.parametrize("kernels", KERNEL_SETS)
@pytest.mark.parametrize(
    ("layer", "head", "message"),
    [
        ((rows(8, 600, 127), rows(8, 2)), rows(1, 2), "a row of layer 0 can sum 600 columns to 9,677,400"),
        ((rows(8, 5, 1, 1 << 23),), rows(1, 2), "a row of layer 0 can sum 5 columns to 8,390,"),
        ((rows(8, 5),), rows(1, 2, 1, 1 << 23), "a row of the head can sum 2 columns to 8,389,"),
        ((rows(8, 5, -128),), rows(1, 2), "weight of -127 to 127; this model has -128"),
    ],
    ids=["columns", "bias", "head", "weight"],
)
def test_sums_that_no_kernel_could_hold_are_refused(kernels, layer, head, message) -> None:
    """Before anything is packed, for every kernel set: two sums share a word, or one is multiplied by eight bits."""
    features = layer[0].weights.shape[1] - (2 if len(layer) == 1 else 0)
    model = with_ends((NativeLstm(layer, features, 9),), head, np.full(features, 127))
    with pytest.raises(ExportError, match=message) as caught:
        write_c(model, kernel_set_name=kernels)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["w8a16", "w8a8"])
def test_the_sigmoid_table_is_that_of_the_arithmetic(scheme: Scheme) -> None:
    """The figures in ``el_sigmoid.c`` are those of ``edge_lstm.arithmetic.native``."""
    from edge_lstm.arithmetic.native import sigmoid_segments

    text = write_c(random_native(0, 2, (2,), 1, scheme))["el_sigmoid.c"].decode()
    figures = [int(word) for word in re.findall(r"\d+", text[text.index("{") :])]
    assert figures == np.stack(sigmoid_segments(), axis=1).reshape(-1).tolist()
