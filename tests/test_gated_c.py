"""Cells other than the LSTM in C: the reference's bytes, here gate by gate, and on every emulated core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from board_nets import check_core
from c_nets import COMPILERS, CXX, WARNINGS, compiler_name, library, place, random_codes, random_gated, run

from edge_lstm.board import core_names, load_core
from edge_lstm.compiler import compile_shared
from edge_lstm.files import write_atomically
from edge_lstm.integer import NATIVE_CELLS, NativeLstm, Scheme
from edge_lstm.model import GATES
from edge_lstm.reference import network, trace
from edge_lstm.runtimes.c_library import CLibrary
from edge_lstm_export.c_source import constant_bytes, kernels, write_c
from edge_lstm_export.c_source.gated import write_gated
from edge_lstm_export.c_source.kernel_sets import KERNEL_SETS, kernel_set
from edge_lstm_export.emulators import program

SCHEMES: tuple[Scheme, ...] = ("w8a16", "w8a8")
STACK = [
    ("gru", 7),
    ("rnn", 9),
    ("rnn-relu", 6),
    ("lstm-peephole", 7),
    ("dense", 6),
    ("conv", 5),
    ("lstm", 5),
    ("gru-before", 8),
    ("fastgrnn", 3),
    ("dense", 3),
    ("conv", 4),
    ("both-gru", 6),
    ("both-lstm", 4),
    ("gru", 2),
]
"""Every cell, behind and before others, at odd and even sizes."""


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("features", "units", "bits"), [(1, 1, 12), (3, 17, 8), (9, 32, 10), (40, 33, 7)])
def test_every_tensor_is_the_references(tmp_path: Any, scheme: Scheme, features: int, units: int, bits: int) -> None:
    """Pre-activations, gates, c, h and outputs of every cell, from quiet rows to saturated ones."""
    model = random_gated(features + bits, features, [(cell, units) for cell in NATIVE_CELLS], 3, scheme, bits)
    codes = random_codes(model, 150)
    expected, seen = trace(network(model), codes), library(tmp_path, model, ["EL_TAP"]).trace(codes)
    for k, layer in enumerate(model.layers):
        # A tap's place bears the name that an LSTM's gate has there.
        places = {name: at for at, name in zip(GATES, layer.gates, strict=False)}
        names = {"h": "h", "c": "c", **places, **{f"{name}_pre": f"{at}_pre" for name, at in places.items()}}
        for name, at in names.items():
            assert np.array_equal(seen[k, at], expected[k, name]), (layer.cell, name)
    assert np.array_equal(seen[len(model.layers), "y"], expected[len(model.layers), "y"])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kernels_of", ["portable", "x86"])
def test_stacks_of_every_cell(tmp_path: Any, scheme: Scheme, kernels_of: str) -> None:
    """Layers of different cells hand on their codes and keep their states apart."""
    model = random_gated(5, 4, STACK, 3, scheme)
    codes = random_codes(model, 200)
    sources = {**write_c(model, kernel_set_name=kernels_of), **kernels.kernel_files([kernels.HOST_FILE])}
    write_atomically(tmp_path / "lib.so", compile_shared(sources, ["EL_TAP"]))
    seen, expected = CLibrary(tmp_path / "lib.so").trace(codes), trace(network(model), codes)
    for layer in range(len(STACK)):
        for name in ("h", "c"):
            assert np.array_equal(seen[layer, name], expected[layer, name]), (layer, name)
    assert np.array_equal(seen[len(STACK), "y"], expected[len(STACK), "y"])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("core", [name for name in core_names() if load_core(name).emulator])
def test_every_core_computes_every_cell(core: str, scheme: Scheme) -> None:
    """The stack of all cells in the emulator of the core, state and outputs of each step."""
    model = random_gated(6, 4, STACK, 3, scheme)
    check_core(core, model, random_codes(model, 60))


@pytest.mark.parametrize("compiler", COMPILERS, ids=compiler_name)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_sources_are_clean_c_and_cxx(tmp_path: Any, compiler: Sequence[str], scheme: Scheme) -> None:
    """C99 and C++ without a warning."""
    sources = place(tmp_path, write_c(random_gated(5, 4, STACK, 3, scheme)))
    run([*compiler, "-std=c99", *WARNINGS, "-c", *sources], tmp_path)
    cxx = CXX[compiler[0]]
    run([*cxx, "-x", "c++", "-std=c++11", *WARNINGS, "-c", *sources], tmp_path)


@pytest.mark.parametrize("cell", ["gru", "gru-before", "fastgrnn"])
def test_a_slow_unit_keeps_what_it_integrates(cell: str) -> None:
    """A state that moves by less than a shown code a step still moves: c carries what h cannot show."""
    model = random_gated(3, 2, [(cell, 16)], 2, "w8a16", 8)
    seen = trace(network(model), np.zeros((400, 2), np.int32))
    h, c = seen[0, "h"], seen[0, "c"]
    assert np.abs(np.floor(c / 2.0**15 + 0.5) - h).max() == 0
    assert ((h[1:] == h[:-1]) & (c[1:] != c[:-1])).any()


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus", "rv32imc"])
@pytest.mark.parametrize("stack", [[("rnn", 5)], [("rnn", 5), ("lstm", 4)], [("gru", 5), ("rnn", 4)]], ids=str)
def test_every_sigmoid_table_is_announced(core: str, stack: list[tuple[str, int]]) -> None:
    """Streams, structs and as many tables of 512 bytes as are linked."""
    chosen = kernel_set(load_core(core).kernels)
    model = random_gated(2, 3, stack, 3, "w8a16")
    image = program(load_core(core), write_c(model, kernel_set_name=chosen.name))
    tables = [size for name, (_, size) in image.symbols.items() if "sigmoid" in name and size == 512]
    rows = sum(write_gated(layer, "l", chosen).bytes for layer in model.layers if not isinstance(layer, NativeLstm))
    rows += sum(chosen.layer(layer, "l").bytes for layer in model.layers if isinstance(layer, NativeLstm))
    assert constant_bytes(model, chosen) == rows + chosen.head(model.head, "h").bytes + sum(tables)


def test_every_kernel_set_is_on_a_core() -> None:
    """A set that no core names would not be run above."""
    assert {load_core(name).kernels for name in core_names() if load_core(name).emulator} >= set(KERNEL_SETS)
