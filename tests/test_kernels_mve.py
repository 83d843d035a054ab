"""The kernels for Cortex-M55: the reference's bytes at every shape, within the promised instructions."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from board_nets import check_core
from c_nets import WARNINGS, place, random_codes, random_native, run

from edge_lstm.arithmetic.native import sigmoid_segments
from edge_lstm.board import load_core
from edge_lstm.errors import ExportError
from edge_lstm.reference import network, trace
from edge_lstm_export.c_source import write_c
from edge_lstm_export.c_source.kernel_sets.mve import MVE, SPREAD, groups, shift_up
from edge_lstm_export.emulators import program

CORE = "cortex-m55"
SCHEMES = ("w8a16", "w8a8")
TOOLCHAINS = ("zig", "arm-none-eabi-gcc")

REACH = {
    "w8a16": {(8, 16): 759, (8, 32): 1_992, (40, 64): 8_122, (10, 128): 21_744},
    "w8a8": {(8, 16): 1_029, (8, 32): 2_351, (40, 64): 7_209, (10, 128): 16_824},
}
"""Scheme → (features, units) → instructions of a step, harness around the kernel included."""

CHAINS = [
    ([1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 64], 1, 10),
    ([33, 17, 16, 15, 9, 8, 7, 3, 2, 1, 1], 64, 8),
    ([64, 2, 33, 3, 17, 7, 16, 8, 15, 9, 1, 5], 2, 9),
    ([1, 16, 1, 33, 8, 64, 3, 9, 7, 7, 2, 15, 15], 3, 12),
]
"""Units of a stack, inputs, hidden bits. Behind an odd layer, x and h begin in the middle of a word; what a block of
eight units writes beyond its layer would be the next layer's state."""


def with_shifts(model, *choices):
    """Rows of layer 0 shift by numbers of these: one set a block."""
    rng = np.random.default_rng(0)
    layer, *above = model.layers
    pairs = zip(layer.blocks, choices, strict=True)
    blocks = tuple(replace(block, shift=rng.choice(choice, 4 * layer.units)) for block, choice in pairs)
    return replace(model, layers=(replace(layer, blocks=blocks), *above))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("units", "features", "bits"), CHAINS)
def test_any_shape_gives_the_bytes_of_the_reference(scheme, units, features, bits):
    model = random_native(len(units), features, units, features % 17, scheme, bits)
    check_core(CORE, model, random_codes(model, 24), kernels="mve")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("columns", [3, 4, 5, 6, 7, 8, 11, 12])
def test_any_number_of_columns(scheme, columns):
    """All in registers, some, none left over, a group left over that stays whole."""
    model = random_native(columns, 8 * columns - 9, [7, 9], 2, scheme)
    check_core(CORE, model, random_codes(model, 6), toolchain=TOOLCHAINS[columns % 2], kernels="mve")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("features", "units"), [(300, 5), (3, 290)])
def test_long_sums_are_loops(scheme, features, units):
    """Over x, over h."""
    model = random_native(features, features, [units], 2, scheme)
    check_core(CORE, model, random_codes(model, 3), kernels="mve")


@pytest.mark.parametrize("outputs", [1, 2, 8, 17])
def test_any_number_of_outputs(outputs):
    """Over units of all numbers modulo 8, which the chains above do not end with."""
    model = random_native(outputs, 2, [3 * outputs + 1], outputs)
    check_core(CORE, model, random_codes(model, 12), toolchain=TOOLCHAINS[outputs % 2], kernels="mve")


@pytest.mark.parametrize(("scheme", "bits"), [("w8a16", b) for b in range(8, 13)] + [("w8a8", b) for b in range(7, 13)])
def test_any_format_of_the_hidden_state(scheme, bits):
    model = random_native(bits, 4, [6], 2, scheme, bits)
    check_core(CORE, model, random_codes(model, 40), kernels="mve")


def test_every_code_of_sixteen_bits_comes_apart_and_together():
    """Around every change of a high byte and at the limits of int16; the rows are what their accumulators hold."""
    model = random_native(1, 2, [8], 1)
    layer = model.layers[0]
    (block,) = layer.blocks
    weights = np.array(block.weights)
    weights[:, 0], weights[:, 1] = np.clip(weights[:, 0], -99, 99), 0
    bias = block.bias // 8
    assert (
        np.abs(weights[:, 0].astype(int)) * 32768 + np.abs(bias) + np.abs(weights[:, 2:]).sum(1) * 512
    ).max() < 1 << 23
    model = replace(model, layers=(replace(layer, blocks=(replace(block, weights=weights, bias=bias),)),))
    high = np.arange(-128, 128) * 256
    codes = np.stack([high, high + 127, high + 128, high + 255], axis=1).reshape(-1, 1)
    check_core(CORE, model, np.pad(codes, ((0, 0), (0, 1))), kernels="mve")


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_compilers_decide_nothing_and_warn_of_nothing(toolchain, scheme):
    """At every level the same bytes, and the same instructions but for those of the call from the harness."""
    model = random_native(5, 3, [7, 16], 3, scheme)
    codes = random_codes(model, 8)
    levels = [[level, *WARNINGS] for level in ("-O0", "-Os", "-O2", "-O3")]
    counts = [check_core(CORE, model, codes, toolchain=toolchain, extra=e, kernels="mve").layer_count for e in levels]
    assert max(counts) - min(counts) <= 15


@pytest.mark.parametrize(("scheme", "shape"), [(scheme, shape) for scheme in SCHEMES for shape in REACH[scheme]])
def test_a_step_takes_no_more_instructions_than_promised(scheme, shape):
    model = random_native(1, shape[0], [shape[1]], 6, scheme)
    assert check_core(CORE, model, random_codes(model, 3), kernels="mve").layer_count <= REACH[scheme][shape]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_count_does_not_depend_on_the_data(scheme):
    model = random_native(1, 8, [17], 6, scheme)
    assert len(set(check_core(CORE, model, random_codes(model, 50), kernels="mve").counts)) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_code_and_tables_take_3_kb_of_flash_at_most(scheme):
    """Layer, head, what calls them, and the table of sigma; scratch is a halfword a code, padded to vectors."""
    features, units = 10, 128
    model = random_native(1, features, [units], 6, scheme)
    symbols = program(load_core(CORE), write_c(model, kernel_set_name="mve")).symbols
    names = ["layer_0_step", "el_head_mve", "el_net_step", "el_mve_sigmoid"]
    assert sum(symbols[name][1] for name in names) <= 3 * 1024
    assert 4 * MVE.work_words(model.layers[0]) <= 2 * (features + units) + 32


@pytest.mark.parametrize(
    ("scheme", "choices"),
    [
        ("w8a16", [[9]]),
        ("w8a16", [[26]]),
        ("w8a16", [[9, 26]]),
        ("w8a8", [[1], [26]]),
        ("w8a8", [[1, 2], [1, 24]]),
        ("w8a8", [[1, 26], [9]]),
        ("w8a8", [[8, 26], [1, 26]]),
        ("w8a8", [[3, 26], [1, 25]]),
    ],
)
def test_any_shifts(scheme, choices):
    model = with_shifts(random_native(1, 5, [9], 3, scheme), *choices)
    check_core(CORE, model, random_codes(model, 40), kernels="mve")


def test_only_shifts_too_far_apart_cost_more_instructions():
    """Of all pairs of 1..26, the high word of one product serves all but (1, 25), (1, 26) and (2, 26)."""
    model = random_native(1, 1, [40], 1, "w8a8")
    pairs = [(least, most) for least in range(1, 27) for most in range(least, 27)]
    spread = [p for p in pairs if shift_up(with_shifts(model, p, [9]).layers[0].blocks[0]) == SPREAD]
    assert spread == [(1, 25), (1, 26), (2, 26)]


def test_a_shift_that_no_kernel_of_w8a16_applies_is_refused():
    model = with_shifts(random_native(1, 5, [9], 3), [8, 9])
    with pytest.raises(ExportError, match="shift of w8a16 layers of 9 to 26; this model has 8"):
        write_c(model, kernel_set_name="mve")


def test_groups_hold_all_columns_and_waste_fewer_than_sixteen():
    for columns in range(2, 200):
        split, whole = groups(columns)
        assert split >= 1
        assert 0 <= 16 * split + 8 * whole - columns < 16


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_clamp_is_reached_and_kept(scheme):
    """Cell states at both of their ends: gates of four units are wide open whatever comes in."""
    model = random_native(3, 3, [8], 5, scheme, 9)
    layer = model.layers[0]
    blocks = []
    for block in layer.blocks:
        weights, bias, shift = (
            np.array(a).reshape(4, 8, *a.shape[1:]) for a in (block.weights, block.bias, block.shift)
        )
        weights[:, :4], bias[:, :4], shift[:, :4] = 0, 1 << 22, 9
        bias[2, :2] = -(1 << 22)
        flat = {"weights": weights.reshape(32, -1), "bias": bias.ravel(), "shift": shift.ravel()}
        blocks.append(replace(block, **flat))
    model = replace(model, layers=(replace(layer, blocks=tuple(blocks)),))
    codes = random_codes(model, 160)
    expected = trace(network(model), codes)
    assert expected[0, "c"].max() == 2**30 - 1
    assert expected[0, "c"].min() == -(2**30)
    check_core(CORE, model, codes, kernels="mve")


def test_the_table_is_that_of_the_arithmetic():
    text = (files("edge_lstm_export") / "kernels" / "el_mve_sigmoid.c").read_text()
    found = np.array(re.findall(r"\d+", text.split("{")[1].split("}")[0]), int)
    assert found.tolist() == np.concatenate([np.roll(part, 64) for part in sigmoid_segments()]).tolist()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_clang_compiles_the_sources(scheme, tmp_path):
    """Without a warning; linking and running is for the toolchains of the core."""
    names = place(tmp_path, write_c(random_native(1, 5, [9, 290], 3, scheme), kernel_set_name="mve"))
    target = ["--target=thumbv8.1m.main-none-eabihf", "-mcpu=cortex-m55", "-ffreestanding", "-std=c99", "-c"]
    clang = shutil.which("clang")
    assert clang
    for optimise in ("-O0", "-O3"):
        run([clang, *target, *WARNINGS, optimise, *names], tmp_path)


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_a_core_without_mve_is_refused_by_the_compiler(toolchain):
    sources = write_c(random_native(1, 2, [3], 1), kernel_set_name="mve")
    with pytest.raises(ExportError, match="kernel set mve is for cores with MVE"):
        program(load_core("cortex-m33"), sources, toolchain)
