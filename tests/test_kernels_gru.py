"""The GRU kernels of the sets dsp and mve: the reference's bytes at every shape, in less time than an LSTM takes."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from board_nets import check_core, layout_of
from c_nets import place, random_codes, random_gated, random_native, run
from extreme_nets import with_shifts

from edge_lstm.board import load_core
from edge_lstm.errors import ExportError
from edge_lstm.reference import network, trace
from edge_lstm_export.c_source import constant_bytes, native_state_bytes, write_c
from edge_lstm_export.c_source.kernel_sets.dsp import DSP
from edge_lstm_export.emulators import emulate, program

SCHEMES = ("w8a16", "w8a8")
HEADERS = {"cortex-m4": "el_gru_dsp.h", "cortex-m55": "el_gru_mve.h"}
"""A core of each set, and its kernel."""
GCC = "arm-none-eabi-gcc"
SHAPES = [(8, 16), (8, 32), (40, 64), (10, 128)]

CHAINS = [
    ([1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 64], 1, 10),
    ([33, 17, 16, 15, 9, 8, 7, 3, 2, 1, 1], 64, 8),
    ([64, 2, 33, 3, 17, 7, 16, 8, 15, 9, 1, 5, 6, 4], 1, 0),
    ([1, 16, 1, 33, 8, 64, 3, 9, 7, 7, 2, 15, 15], 2, 12),
    ([4, 5, 6, 7, 8, 9, 10, 11, 24, 25, 40, 41, 17, 32, 3], 3, 9),
]
"""Units of a stack, inputs, hidden bits. Behind an odd layer, x and h begin in the middle of a word."""


def gru(seed, features, units, scheme="w8a16", bits=10, outputs=3):
    """A stack of GRU layers of random integers."""
    return random_gated(seed, features, [("gru", count) for count in units], outputs, scheme, bits)


def changed(model, change, **numbers):
    """Each block of layer 0 with what ``change`` says of it, the layer with other numbers."""
    layer, *above = model.layers
    blocks = tuple(replace(block, **change(block)) for block in layer.blocks)
    return replace(model, layers=(replace(layer, blocks=blocks, **numbers), *above))


def quiet(model, numerator):
    """Layer 0 whose rows over h, all together, reach that many 64ths of where they saturate."""
    layer, *above = model.layers
    over_x, over_h = layer.blocks
    most = np.abs(over_h.weights.astype(int)).sum(axis=1) * layer.hidden_limit + np.abs(over_h.bias)
    share = np.minimum(1, numerator * (1 << 9 + over_h.shift.astype(np.int64)) / (over_h.multiplier * (most + 1.0)))
    quieter = replace(over_h, weights=np.trunc(over_h.weights * share[:, None]), bias=np.trunc(over_h.bias * share))
    return replace(model, layers=(replace(layer, blocks=(over_x, quieter)), *above))


def own_kernel(core, model):
    return HEADERS[core] in write_c(model, kernel_set_name=load_core(core).kernels)


@pytest.mark.parametrize("core", HEADERS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("units", "features", "bits"), CHAINS)
def test_any_shape_gives_the_bytes_of_the_reference(core, scheme, units, features, bits):
    model = gru(len(units), features, units, scheme, bits)
    check_core(core, model, random_codes(model, 24))


@pytest.mark.parametrize("core", HEADERS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("features", "units"), [(300, 5), (16, 112), (128, 128), (60, 60), (127, 3), (51, 57), (9, 49)]
)
def test_long_sums_go_in_passes(core, scheme, features, units):
    """With codes left over before the passes, and with none: over h, over x, over both."""
    model = gru(features, features, [units], scheme)
    check_core(core, model, random_codes(model, 12))


@pytest.mark.parametrize("core", HEADERS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_any_format_of_the_rows(core, scheme):
    """A layer each, over few features and over more."""
    model = gru(2, 3, [*range(4, 13), *range(4, 13)], scheme)
    layers = [replace(layer, row_bits=4 + k % 9) for k, layer in enumerate(model.layers)]
    check_core(core, replace(model, layers=tuple(layers)), random_codes(model, 60))


@pytest.mark.parametrize("core", HEADERS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("shifts", [[9], [26], [26, 9], [24, 25], range(9, 27), range(26, 8, -1)])
def test_any_shifts(core, scheme, shifts):
    """Of rows over few features and over more."""
    model = with_shifts(gru(1, 5, [9, 12, 9], scheme), shifts)
    assert own_kernel(core, model)
    check_core(core, model, random_codes(model, 40))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_shifts_that_no_quantiser_gives_leave_the_layer_to_the_c_of_all_cores(scheme):
    """Whose rows on Cortex-M4 take any; those of Cortex-M55 refuse them."""
    model = changed(gru(1, 5, [9], scheme), lambda block: {"shift": np.resize(range(1, 27), len(block.shift))})
    assert not own_kernel("cortex-m4", model)
    check_core("cortex-m4", model, random_codes(model, 40))
    with pytest.raises(ExportError, match="shift of rows of 9 to 26; this model has 1"):
        own_kernel("cortex-m55", model)


@pytest.mark.parametrize("core", HEADERS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("shift", [9, 15, 16, 26])
def test_sums_at_both_limits(core, scheme, shift):
    """Every pair of limits of the rows over x and over h meets in some gate, under the largest multiplier."""
    largest = (1 << 23) - 1
    cycles = [largest, -largest, 1, -1, 0], [largest, -largest, -1, 0]

    def limit(block, cycle):
        rows = len(block.bias)
        values = {"bias": np.resize(cycle, rows), "multiplier": np.full(rows, 255), "shift": np.full(rows, shift)}
        return replace(block, weights=np.zeros_like(block.weights), **values)

    model = gru(3, 4, [21, 22, 12, 21, 21], scheme)
    layers = [
        replace(layer, row_bits=row_bits, blocks=tuple(map(limit, layer.blocks, cycles)))
        for layer, row_bits in zip(model.layers, (12, 11, 4, 12, 10), strict=True)
    ]
    check_core(core, replace(model, layers=tuple(layers)), random_codes(model, 3))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_rows_over_h_that_cannot_saturate_save_instructions_and_nothing_else(scheme):
    """Just below where one could, and just above it."""
    loud = gru(7, 8, [16], scheme, 7)
    counts = [
        check_core("cortex-m4", each, random_codes(each, 60)).layer_count
        for each in (loud, quiet(loud, 65), quiet(loud, 64))
    ]
    assert counts[0] - counts[2] == 8 * 10
    assert counts[1] == counts[0]


@pytest.mark.parametrize("core", HEADERS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_clamp_is_reached_and_kept(core, scheme):
    """Pre-activations at both ends, states near both of theirs, and hidden states where they are saturated."""

    def block_of(block):
        units = np.arange(len(block.bias)) % 16
        bias = np.where(units < 6, np.where(units % 2, 1 << 22, -(1 << 22)), block.bias)
        return {"bias": bias, "weights": block.weights // 8, "shift": np.full(len(bias), 9)}

    model = changed(gru(2, 4, [16], scheme, 9), block_of, row_bits=12)
    codes = random_codes(model, 200)
    expected = trace(network(model), codes)
    assert expected[0, "c"].max() > 0.99 * 2**23
    assert expected[0, "c"].min() < -0.99 * 2**23
    assert scheme == "w8a16" or (expected[0, "h"].min(), expected[0, "h"].max()) == (-128, 127)
    check_core(core, model, codes)


@pytest.mark.parametrize("core", ["cortex-m7", "cortex-m33"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_other_cores_agree(core, scheme):
    model = gru(2, 7, [9, 64], scheme)
    check_core(core, model, random_codes(model, 24))


@pytest.mark.parametrize("core", HEADERS)
@pytest.mark.parametrize("toolchain", ["zig", GCC])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_compilers_decide_nothing(core, toolchain, scheme):
    """At every level the same bytes, and the same instructions but for those of the call from the harness."""
    model = gru(5, 3, [7, 16], scheme)
    codes = random_codes(model, 24)
    levels = ("-O0", "-Os", "-O2", "-O3")
    counts = [check_core(core, model, codes, toolchain=toolchain, extra=[o]).layer_count for o in levels]
    assert max(counts) - min(counts) <= 8


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_on_cortex_m4_a_step_takes_at_most_four_fifths_of_an_lstms(shape, scheme):
    """Rows over h that stay where they do not saturate, as quantised ones of these sizes mostly do."""
    features, units = shape
    model = quiet(gru(1, features, [units], scheme), 64)
    lstm = random_native(1, features, [units], 3, "w8a16")
    counts = [check_core("cortex-m4", each, random_codes(each, 3)).layer_count for each in (model, lstm)]
    assert counts[0] <= 0.8 * counts[1]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_on_cortex_m55_a_step_takes_no_more_than_an_lstms(shape, scheme):
    features, units = shape
    models = gru(1, features, [units], scheme), random_native(1, features, [units], 3, scheme)
    counts = [check_core("cortex-m55", each, random_codes(each, 3)).layer_count for each in models]
    assert counts[0] <= counts[1]


@pytest.mark.parametrize("core", HEADERS)
def test_the_count_does_not_depend_on_the_data(core):
    for units in (15, 16):
        model = gru(1, 8, [units])
        assert len(set(check_core(core, model, random_codes(model, 50)).counts)) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_code_and_tables_take_3_kb_of_flash_and_little_ram(scheme, shape):
    """Layer, head, what calls them, and the table of sigma. Scratch is half a word a code, constants as announced."""
    model = gru(1, shape[0], [shape[1]], scheme, outputs=6)
    codes = random_codes(model, 3)
    image = program(load_core("cortex-m4"), write_c(model, kernel_set_name="dsp"))
    size = {name: size for name, (_, size) in image.symbols.items()}
    fixed = ["layer_0_step", "layer_0_constants", "layers", "head_apply", "head", "el_net_step", "el_model"]
    constants = ["layer_0_constants", "layer_0_stream", "head_stream", "el_dsp_sigmoid"]
    assert sum(size[name] for name in [*fixed, "el_dsp_sigmoid"]) <= 3 * 1024 + 512
    assert sum(size[name] for name in constants) == constant_bytes(model, DSP)
    assert native_state_bytes(model, DSP) <= 6 * shape[1] + 2 * (sum(shape) + 2)
    assert check_core("cortex-m4", model, codes).stack_bytes <= 192


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_machine_that_checks_alignment_agrees(scheme):
    """QEMU faults where LDM, STM or LDRD meet an address that is not a word's; Unicorn does not."""
    core = load_core("cortex-m4")
    machine = replace(core, emulator={"name": "qemu-system", "cpu": "mps2-an386"})
    model = gru(4, 3, [5, 16, 7, 40, 9], scheme)
    codes = random_codes(model, 8)
    (expected,) = check_core("cortex-m4", model, codes).traces
    image = program(machine, write_c(model, kernel_set_name="dsp"))
    (found,) = emulate(machine, image, layout_of(model), [codes], None).traces
    pairs = zip(found.states, expected.states, strict=True)
    assert all(np.array_equal(*each) for pair in pairs for each in zip(*pair, strict=True))
    assert np.array_equal(found.outputs, expected.outputs)


@pytest.mark.parametrize(("kernels", "architecture"), [("dsp", "thumbv7em"), ("mve", "thumbv8.1m.main")])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_clang_compiles_the_sources(kernels, architecture, scheme, tmp_path):
    """Without a warning, beside an LSTM and cells of no kernel of their own."""
    cells = [("gru", 9), ("lstm", 5), ("gru", 120), ("rnn", 3), ("gru-before", 4)]
    names = place(tmp_path, write_c(random_gated(1, 5, cells, 3, scheme), kernel_set_name=kernels))
    core = "cortex-m4" if kernels == "dsp" else "cortex-m55"
    target = [f"--target={architecture}-none-eabihf", f"-mcpu={core}", "-ffreestanding"]
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-c"]
    clang = shutil.which("clang")
    assert clang
    for optimise in ("-O0", "-O3"):
        run([clang, *target, *flags, optimise, *names], tmp_path)
