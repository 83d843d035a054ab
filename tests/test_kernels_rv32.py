"""The kernels for RV32IMC: the reference's bytes at every shape, within the promised instructions."""

from __future__ import annotations

from functools import cache

import pytest
from board_nets import check_core
from c_nets import random_codes, random_native
from extreme_nets import with_largest_sums, with_running_cells, with_shifts
from guarded_state import check_guard, image_of

from edge_lstm.board import load_core
from edge_lstm.errors import ExportError
from edge_lstm_export.c_source import write_c
from edge_lstm_export.emulators import program
from edge_lstm_export.emulators.unicorn_core import UnicornDevice
from edge_lstm_export.firmware.image import firmware_files
from edge_lstm_export.firmware.toolchain import build

CORE = "rv32imc"
SCHEMES = ("w8a16", "w8a8")
COMPILERS = ("zig", "riscv64-unknown-elf-gcc")

REACH = {(8, 16): 8_303, (8, 32): 23_317, (40, 64): 102_301, (10, 128): 263_610}
"""(features, units) → instructions of a w8a16 step, harness around the kernel included."""

SHAPES = [1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 64]
CHAINS = [(SHAPES, 1, 10), (SHAPES[::-1], 64, 8), ([5, 1, 16, 1, 33, 8], 2, 12)]
"""Units of a stack, inputs, hidden bits. Behind an odd layer, x and h begin in the middle of a word."""


@cache
def usual_count(scheme):
    model = random_native(5, 3, [7, 16], 3, scheme)
    return check_core(CORE, model, random_codes(model, 12)).layer_count


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("units", "features", "bits"), CHAINS)
def test_any_shape_gives_the_bytes_of_the_reference(scheme, units, features, bits):
    model = random_native(len(units), features, units, features % 17, scheme, bits)
    check_core(CORE, model, random_codes(model, 24))


@pytest.mark.parametrize("outputs", [1, 2, 3, 4, 5, 8, 9, 16, 17])
def test_any_number_of_outputs(outputs):
    model = random_native(outputs, 2, [outputs + 2], outputs)
    check_core(CORE, model, random_codes(model, 24))


@pytest.mark.parametrize(("scheme", "bits"), [("w8a16", b) for b in range(8, 13)] + [("w8a8", b) for b in range(7, 13)])
def test_any_format_of_the_hidden_state(scheme, bits):
    model = random_native(bits, 4, [6], 2, scheme, bits)
    check_core(CORE, model, random_codes(model, 40))


@pytest.mark.parametrize(("scheme", "shifts"), [("w8a16", range(9, 27)), ("w8a8", range(1, 27))])
def test_any_shift(scheme, shifts):
    model = with_shifts(random_native(3, 5, [27], 3, scheme), list(shifts))
    check_core(CORE, model, random_codes(model, 40))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_cells_stop_at_their_limits(scheme):
    model = with_running_cells(scheme)
    run = check_core(CORE, model, random_codes(model, 200))
    cells = run.traces[0].states[0][1]
    assert (cells.min(), cells.max()) == (-(1 << 30), (1 << 30) - 1)


@pytest.mark.parametrize(("scheme", "shift"), [("w8a16", 9), ("w8a8", 1)])
def test_the_largest_sums_do_not_overflow(scheme, shift):
    model = with_largest_sums(random_native(3, 2, [9], 3, scheme), shift)
    check_core(CORE, model, random_codes(model, 4))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("optimise", ["-O0", "-Os", "-O2", "-O3"])
@pytest.mark.parametrize("toolchain", COMPILERS)
def test_every_compiler_builds_the_same_kernel(toolchain, optimise, scheme):
    """Compilers decide nothing: a step takes as many instructions at any level, but for its call by the harness."""
    model = random_native(5, 3, [7, 16], 3, scheme)
    run = check_core(CORE, model, random_codes(model, 12), toolchain=toolchain, extra=[optimise])
    assert abs(run.layer_count - usual_count(scheme)) <= 140


@pytest.mark.parametrize("toolchain", COMPILERS)
@pytest.mark.parametrize(("shape", "limit"), REACH.items())
def test_a_step_takes_no_more_instructions_than_promised(toolchain, shape, limit):
    """In w8a8 either, which sums and requantises two blocks."""
    for scheme in SCHEMES:
        model = random_native(1, shape[0], [shape[1]], 3, scheme)
        assert check_core(CORE, model, random_codes(model, 2), toolchain=toolchain).layer_count <= limit


def test_the_count_moves_only_where_a_value_saturates():
    """Three clamps of a unit can add an instruction each, and so can each of its four gates."""
    model = random_native(1, 8, [16], 3)
    counts = check_core(CORE, model, random_codes(model, 50)).counts
    assert counts.max() - counts.min() <= 16 * 7


@pytest.mark.parametrize("scheme", SCHEMES)
def test_code_takes_less_than_1500_bytes(scheme):
    """The step itself, without the table of sigma; scratch is half a word a code."""
    model = random_native(1, 8, [32], 3, scheme)
    symbols = program(load_core(CORE), write_c(model, kernel_set_name="rv32")).symbols
    assert symbols[f"el_lstm_rv32_{scheme}"][1] <= 1500


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("features", "units"), [(1, 1), (2, 1), (3, 4), (5, 5), (6, 6)])
def test_nothing_is_written_behind_the_scratch(scheme, features, units):
    model = random_native(1, features, [units], 3, scheme)
    image = image_of(CORE, model)
    check_guard(image, model, UnicornDevice(image, CORE))


def test_a_linker_says_what_it_misses():
    """Not its driver, which says that it returned 1."""
    sources = {"a.c": b"void nowhere(void);\nvoid board_step(void) { nowhere(); }\n", **firmware_files("bare.ld")}
    with pytest.raises(ExportError, match="undefined reference to `nowhere'"):
        build(load_core(CORE), sources, "bare.ld", COMPILERS[1])
