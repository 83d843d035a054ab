"""The kernels for Cortex-M4, M7 and M33: the reference's bytes at every shape, within the promised instructions."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from board_nets import check_core, layout_of
from c_nets import place, random_codes, random_native, run

from edge_lstm.arithmetic.native import sigmoid_table
from edge_lstm.board import load_core
from edge_lstm.errors import ExportError
from edge_lstm.reference import network, trace
from edge_lstm_export.c_source import write_c
from edge_lstm_export.c_source.kernel_sets.dsp import DSP, scaling
from edge_lstm_export.c_source.native import constant_bytes
from edge_lstm_export.emulators import emulate, program

CORES = ("cortex-m4", "cortex-m7", "cortex-m33")
SCHEMES = ("w8a16", "w8a8")
GCC = "arm-none-eabi-gcc"

REACH = {(8, 16): 2_155, (8, 32): 5_979, (40, 64): 26_301, (10, 128): 67_777}
"""(features, units) → instructions of a w8a16 step, harness around the kernel included."""

CHAINS = [
    ([1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 64], 1, 10),
    ([33, 17, 16, 15, 9, 8, 7, 3, 2, 1, 1], 64, 8),
    ([64, 2, 33, 3, 17, 7, 16, 8, 15, 9, 1, 5], 1, 9),
    ([1, 16, 1, 33, 8, 64, 3, 9, 7, 7, 2, 15, 15], 2, 12),
]
"""Units of a stack, inputs, hidden bits. Behind an odd layer, x and h begin in the middle of a word."""


def with_rows(model, units, values):
    """The rows of the first units of layer 0 with other numbers: by field, one for all or four for the gates."""
    layer, *above = model.layers
    blocks = []
    for block in layer.blocks:
        changed = {}
        for field, gates in values.items():
            old = getattr(block, field)
            new = np.array(old).reshape(4, layer.units, *old.shape[1:])
            new[:, :units] = np.broadcast_to(gates, 4).reshape(4, *[1] * (new.ndim - 1))
            changed[field] = new.reshape(old.shape)
        blocks.append(replace(block, **changed))
    return replace(model, layers=(replace(layer, blocks=tuple(blocks)), *above))


def with_shifts(model, low, high):
    """Rows of i and g of layer 0 shift by numbers of ``low``, those of f and o by numbers of ``high``."""
    rng = np.random.default_rng(0)
    layer, *above = model.layers
    shift = [np.concatenate([rng.choice(gate, layer.units) for gate in (low, high) * 2]) for _ in layer.blocks]
    blocks = tuple(replace(block, shift=new) for block, new in zip(layer.blocks, shift, strict=True))
    return replace(model, layers=(replace(layer, blocks=blocks), *above))


def same_traces(found, expected):
    pairs = zip(found.states, expected.states, strict=True)
    same = [np.array_equal(*each) for pair in pairs for each in zip(*pair, strict=True)]
    return all(same) and np.array_equal(found.outputs, expected.outputs)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("units", "features", "bits"), CHAINS)
def test_any_shape_gives_the_bytes_of_the_reference(scheme, units, features, bits):
    model = random_native(len(units), features, units, features % 17, scheme, bits)
    check_core("cortex-m4", model, random_codes(model, 24))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("features", "units"), [(300, 5), (16, 112), (128, 128), (60, 60), (127, 3)])
def test_long_sums_go_in_passes(scheme, features, units):
    """With codes left over before the passes, and with none: over h, over x, over both."""
    model = random_native(features, features, [units], 2, scheme)
    check_core("cortex-m4", model, random_codes(model, 12))


FORMATS = [("w8a16", bits) for bits in range(8, 13)] + [("w8a8", bits) for bits in range(7, 13)]


@pytest.mark.parametrize(("outputs", "scheme", "bits"), [(n, *each) for n, each in enumerate(FORMATS, 1)])
def test_any_format_of_the_hidden_state_and_few_outputs(outputs, scheme, bits):
    model = random_native(bits, 4, [outputs + 3], outputs, scheme, bits)
    check_core("cortex-m4", model, random_codes(model, 40))


@pytest.mark.parametrize("outputs", range(12, 18))
def test_many_outputs(outputs):
    model = random_native(outputs, 2, [outputs - 11], outputs)
    check_core("cortex-m4", model, random_codes(model, 12))


@pytest.mark.parametrize("core", CORES[1:])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_other_cores_agree(core, scheme):
    model = random_native(2, 7, [9, 64], 3, scheme)
    check_core(core, model, random_codes(model, 24))


@pytest.mark.parametrize("toolchain", ["zig", GCC])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_compilers_decide_nothing(toolchain, scheme):
    """At every level the same bytes, and the same instructions but for those of the call from the harness."""
    model = random_native(5, 3, [7, 16], 3, scheme)
    codes = random_codes(model, 24)
    levels = ("-O0", "-Os", "-O2", "-O3")
    counts = [check_core("cortex-m4", model, codes, toolchain=toolchain, extra=[o]).layer_count for o in levels]
    assert max(counts) - min(counts) <= 8


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("shape", "limit"), REACH.items())
def test_a_step_takes_no_more_instructions_than_promised(core, shape, limit):
    """Of w8a8, a quarter more at most."""
    features, units = shape
    wide, narrow = (random_native(1, features, [units], 6, scheme) for scheme in SCHEMES)
    found = check_core(core, wide, random_codes(wide, 3)).layer_count
    assert found <= limit
    assert check_core(core, narrow, random_codes(narrow, 3)).layer_count <= 1.25 * found


@pytest.mark.parametrize(("shape", "limit"), REACH.items())
def test_gcc_without_optimisation_keeps_the_promise(shape, limit):
    model = random_native(1, shape[0], [shape[1]], 6)
    done = check_core("cortex-m4", model, random_codes(model, 2), toolchain=GCC, extra=["-O0"])
    assert done.layer_count <= limit


def test_the_count_does_not_depend_on_the_data():
    model = random_native(1, 8, [16], 6)
    assert len(set(check_core("cortex-m4", model, random_codes(model, 50)).counts)) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("shape", REACH)
def test_code_and_tables_take_3_kb_of_flash_at_most(scheme, shape):
    """Layer, head, what calls them, and the table of sigma. Scratch is half a word a code, constants as announced."""
    model = random_native(1, shape[0], [shape[1]], 6, scheme)
    image = program(load_core("cortex-m4"), write_c(model, kernel_set_name="dsp"))
    size = {name: size for name, (_, size) in image.symbols.items()}
    fixed = ["layer_0_step", "layer_0_constants", "layers", "head_apply", "head", "el_net_step", "el_model"]
    constants = ["layer_0_constants", "layer_0_stream", "head_stream", "el_dsp_sigmoid"]
    assert sum(size[name] for name in [*fixed, "el_dsp_sigmoid"]) <= 3 * 1024
    assert sum(size[name] for name in constants) == constant_bytes(model, DSP)
    assert DSP.work_words(model.layers[0]) <= (sum(shape) + 2) // 2


@pytest.mark.parametrize(
    ("scheme", "low", "high"),
    [
        ("w8a16", [9], [9]),
        ("w8a16", [26], [26]),
        ("w8a16", [9, 26], [9, 26]),
        ("w8a16", [9, 26], [9, 25]),
        ("w8a8", [1], [1]),
        ("w8a8", [1, 2], [24]),
        ("w8a8", [26], [26]),
        ("w8a8", [9, 26], [2, 24]),
        ("w8a8", [3, 26], [3, 25]),
        ("w8a8", [1, 26], [9]),
        ("w8a8", [9], [2, 26]),
        ("w8a8", range(1, 27), range(1, 27)),
    ],
)
def test_any_shifts(scheme, low, high):
    model = with_shifts(random_native(1, 5, [9], 3, scheme), low, high)
    check_core("cortex-m4", model, random_codes(model, 40))


def test_only_shifts_too_far_apart_cost_a_slower_kernel():
    """Of all pairs of 1..26, SMMUL serves all but (1, 25), (1, 26) and (2, 26)."""
    model = random_native(1, 1, [40], 1, "w8a8")
    pairs = [(least, most) for least in range(1, 27) for most in range(least, 27)]
    for rows in ("low", "high"):
        layers = {pair: with_shifts(model, **{"low": [9], "high": [9], rows: pair}).layers[0] for pair in pairs}
        assert [pair for pair in pairs if scaling(layers[pair]).spread] == [(1, 25), (1, 26), (2, 26)]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_clamp_is_reached_and_kept(scheme):
    """Pre-activations and cell states at both of their ends, and hidden states where they are saturated."""
    wide_open = {"weights": 0, "bias": [1 << 22] * 4, "shift": 9}
    model = with_rows(random_native(3, 3, [8], 5, scheme, 9), 4, wide_open)
    model = with_rows(model, 2, {"bias": [1 << 22, 1 << 22, -(1 << 22), 1 << 22]})
    codes = random_codes(model, 160)
    expected = trace(network(model), codes)
    assert expected[0, "c"].max() == 2**30 - 1
    assert expected[0, "c"].min() == -(2**30)
    assert scheme == "w8a16" or (expected[0, "h"].min(), expected[0, "h"].max()) == (-128, 127)
    check_core("cortex-m4", model, codes)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_machine_that_checks_alignment_agrees(scheme):
    """QEMU faults where LDM, STM or LDRD meet an address that is not a word's; Unicorn does not."""
    core = load_core("cortex-m4")
    machine = replace(core, emulator={"name": "qemu-system", "cpu": "mps2-an386"})
    model = random_native(4, 3, [5, 16, 7, 40, 9], 3, scheme)
    codes = random_codes(model, 8)
    (expected,) = check_core("cortex-m4", model, codes).traces
    image = program(machine, write_c(model, kernel_set_name="dsp"))
    (found,) = emulate(machine, image, layout_of(model), [codes], None).traces
    assert same_traces(found, expected)


def test_the_table_gives_sigma_of_every_pre_activation():
    """By the three instructions of the kernel, on 4 z as SSAT leaves it: 3 more at the upper limit."""
    text = (files("edge_lstm_export") / "kernels" / "el_dsp_sigmoid.c").read_text()
    table = np.array([int(word, 16) for word in re.findall("0x[0-9a-f]{8}", text)])
    z4 = np.minimum(4 * np.arange(-32768, 32768), 131068)
    for saturated in (z4, np.where(z4 == 131068, 131071, z4)):
        entry = table[(saturated >> 11) + 64]
        assert np.array_equal((entry + (saturated * (entry >> 16) >> 16)) & 0xFFFF, sigmoid_table())


def test_a_pair_whose_bias_has_no_literal_in_c_keeps_its_bytes():
    """-2**31 cannot be written; the next number is, and no pre-activation shows it."""
    rows = {"weights": 0, "bias": [-256, 1 - (1 << 23)] * 2, "shift": 26, "multiplier": 255}
    model = random_native(1, 3, [9], 2)
    check_core("cortex-m4", with_rows(model, 4, rows), random_codes(model, 10))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_clang_compiles_the_sources(scheme, tmp_path):
    """Without a warning; linking and running is for the toolchains of the core."""
    shifts = [9, 26] if scheme == "w8a16" else [1, 26]
    model = with_shifts(random_native(1, 5, [9, 120], 3, scheme), shifts, shifts)
    names = place(tmp_path, write_c(model, kernel_set_name="dsp"))
    target = ["--target=thumbv7em-none-eabihf", "-mcpu=cortex-m4", "-ffreestanding"]
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-c"]
    clang = shutil.which("clang")
    assert clang
    for optimise in ("-O0", "-O3"):
        run([clang, *target, *flags, optimise, *names], tmp_path)


@pytest.mark.parametrize("toolchain", ["zig", GCC])
def test_a_core_without_the_extension_is_refused_by_the_compiler(toolchain):
    sources = write_c(random_native(1, 2, [3], 1), kernel_set_name="dsp")
    with pytest.raises(ExportError, match="kernel set dsp is for cores with the DSP extension"):
        program(load_core("cortex-m3"), sources, toolchain)
