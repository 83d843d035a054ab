"""The kernels for Cortex-M0+ and Cortex-M3: the reference's bytes at every shape, within the promised instructions."""

from __future__ import annotations

import itertools
import re
import shutil
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from board_nets import check_core, layout_of
from c_nets import place, random_codes, random_gated, random_native, run
from extreme_nets import with_largest_sums
from extreme_nets import with_shifts as with_shifts_of_all_layers

from edge_lstm.arithmetic.native import sigmoid_table
from edge_lstm.board import load_core
from edge_lstm.errors import ExportError
from edge_lstm.integer import Affine
from edge_lstm.reference import network, trace
from edge_lstm_export.c_source import write_c
from edge_lstm_export.c_source.kernel_sets import kernel_set
from edge_lstm_export.c_source.native import constant_bytes, native_state_bytes
from edge_lstm_export.emulators import emulate, program

CORES = ("cortex-m0plus", "cortex-m3")
SCHEMES = ("w8a16", "w8a8")
GCC = "arm-none-eabi-gcc"

OTHERS = [("gru", 3), ("rnn", 5), ("dense", 6), ("fastgrnn", 7), ("gru-before", 2)]

REACH = {
    ("cortex-m0plus", 8, 16): 5_950,
    ("cortex-m0plus", 8, 32): 16_400,
    ("cortex-m0plus", 40, 64): 69_700,
    ("cortex-m0plus", 10, 128): 178_000,
    ("cortex-m3", 8, 16): 3_585,
    ("cortex-m3", 8, 32): 10_050,
    ("cortex-m3", 40, 64): 43_155,
    ("cortex-m3", 10, 128): 110_640,
}
"""(core, features, units) → instructions of a w8a16 step, harness around the kernel included. On the M0+, which has no
instruction that saturates, a value that does takes three more."""

CHAINS = [
    ([1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 64], 1, 9),
    ([33, 17, 16, 15, 9, 8, 7, 3, 2, 1, 1], 64, 8),
    ([24, 23, 12, 11, 48, 31, 13, 6, 32, 5], 10, 12),
]
"""Units of a stack, inputs, hidden bits: every remainder of the loops over columns, and blocks too short for a loop."""

FORMATS = [("w8a16", bits) for bits in range(8, 13)] + [("w8a8", bits) for bits in range(7, 13)]


def with_layer(model, **fields):
    """The rows of layer 0 with other numbers: a function of the block's rows each."""
    layer, *above = model.layers
    blocks = [replace(b, **{name: make(getattr(b, name)) for name, make in fields.items()}) for b in layer.blocks]
    return replace(model, layers=(replace(layer, blocks=tuple(blocks)), *above))


def drawn(choices, seed=0):
    """Numbers of ``choices`` in place of a block's."""
    rng = np.random.default_rng(seed)
    return lambda rows: rng.choice(choices, rows.shape)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("units", "features", "bits"), CHAINS)
def test_any_shape_gives_the_bytes_of_the_reference(core, scheme, units, features, bits):
    model = random_native(len(units), features, units, features % 17, scheme, bits)
    check_core(core, model, random_codes(model, 16))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("outputs", "scheme", "bits"), [(n, *each) for n, each in enumerate(FORMATS, 1)])
def test_any_format_of_the_hidden_state(core, outputs, scheme, bits):
    model = random_native(bits, 4, [outputs + 3], outputs, scheme, bits)
    check_core(core, model, random_codes(model, 24))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(
    ("scheme", "shifts"),
    [("w8a16", [9]), ("w8a16", [26]), ("w8a16", range(9, 27)), ("w8a8", [1]), ("w8a8", [26]), ("w8a8", range(1, 27))],
)
def test_any_shifts(core, scheme, shifts):
    model = with_layer(random_native(1, 5, [9], 3, scheme), shift=drawn(shifts))
    check_core(core, model, random_codes(model, 24))


@pytest.mark.parametrize("core", CORES)
def test_sums_at_both_ends_of_their_range_come_apart(core):
    """The four rows of a unit at -2**23 + 1, -1, 0 and 2**23 - 1 in every combination, with weights of -127 to 127."""
    ends = np.array(list(itertools.product([1 - (1 << 23), -1, 0, (1 << 23) - 1], repeat=4)))
    layer = random_native(1, 1, [len(ends)], 1).layers[0]
    weights = np.zeros_like(layer.blocks[0].weights)
    weights[:, 0] = 1
    rows = Affine(weights, ends.T.reshape(-1), np.full(len(weights), 128), np.full(len(weights), 16))
    model = random_native(1, 1, [len(ends)], 1)
    still = replace(model.encoding, low=np.zeros(1), high=np.zeros(1))
    model = replace(model, layers=(replace(layer, blocks=(rows,)),), encoding=still)
    check_core(core, model, np.zeros((3, 1), np.int64))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_rows_of_other_cells_come_apart_at_any_shift_and_limit(core, scheme):
    """Rows by fours, and what is over; the rows of a layer alone, for no cell of these sets has more of its own."""
    model = random_gated(3, 5, OTHERS, 3, scheme)
    for each in (
        model,
        with_shifts_of_all_layers(model, range(9, 27)),
        *(with_largest_sums(model, shift) for shift in (9, 15, 26)),
    ):
        check_core(core, each, random_codes(each, 12))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_clamp_is_reached_and_kept(core, scheme):
    """Pre-activations, cell states and hidden states at both of their ends."""
    half_open = np.array([[1, 1, 1, 1], [1, 1, -1, 1]]).T * (1 << 22)
    model = random_native(3, 3, [8], 5, scheme, 9)
    still = {"weights": np.zeros_like, "shift": lambda rows: np.full(rows.shape, 9)}
    model = with_layer(model, **still, bias=lambda rows: np.tile(half_open, 4).reshape(-1))
    codes = random_codes(model, 160)
    expected = trace(network(model), codes)
    assert expected[0, "c"].max() == 2**30 - 1
    assert expected[0, "c"].min() == -(2**30)
    check_core(core, model, codes)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("toolchain", ["zig", GCC])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_compilers_decide_nothing(core, toolchain, scheme):
    """At every level the same bytes, and the same instructions but for those of the call from the harness."""
    model = random_native(5, 3, [7, 16], 3, scheme)
    codes = random_codes(model, 12)
    levels = ("-O0", "-Os", "-O2", "-O3")
    counts = [check_core(core, model, codes, toolchain=toolchain, extra=[o]).layer_count for o in levels]
    assert max(counts) - min(counts) <= 15


@pytest.mark.parametrize(("case", "limit"), REACH.items())
def test_a_step_takes_no_more_instructions_than_promised(case, limit):
    """Of w8a8, a fifth more at most."""
    core, features, units = case
    wide, narrow = (random_native(features + units, features, [units], 3, scheme) for scheme in SCHEMES)
    found = check_core(core, wide, random_codes(wide, 2)).layer_count
    assert found <= limit
    assert check_core(core, narrow, random_codes(narrow, 2)).layer_count <= 1.2 * found


def test_on_the_m3_the_count_does_not_depend_on_the_data():
    model = random_native(1, 8, [16], 6)
    assert len(set(check_core("cortex-m3", model, random_codes(model, 40)).counts)) == 1


@pytest.mark.parametrize(
    ("core", "shape", "limits"),
    [
        ("cortex-m0plus", (8, 32), (850, 1_200)),
        ("cortex-m0plus", (23, 23), (1_100, 1_550)),
        ("cortex-m3", (8, 32), (950, 1_100)),
        ("cortex-m3", (31, 31), (1_200, 1_850)),
    ],
)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_layer_is_small(core, shape, limits, scheme):
    """Code of a layer, at its largest where blocks just fail to loop; constants and state as announced: 20 bytes a unit
    and block beside the weights."""
    features, units = shape
    model = random_native(1, features, [units], 6, scheme)
    chosen = kernel_set(load_core(core).kernels)
    image = program(load_core(core), write_c(model, kernel_set_name=chosen.name))
    size = {name: size for name, (_, size) in image.symbols.items()}
    assert size["layer_0_step"] <= limits[SCHEMES.index(scheme)]
    assert size["layer_0_stream"] == units * (20 * len(model.layers[0].blocks) + 4 * (features + units))
    fours = -(-len(model.head.bias) // 4)
    assert size["head_stream"] == fours * (20 + 4 * units)
    assert constant_bytes(model, chosen) == size["layer_0_stream"] + size["head_stream"] + size["el_sigmoid_lines"]
    assert native_state_bytes(model, chosen) == size["board_state"]


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_machine_that_checks_alignment_agrees(core, scheme):
    """QEMU faults where LDM, STM or LDRD meet an address that is not a word's; Unicorn does not."""
    machine = replace(load_core(core), emulator={"name": "qemu-system", "cpu": "mps2-an385"})
    model = random_native(4, 3, [5, 16, 7, 40, 9], 3, scheme)
    codes = random_codes(model, 8)
    (expected,) = check_core(core, model, codes).traces
    image = program(machine, write_c(model, kernel_set_name=machine.kernels))
    (found,) = emulate(machine, image, layout_of(model), [codes], None).traces
    assert np.array_equal(found.outputs, expected.outputs)
    for layer, (h, c) in enumerate(found.states):
        assert np.array_equal(h, expected.states[layer][0])
        assert np.array_equal(c, expected.states[layer][1])


def test_the_table_gives_sigma_of_every_pre_activation():
    text = (files("edge_lstm_export") / "kernels" / "el_sigmoid_lines.c").read_text()
    numbers = re.findall(r"\d+", text[text.index("= {") :])
    at_zero, slope = np.array([int(number) for number in numbers]).reshape(128, 2).T
    z = np.arange(-32768, 32768)
    segment = (z >> 9) + 64
    assert np.array_equal(at_zero[segment] + (slope[segment] * z >> 9), sigmoid_table())


@pytest.mark.parametrize(
    ("core", "target"), [("cortex-m0plus", "thumbv6m-none-eabi"), ("cortex-m3", "thumbv7m-none-eabi")]
)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_clang_and_gcc_compile_the_sources_without_a_warning(core, target, scheme, tmp_path):
    """Linking and running is for the toolchains of the core."""
    model = random_gated(1, 5, [("lstm", 9), ("lstm", 120), ("gru", 3)], 3, scheme)
    sources = write_c(model, kernel_set_name=load_core(core).kernels)
    names = place(tmp_path, sources)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-ffreestanding", "-c"]
    clang, gcc = shutil.which("clang"), shutil.which(GCC)
    assert clang
    assert gcc
    for command in ([clang, f"--target={target}"], [gcc, "-mthumb"]):
        for optimise in ("-O0", "-O3"):
            run([*command, f"-mcpu={core}", *flags, optimise, *names], tmp_path)


@pytest.mark.parametrize("toolchain", ["zig", GCC])
def test_a_core_without_thumb_2_is_refused_by_the_compiler(toolchain):
    sources = write_c(random_native(1, 2, [3], 1), kernel_set_name="armv7m")
    with pytest.raises(ExportError, match="kernel set armv7m is for Arm cores with Thumb-2"):
        program(load_core("cortex-m0plus"), sources, toolchain)
