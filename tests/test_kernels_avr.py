"""The kernels for AVR on an ATmega328P: the reference's bytes at every shape that fits, within the promised cycles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from board_nets import check_core
from c_nets import random_codes, random_native
from extreme_nets import with_largest_sums, with_running_cells, with_shifts
from guarded_state import check_guard, image_of
from models import native_model
from test_c_codec import expected_codes, samples

from edge_lstm.board import load_board, load_core
from edge_lstm_export.c_source import write_c
from edge_lstm_export.emulators import program
from edge_lstm_export.emulators.simavr import DATA, SimavrDevice, compile_runner

CORE = "avr5"
SCHEMES = ("w8a16", "w8a8")

REACH = {(8, 16): 41_766, (8, 32): 104_704}
"""(features, units) → cycles of a w8a16 step, harness around the kernel included."""

CHAINS = [
    ([1, 2, 3, 7, 8, 9, 15, 16], 1, 10),
    ([17, 16, 9, 8, 7, 3, 2, 1, 1], 3, 8),
    ([33, 2, 15], 2, 12),
    ([7, 33], 7, 9),
    ([1], 64, 9),
    ([3], 61, 11),
    ([32], 40, 8),
    ([64], 1, 10),
]
"""Units of a stack, inputs, hidden bits."""


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
    """From one byte dropped to four."""
    model = with_shifts(random_native(3, 5, [27], 3, scheme), list(shifts))
    model = replace(model, head=replace(model.head, shift=np.resize([9, 26, 17], 3)))
    check_core(CORE, model, random_codes(model, 60))


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
@pytest.mark.parametrize("optimise", ["-O0", "-O1", "-Os", "-O2", "-O3", "-flto"])
def test_the_compiler_decides_nothing(optimise, scheme):
    """A step takes as many cycles at any level, but for its call by the harness; Arduino adds -flto."""
    model = random_native(5, 3, [7, 16], 3, scheme)
    codes = random_codes(model, 12)
    run, usual = (check_core(CORE, model, codes, extra=[flag]) for flag in (optimise, "-Os"))
    assert abs(run.layer_count - usual.layer_count) <= 60


@pytest.mark.parametrize(("shape", "limit"), REACH.items())
def test_a_step_takes_no_more_cycles_than_promised(shape, limit):
    """In w8a8 either."""
    for scheme in SCHEMES:
        model = random_native(1, shape[0], [shape[1]], 3, scheme)
        assert check_core(CORE, model, random_codes(model, 2)).layer_count <= limit


def test_cycles_hardly_depend_on_the_data():
    """A segment's half costs one cycle, a saturation fewer than six: five sigmoids and a cell a unit."""
    model = random_native(1, 8, [16], 3)
    counts = check_core(CORE, model, random_codes(model, 50)).counts
    assert counts.max() - counts.min() <= 16 * 6 * 6 + 3 * 6


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_portable_kernels_agree_and_take_four_times_as_long(scheme):
    """Weights in program memory there too."""
    model = random_native(1, 8, [16], 3, scheme)
    codes = random_codes(model, 12)
    portable, ours = (check_core(CORE, model, codes, kernels=name) for name in ("portable", "avr"))
    assert 4 * ours.layer_count < portable.layer_count


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_lstm_of_16_units_leaves_room_on_an_uno(scheme):
    """Weights and tables take no RAM: there are the state, and a few bytes of shapes and pointers."""
    board, model = load_board("arduino-uno"), random_native(1, 4, [16], 3, scheme)
    image = program(board.core, write_c(model, kernel_set_name="avr"))
    flash = sum(len(content) for address, content in image.segments)
    in_ram = sum(len(content) for address, content in image.segments if address >= DATA)
    state = image.symbols["board_state"][1]
    assert flash < 7_000
    assert in_ram < 64
    assert state + in_ram + check_core(CORE, model, random_codes(model, 12)).stack_bytes < 300


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    path = tmp_path_factory.mktemp("simavr") / "runner"
    path.write_bytes(compile_runner())
    path.chmod(0o700)
    return path


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("features", "units"), [(1, 1), (2, 1), (1, 2), (3, 4), (4, 5), (5, 5), (6, 6)])
def test_nothing_is_written_behind_the_scratch(runner, scheme, features, units):
    model = random_native(1, features, [units], 3, scheme)
    image = image_of(CORE, model)
    with SimavrDevice(image, "atmega328p", runner) as device:
        check_guard(image, model, device)


def test_codes_of_samples_are_those_of_the_reference(runner):
    """Its floating point is software; every exponent, and samples halfway between two codes."""
    model = native_model(features=6)
    physical = samples(model.encoding)[::16]
    image = program(load_core(CORE), write_c(model, kernel_set_name="avr"))
    found = []
    with SimavrDevice(image, "atmega328p", runner) as device:
        for sample in physical:
            device.write("board_sample", sample.astype("<f4").tobytes())
            device.call("board_encode")
            found.append(np.frombuffer(device.read("board_x", 12), "<i2"))
    assert np.array_equal(found, expected_codes(model.encoding, physical))
