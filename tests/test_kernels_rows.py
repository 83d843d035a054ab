"""Rows four at a time (the head, and every product of cells other than the LSTM) on Cortex-M0+, M3 and M55."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from board_nets import check_core, layout_of
from c_nets import WARNINGS, random_codes, random_gated, random_native, with_ends

from edge_lstm.board import load_core
from edge_lstm.errors import ExportError
from edge_lstm.integer import Affine, NativeDense, NativeModel, Scheme
from edge_lstm_export.c_source import write_c
from edge_lstm_export.c_source.kernel_sets import kernel_set
from edge_lstm_export.c_source.native import constant_bytes
from edge_lstm_export.emulators import emulate, program

CORES = ("cortex-m0plus", "cortex-m3", "cortex-m55")

SCHEMES: tuple[Scheme, ...] = ("w8a16", "w8a8")

CHAINS = [
    (1, [2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 33, 64, 1], 1),
    (3, [1, 1, 2, 1, 5, 1, 8, 2, 17, 4, 9, 3, 3, 7, 7, 16, 15], 18),
    (64, [13, 31, 24, 65, 1], 4),
]
"""Features, units of a stack of dense layers, outputs: every remainder of columns and of rows, each beside others, and
codes that begin at any halfword."""

INSTRUCTIONS = {
    ("cortex-m0plus", 32, 9): 1_420,
    ("cortex-m0plus", 7, 1): 250,
    ("cortex-m3", 32, 9): 1_000,
    ("cortex-m3", 7, 1): 190,
    ("cortex-m55", 32, 9): 205,
    ("cortex-m55", 7, 1): 70,
}
"""(core, units, outputs) → of a head, with what calls it."""

GRU = {
    ("cortex-m0plus", 8, 16): 6_560,
    ("cortex-m0plus", 40, 64): 66_700,
    ("cortex-m3", 8, 16): 4_330,
    ("cortex-m3", 40, 64): 43_000,
    ("cortex-m55", 8, 16): 930,
    ("cortex-m55", 40, 64): 8_250,
}
"""(core, features, units) → of a layer. On the M55 the compiler has a part in it; an LSTM of (8, 16) takes 5,855, 3,579
and 687, of (40, 64) 69,290, 43,147 and 7,095."""


def dense(affine: Affine) -> NativeModel:
    """Rows over codes of all 16 bits, shown as they are."""
    layer = NativeDense((affine,), "w8a16", row_bits=12, hidden_bits=5, activation="linear", reach_bits=7)
    head = random_native(1, 1, [len(affine.bias)], 1, hidden_bits=12).head
    return with_ends((layer,), head, np.full(affine.weights.shape[1], 32767))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("features", "units", "outputs"), CHAINS)
def test_any_shape_gives_the_bytes_of_the_reference(
    core: str, scheme: Scheme, features: int, units: list[int], outputs: int
) -> None:
    """Rows from quiet ones to those that always saturate."""
    model = random_gated(len(units), features, [("dense", n) for n in units], outputs, scheme)
    check_core(core, model, random_codes(model, 24))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("cell", ["gru", "gru-before", "rnn", "fastgrnn"])
def test_cells_of_odd_and_even_sizes(core: str, cell: str) -> None:
    model = random_gated(4, 5, [(cell, 6), (cell, 11), (cell, 1)], 2, "w8a16")
    check_core(core, model, random_codes(model, 24))


@pytest.mark.parametrize("core", CORES)
def test_sums_at_both_ends_of_their_range_come_apart(core: str) -> None:
    """Four rows at -2**23 + 1, -1, 0 and 2**23 - 1 in every combination, at shifts that saturate and that do not."""
    ends = np.array(list(itertools.product([1 - (1 << 23), -1, 0, (1 << 23) - 1], repeat=4))).ravel()
    shift = np.repeat([9, 16, 26, 12], len(ends) // 4)
    rows = Affine(np.zeros((len(ends), 3)), ends, np.resize([128, 255, 201], len(ends)), shift)
    model = replace(random_native(2, 2, [3], 1), head=rows)
    model = with_ends(model.layers, rows, model.encoding.high)
    check_core(core, model, random_codes(model, 3))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("columns", [2, 7, 12])
def test_codes_of_all_sixteen_bits(core: str, columns: int) -> None:
    """Around every change of a high byte and at both limits, under weights of both signs."""
    rng = np.random.default_rng(columns)
    weights = np.trunc(rng.integers(-127, 128, (10, columns)) * min(1.0, 250 / (70 * columns)))
    bias = np.sign(rng.integers(-1, 2, 10)) * 1000
    room = np.abs(weights).sum(1) * 32768 + np.abs(bias)
    weights = np.trunc(weights * np.minimum(1, 0.99 * (1 << 23) / room)[:, None])
    model = dense(Affine(weights, bias, rng.integers(128, 256, 10), rng.integers(9, 19, 10)))
    high = np.arange(-127, 128)[:, None] * 256 + np.array([0, 127, 128, 255])
    codes = np.stack([np.roll(high.ravel(), 97 * k) for k in range(columns)], axis=1).clip(-32767, 32767)
    check_core(core, model, codes)


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3"])
def test_a_machine_that_checks_alignment_agrees(core: str) -> None:
    """Codes and outputs may begin at any halfword; Unicorn would let a wrong LDM pass."""
    machine = replace(load_core(core), emulator={"name": "qemu-system", "cpu": "mps2-an385"})
    model = random_gated(3, 3, [("gru", 5), ("dense", 3), ("rnn", 7)], 3, "w8a16")
    codes = random_codes(model, 8)
    (expected,) = check_core(core, model, codes).traces
    image = program(machine, write_c(model, kernel_set_name=machine.kernels))
    (found,) = emulate(machine, image, layout_of(model), [codes], None).traces
    assert np.array_equal(found.outputs, expected.outputs)


def head_count(core: str, units: int, outputs: int) -> int:
    """Instructions that a head adds to a step."""
    model = random_native(3, 2, [units], outputs)
    done = check_core(core, model, random_codes(model, 5))
    return int(np.median(done.counts)) - done.layer_count


@pytest.mark.parametrize(("case", "limit"), INSTRUCTIONS.items())
def test_a_head_takes_no_more_instructions_than_promised(case: tuple[str, int, int], limit: int) -> None:
    assert head_count(*case) <= limit


@pytest.mark.parametrize(("case", "limit"), GRU.items())
def test_a_gru_takes_no_more_instructions_than_promised(case: tuple[str, int, int], limit: int) -> None:
    core, features, units = case
    model = random_gated(7, features, [("gru", units)], 3, "w8a16")
    assert check_core(core, model, random_codes(model, 4)).layer_count <= limit


@pytest.mark.parametrize(("core", "limit"), [("cortex-m0plus", 360), ("cortex-m3", 430), ("cortex-m55", 110)])
def test_there_is_one_kernel_and_it_is_small(core: str, limit: int) -> None:
    """However many blocks a model has; constants are as large as announced."""
    model = random_gated(2, 3, [("gru-before", 5), ("dense", 6)], 7, "w8a16")
    chosen = kernel_set(load_core(core).kernels)
    image = program(load_core(core), write_c(model, kernel_set_name=chosen.name))
    (size,) = (size for name, size in image.functions.items() if name.startswith("el_head_"))
    assert size <= limit
    streams = sum(size for name, (_, size) in image.symbols.items() if name.endswith("_stream"))
    # Beside streams and the table, four of el_head at 12 bytes and two of el_gated at 24.
    assert constant_bytes(model, chosen) == streams + 512 + 4 * 12 + 2 * 24


def test_a_shift_that_no_kernel_applies_is_refused() -> None:
    model = random_native(1, 2, [3], 2)
    low: Any = replace(model.head, shift=np.array([8, 9]))
    with pytest.raises(ExportError, match="shift of rows of 9 to 26; this model has 8"):
        write_c(replace(model, head=low), kernel_set_name="mve")


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("toolchain", ["zig", "arm-none-eabi-gcc"])
@pytest.mark.parametrize("level", ["-O0", "-Os", "-O3"])
def test_compilers_agree_on_a_gru_and_warn_of_nothing(core: str, toolchain: str, level: str) -> None:
    """Units in whole vectors, in halves of them and beside, under both schemes."""
    for scheme in SCHEMES:
        model = random_gated(4, 3, [("gru", 8), ("gru", 20), ("gru", 3)], 3, scheme)
        check_core(core, model, random_codes(model, 20), toolchain=toolchain, extra=[level, *WARNINGS])
