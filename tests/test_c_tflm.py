"""C of the arithmetic tflm gives TensorFlow Lite Micro's bytes, on this computer and on emulated Cortex-M cores."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_nets import COMPILERS, CXX, NATIVE_COMPILERS, PROGRAMS, WARNINGS, compiler_name, place, run
from click.testing import CliRunner
from models import calibrated, float_model, native_model, recordings, tflite_model
from numpy.typing import NDArray
from tflite_models import SIZES, random_codes, random_integer_model

from edge_lstm.arithmetic import interpolated
from edge_lstm.arithmetic.fused import CELL_EXPONENTS, RULES
from edge_lstm.board import load_core
from edge_lstm.bundle import Bundle
from edge_lstm.cli import cli
from edge_lstm.compiler import compile_shared
from edge_lstm.errors import ExportError
from edge_lstm.integer import Quant, TfliteModel
from edge_lstm.reference import network, replay, trace
from edge_lstm.runtimes.c_tflm import CTflmLibrary
from edge_lstm.runtimes.worker import run_isolated
from edge_lstm.starter import start_project
from edge_lstm_calibration import quantise_native, quantise_tflite
from edge_lstm_calibration.quantise_step import quantise_step
from edge_lstm_export import board_verify
from edge_lstm_export.bundle_writer import Integers, int8_files, write_bundle
from edge_lstm_export.c_source import kernels, tflm_kernel_set, tflm_state_bytes, write_c, write_c_float, write_c_tflm
from edge_lstm_export.c_source.fused import SIGMOID_BYTES, TFLM_KERNEL_SETS
from edge_lstm_export.c_source.kernel_sets import KERNEL_SETS
from edge_lstm_export.emulators import emulate, program
from edge_lstm_export.emulators.base import BoardRun, Layout
from edge_lstm_export.golden import stress
from edge_lstm_export.tflite import fused_tflite
from edge_lstm_export.verify import Check, verify

CELL, CODE = np.int16, np.int8


def bench_model(features: int, units: int) -> TfliteModel:
    return tflite_model(features=features, units=(units,), outputs=1, kind="regress")


def assert_expected(model: TfliteModel, codes: NDArray[Any], outputs: NDArray[Any], states: Any) -> None:
    expected = trace(network(model, "tflm"), codes)
    for layer, (h, c) in enumerate(states):
        for name, seen in (("h", h), ("c", c)):
            wrong = np.argwhere(seen != expected[layer, name])
            assert not len(wrong), f"layer {layer} {name}, (step, unit) {wrong[0]}"
    assert np.array_equal(outputs, expected[len(model.layers), "y"])


def check_core(
    core_name: str,
    model: TfliteModel,
    codes: NDArray[Any],
    kernel_set_name: str = "dsp",
    toolchain: str | None = None,
    flags: tuple[str, ...] = (),
) -> BoardRun:
    """Every step of (T, C) codes on the emulated core; fails at the first value that is not the reference's."""
    core = load_core(core_name)
    image = program(core, write_c_tflm(model, kernel_set_name=kernel_set_name), toolchain, flags)
    layout = Layout.of(model, cell="<i2", hidden="i1", code="i1")
    done = emulate(core, image, layout, [codes], None)
    assert_expected(model, codes, done.traces[0].outputs, done.traces[0].states)
    return done


def library(folder: Path, model: TfliteModel) -> CTflmLibrary:
    """The portable C, compiled for this computer."""
    path = folder / "model.so"
    path.write_bytes(compile_shared({**write_c_tflm(model), **kernels.kernel_files([kernels.HOST_FILE])}))
    return CTflmLibrary(path)


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_random_networks_give_equal_bytes_here(tmp_path: Path, shape: tuple[int, tuple[int, ...], int]) -> None:
    """Outputs, h and c of the portable C equal the reference, in single steps, in one call and from a saved state."""
    model, codes = random_integer_model(*shape), random_codes(shape[0], 200)
    stepped = library(tmp_path, model)
    outputs, states = [], []
    for x in codes:
        outputs.append(stepped.step(x))
        states.append(stepped.get_state())
    layers = [(np.array([h for h, _ in own]), np.array([c for _, c in own])) for own in zip(*states, strict=True)]
    assert_expected(model, codes, np.array(outputs), layers)
    stepped.reset()
    assert np.array_equal(stepped.run(codes), outputs)
    stepped.set_state(states[49])
    assert np.array_equal(stepped.run(codes[50:]), outputs[50:])


def test_it_gives_the_bytes_of_tensorflow_lite_micro(tmp_path: Path) -> None:
    """The very file in TensorFlow Lite Micro and the C beside it: every output and state, saturation included."""
    model = tflite_model(features=9, units=(32, 6), outputs=6)
    options = {"features": 9, "units": (32, 6), "outputs": 6}
    codes = np.concatenate([model.encoding.encode(r) for r in recordings(float_model(**options))] + [stress(model)])
    file = tmp_path / "model.tflite"
    file.write_bytes(fused_tflite(model))
    theirs = run_isolated("tflm", file, [codes.astype(CODE)])[0]
    ours = check_core("cortex-m4", model, codes)
    assert np.array_equal(ours.traces[0].outputs, theirs.outputs)
    for own, other in zip(ours.traces[0].states, theirs.states, strict=True):
        assert np.array_equal(own[0], other[0])
        assert np.array_equal(own[1], other[1])


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_emulated_cores_give_equal_bytes(shape: tuple[int, tuple[int, ...], int]) -> None:
    """One to three layers: the assembly and the portable C give the reference's bytes."""
    model, codes = random_integer_model(*shape), random_codes(shape[0], 40)
    for core in ("cortex-m4", "cortex-m7", "cortex-m33"):
        check_core(core, model, codes)
    check_core("cortex-m0plus", model, codes[:10], "portable")


WIDTHS = (1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 28, 29, 33, 44, 45, 64)


@pytest.mark.parametrize("widths", [WIDTHS, WIDTHS[::-1], WIDTHS[::2] + WIDTHS[1::2]], ids=["up", "down", "mixed"])
def test_every_width_of_columns_is_packed(widths: tuple[int, ...]) -> None:
    """Columns in fours, in passes of sixteen, and what is left of either: each layer is as wide as the next one's x."""
    model = random_integer_model(6, widths, 3, seed=len(widths))
    check_core("cortex-m4", model, random_codes(6, 12))


ON_CORTEX_M4 = [
    *(("zig", [flag]) for flag in ("-O0", "-Os", "-O2", "-O3")),
    *(("arm-none-eabi-gcc", [flag]) for flag in ("-O0", "-Os", "-O2", "-O3")),
    ("arm-none-eabi-gcc", ["-O2", "-flto"]),
]


@pytest.mark.parametrize(("toolchain", "flags"), ON_CORTEX_M4, ids=str)
def test_no_compiler_changes_what_the_layer_takes(toolchain: str, flags: list[str]) -> None:
    """The step is assembly: no warning, and the same bytes and instructions under every compiler and optimisation."""
    model = random_integer_model(10, (33, 6), 4, seed=3)
    done = check_core("cortex-m4", model, random_codes(10, 20), "dsp", toolchain, (*flags, *WARNINGS))
    assert abs(done.layer_count - 10_160) <= 20  # what the harness takes to call it


@pytest.mark.parametrize("kernel_set_name", TFLM_KERNEL_SETS)
def test_every_scale_of_the_cell(kernel_set_name: str) -> None:
    """The cell's tanh reads its argument shifted by -3 to 3, its rounding by 14 to 20: a layer each."""
    model = random_integer_model(4, (9,) * len(CELL_EXPONENTS), 2)
    layers = zip(model.layers, CELL_EXPONENTS, strict=True)
    model = replace(model, layers=tuple(replace(layer, cell_exponent=exponent) for layer, exponent in layers))
    check_core("cortex-m4", model, np.repeat(random_codes(4, 20), 3, axis=0), kernel_set_name)


@pytest.mark.parametrize("shift", [-24, -12, -1, 0, 1, 4, 6, 7, 8])
def test_every_size_of_multiplier(shift: int) -> None:
    """From multipliers that leave nothing of a sum to ones that saturate it, a different one in each gate and half."""
    model = random_integer_model(3, (5,), 2, seed=shift + 30)
    layer = model.layers[0]
    step = np.float32([1.0, 0.7, 0.51, 0.9]) * 2.0**shift / 4096
    scaled = replace(layer, kernel_scale=step / layer.input.scale, recurrent_scale=step[::-1] / layer.hidden.scale)
    shifts = {RULES["tflm"].gate_multiplier(s, layer.input.scale)[1] for s in scaled.kernel_scale}
    assert max(shifts) >= shift
    codes = random_codes(3, 30)
    for kernel_set_name in TFLM_KERNEL_SETS:
        check_core("cortex-m4", replace(model, layers=(scaled,)), codes, kernel_set_name)


@pytest.mark.parametrize("zero", [-128, -1, 0, 127])
def test_every_zero_point_of_the_hidden_state(zero: int) -> None:
    """The state begins at the zero point and saturates on either side of it."""
    model = random_integer_model(3, (6,), 2)
    hidden = Quant(0.0045, zero)
    head = replace(model.head, input=hidden)
    check_core(
        "cortex-m4", replace(model, layers=(replace(model.layers[0], hidden=hidden),), head=head), random_codes(3, 40)
    )


@pytest.mark.parametrize("kernel_set_name", TFLM_KERNEL_SETS)
def test_ties_of_the_hidden_state_round_away_from_zero(kernel_set_name: str) -> None:
    """o is 1/2 and h counts in 2^-7, so that many a tanh of the cell lies half-way between two codes."""
    model = random_integer_model(2, (64,), 1)
    layer = model.layers[0]
    kernel, recurrent, bias = layer.kernel.copy(), layer.recurrent.copy(), layer.bias.copy()
    kernel[3] = recurrent[3] = 0
    bias[3] = 0
    hidden = Quant(2.0**-7, 5)
    layer = replace(layer, kernel=kernel, recurrent=recurrent, bias=bias, hidden=hidden)
    model, codes = replace(model, layers=(layer,), head=replace(model.head, input=hidden)), random_codes(2, 60)
    cell = trace(network(model, "tflm"), codes)[0, "c"]
    squashed = interpolated.tanh_table(layer.cell_exponent)[cell + 32768]
    assert np.any((squashed < 0) & (squashed % 512 == 256))
    check_core("cortex-m4", model, codes, kernel_set_name)


@pytest.mark.parametrize(
    ("features", "units", "reach"), [(8, 16, 6274), (8, 32, 14530), (40, 64, 45507), (10, 128, 109131)]
)
def test_a_layer_takes_fewer_instructions_than_the_reach(features: int, units: int, reach: int) -> None:
    """Instructions of a step on a Cortex-M4 (the bound is of an earlier kernel; CMSIS-NN takes twice as many)."""
    done = check_core("cortex-m4", bench_model(features, units), random_codes(features, 4))
    assert done.layer_count <= 0.8 * reach


def test_instructions_do_not_depend_on_the_data() -> None:
    """Saturated or not, a step takes the same."""
    done = check_core("cortex-m4", random_integer_model(8, (16,), 1), random_codes(8, 60))
    # The head is C, which may branch where it clamps.
    assert np.ptp(done.counts) <= 10


def test_the_table_is_that_of_the_arithmetic() -> None:
    """The figures in C are the reference's, less 32768, and their mirror image."""
    text = kernels.kernel_files(["el_tflm_sigmoid.c"])["el_tflm_sigmoid.c"].decode()
    figures = np.array(re.findall(r"-?\d+", text[text.index("{") :]), np.int64)
    above = interpolated.SIGMOID_ENTRIES - 32768
    expected = np.concatenate([-above[:0:-1], above, above[-1:]])
    assert figures.tolist() == [-above[-1], *expected.tolist()]
    assert 2 * figures.size == SIGMOID_BYTES


def test_sums_up_to_the_bounds_are_exact() -> None:
    """Rows that lie high stay below 2^23, rows that lie low below 2^30; words in which both meet wrap."""
    model = random_integer_model(3, (40,), 2)
    layer = model.layers[0]
    spread = np.array([(1 << 30) - 200_000, (1 << 23) - 200_000, (1 << 30) - 200_000, (1 << 23) - 200_000])
    bias = np.random.default_rng(0).uniform(-1, 1, (4, 40)) * spread[:, None]
    steps = np.float32(30_000 / 4096 / spread / layer.input.scale)
    layer = replace(layer, bias=bias.astype(np.int32), kernel_scale=steps)
    check_core("cortex-m4", replace(model, layers=(layer,)), random_codes(3, 20))


def test_a_row_too_long_for_two_in_a_word_is_refused() -> None:
    """The bound is on what a row can sum to; the portable kernels take the same model."""
    model = random_integer_model(600, (2,), 1)
    layer = model.layers[0]
    model = replace(model, layers=(replace(layer, kernel=np.full_like(layer.kernel, 127)),))
    with pytest.raises(ExportError, match=r"a row of 600 columns can sum to [\d,]+.*8,388,608.*portable kernels"):
        write_c_tflm(model, kernel_set_name="dsp")
    check_core("cortex-m4", model, random_codes(600, 3), "portable")


def test_a_weight_that_no_halfword_takes_twice_is_refused() -> None:
    """-128 beside a negative weight leaves 16 bits."""
    model = random_integer_model(2, (2,), 1)
    kernel = model.layers[0].kernel.copy()
    kernel[0, 0, 0] = -128
    with pytest.raises(ExportError, match="a weight is -128"):
        write_c_tflm(replace(model, layers=(replace(model.layers[0], kernel=kernel),)), kernel_set_name="dsp")


def test_sums_that_overflow_the_runtime_are_refused() -> None:
    """Where TensorFlow Lite Micro itself overflows there are no bytes to give."""
    model = random_integer_model(2, (2,), 1)
    layer = replace(model.layers[0], kernel_scale=np.full(4, 1000.0))
    with pytest.raises(ExportError, match=r"TensorFlow Lite Micro overflows at 1,073,741,824"):
        write_c_tflm(replace(model, layers=(layer,)))


def test_a_core_without_kernels_of_this_arithmetic_has_the_portable_ones() -> None:
    """Every kernel set's name is taken; one that is none is refused."""
    model = random_integer_model(2, (2,), 1)
    for name in KERNEL_SETS.keys() - TFLM_KERNEL_SETS.keys():
        assert write_c_tflm(model, kernel_set_name=name) == write_c_tflm(model)
    with pytest.raises(ExportError, match="kernel set 'nosuch' is not known"):
        write_c_tflm(model, kernel_set_name="nosuch")


@pytest.mark.parametrize("name", TFLM_KERNEL_SETS)
def test_the_state_is_as_large_as_the_exporter_says(tmp_path: Path, name: str) -> None:
    """sizeof the state, by the compiler."""
    model = random_integer_model(3, (5, 16, 7), 2)
    size = tflm_state_bytes(model, tflm_kernel_set(name))
    header = {key: text for key, text in write_c_tflm(model, kernel_set_name=name).items() if key.endswith(".h")}
    check = f'#include "model.h"\ntypedef char el_expected[sizeof(el_state) == {size} ? 1 : -1];\n'
    place(tmp_path, {**header, "check.c": check.encode()})
    run([*COMPILERS[0], "-std=c99", "-c", "check.c"], tmp_path)


@pytest.mark.parametrize("optimise", ["-O0", "-Os", "-O3"])
@pytest.mark.parametrize("compiler", COMPILERS, ids=compiler_name)
def test_no_compiler_warns(tmp_path: Path, compiler: list[str], optimise: str) -> None:
    """C99 with all warnings on is clean, and so is the same as C++."""
    units = place(tmp_path, write_c_tflm(random_integer_model(*SIZES[-1])))
    run([*compiler, "-std=c99", optimise, *WARNINGS, "-c", *units], tmp_path)
    run([*CXX[compiler[0]], "-x", "c++", "-std=c++11", optimise, *WARNINGS, "-c", *units], tmp_path)


def test_it_shares_a_program_with_other_models(tmp_path: Path) -> None:
    """Native, tflm and float models, each under its prefix, link together and do not disturb one another."""
    shape: dict[str, Any] = {"features": 3, "units": (6, 5), "outputs": 2}
    alpha, beta, gamma = native_model("w8a16", **shape), tflite_model(**shape), float_model(**shape)
    sources = {**write_c(alpha, "alpha"), **write_c_tflm(beta, "beta"), **write_c_float(gamma, "gamma")}
    units = place(tmp_path, {**sources, "three_models.c": (PROGRAMS / "three_models.c").read_bytes()})
    run([*COMPILERS[0], "-std=c99", "-O2", *WARNINGS, "-o", "three", *units, "-lm"], tmp_path)
    samples = recordings(gamma)[0]
    record = np.dtype([("alpha", np.int16, (2,)), ("beta", CODE, (2,)), ("gamma", np.float32, (2,))])
    seen = np.frombuffer(run(["./three"], tmp_path, samples.tobytes()).stdout, record)
    assert np.array_equal(seen["alpha"], replay(network(alpha), [alpha.encoding.encode(samples)])[0])
    assert np.array_equal(seen["beta"], replay(network(beta, "tflm"), [beta.encoding.encode(samples)])[0])


@pytest.mark.parametrize("compiler", NATIVE_COMPILERS, ids=compiler_name)
def test_sanitizers_find_nothing(tmp_path: Path, compiler: list[str]) -> None:
    """Two streams in turn, saved, restored and reset, run clean and give the reference's bytes."""
    model = random_integer_model(*SIZES[-1])
    units = place(tmp_path, {**write_c_tflm(model), "replay.c": (PROGRAMS / "replay.c").read_bytes()})
    checks = ["-fsanitize=undefined", "-fsanitize-trap=undefined"]
    if "ziglang" not in compiler:
        checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    run([*compiler, "-std=c99", "-g", "-O1", *checks, "-o", "replay", *units], tmp_path)
    codes = random_codes(SIZES[-1][0], 120)
    total = sum(layer.units for layer in model.layers)
    record = np.dtype([("y", CODE, (len(model.head.bias),)), ("c", CELL, (total,)), ("h", CODE, (total,))])
    seen = np.frombuffer(run(["./replay"], tmp_path, codes.tobytes()).stdout, record)[::2]
    ends = np.cumsum([layer.units for layer in model.layers])[:-1]
    states = zip(np.split(seen["h"], ends, axis=1), np.split(seen["c"], ends, axis=1), strict=True)
    assert_expected(model, codes, seen["y"], states)


def test_samples_are_encoded_as_in_python(tmp_path: Path) -> None:
    """The device's own encoder gives the codes of the reference, and its limits beyond them."""
    model = tflite_model(features=5, units=(3,))
    units = place(tmp_path, {**write_c_tflm(model), "encode.c": (PROGRAMS / "encode.c").read_bytes()})
    run([*COMPILERS[0], "-std=c99", "-O2", "-o", "encode", *units], tmp_path)
    samples = np.concatenate(
        [recordings(float_model(features=5, units=(3,)))[0], np.full((1, 5), 1e9), np.full((1, 5), -1e9)]
    )
    seen = np.frombuffer(run(["./encode"], tmp_path, samples.astype(np.float32).tobytes()).stdout, CODE)
    assert np.array_equal(seen.reshape(-1, 5), model.encoding.encode(samples))


def test_outputs_are_decoded_and_ranked_as_in_python(tmp_path: Path) -> None:
    """Values are the decoding's; of equal outputs the first is the largest."""
    model = tflite_model(features=3, units=(4,), outputs=5)
    codes = model.encoding.encode(recordings(float_model(features=3, units=(4,), outputs=5))[0]).astype(CODE)
    main = """
    #include "model.h"
    #include <stdio.h>
    int main(void)
    {
        static el_state state;
        el_code x[EL_CHANNELS], y[EL_OUTPUTS];
        float values[EL_OUTPUTS + 1];
        el_init(&state);
        while (fread(x, sizeof x, 1, stdin) == 1) {
            el_step(&state, x, y);
            el_decode(y, values);
            values[EL_OUTPUTS] = el_argmax(y);
            fwrite(values, sizeof values, 1, stdout);
        }
        return 0;
    }
    """
    units = place(tmp_path, {**write_c_tflm(model), "main.c": main.encode()})
    run([*COMPILERS[0], "-std=c99", "-O2", "-o", "decode", *units], tmp_path)
    seen = np.frombuffer(run(["./decode"], tmp_path, codes.tobytes()).stdout, np.float32).reshape(-1, 6)
    expected = replay(network(model, "tflm"), [codes])[0]
    assert np.allclose(seen[:, :5], model.decoding.decode(expected), rtol=1e-6)  # gain and offset are float32 there
    assert np.array_equal(seen[:, 5], expected.argmax(axis=1))


def test_the_sources_are_the_same_every_time() -> None:
    """The same model gives the same bytes, under any prefix it is asked for."""
    model = random_integer_model(3, (5,), 2)
    for name in TFLM_KERNEL_SETS:
        assert write_c_tflm(model, "gesture", name) == write_c_tflm(model, "gesture", name)
    assert {"gesture_model.c", "gesture_model.h"} <= write_c_tflm(model, "gesture").keys()


MODEL = float_model(features=4, units=(9, 6), outputs=3, window=16)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """Of a bundle whose C computes tflm, with the kernels of a Cortex-M0+."""
    calibration = calibrated(MODEL)
    integers = Integers(
        quantise_native(MODEL, calibration), quantise_tflite(MODEL, calibration), quantise_step(MODEL, calibration)
    )
    return int8_files(MODEL, integers, recordings(MODEL, count=3, steps=40), "portable", "tflm")


def bundle_of(folder: Path, files: dict[str, bytes]) -> Bundle:
    write_bundle(folder, "m", MODEL, files, 0, {}, {"c": {"arithmetic": "tflm", "kernels": "portable"}})
    return Bundle.open(folder)


def compiled_here(bundle: Bundle) -> list[Check]:
    return [check for check in verify(bundle).checks if check.target == "c, compiled here"]


def test_a_bundle_with_this_c_is_verified_in_its_arithmetic(files: dict[str, bytes], tmp_path: Path) -> None:
    """c/ is compiled and compared with the tflm vectors; the shared library stays native, and is compared so."""
    bundle = bundle_of(tmp_path, files)
    report = verify(bundle)
    assert report.ok
    found = {check.target: (check.arithmetic, check.bytes > 0) for check in report.checks if "c, " in check.target}
    assert found == {
        "c, compiled here": ("tflm", True),
        "c, library": ("native", True),
        "c, encoding of samples": ("native", True),
    }
    assert bundle.manifest["arithmetics"]["c/model.c"] == ["tflm"]


def test_a_changed_weight_in_this_c_is_found(files: dict[str, bytes], tmp_path: Path) -> None:
    """One code of the recurrent weights more: a step, a layer and a tensor are named."""
    lines = files["c/model.c"].decode().splitlines()
    at = next(k for k, line in enumerate(lines) if "layer_1_h_weights[" in line) + 1
    first = lines[at].split(",")[0]
    lines[at] = lines[at].replace(first, f"    {int(first) + (1 if int(first) < 127 else -1)}", 1)
    (check,) = compiled_here(bundle_of(tmp_path, {**files, "c/model.c": "\n".join(lines).encode()}))
    assert check.mismatches > 0
    assert re.match(r"recording 0, step \d+, layer 1, [hc]\[", check.first_mismatch or "")


def test_it_is_verified_on_boards(files: dict[str, bytes], tmp_path: Path) -> None:
    """Its own sources where the bundle has the core's kernels, written anew from its integers where not."""
    bundle = bundle_of(tmp_path, files)
    held = ("outputs", "hidden", "cell")
    compared = sum(a.nbytes for name, a in bundle.golden("tflm").items() if name.endswith(held))
    for core, kernel_set_name in (("cortex-m0plus", "portable"), ("cortex-m4", "dsp")):
        check = board_verify.check_core(bundle, load_core(core))
        assert check.mismatches == 0, check.first_mismatch
        assert (check.bytes, check.kernels) == (compared, kernel_set_name)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--int8", "--c-arithmetic", "q7"], "c_arithmetic 'q7' is not known"),
        (["--float", "--c-arithmetic", "tflm"], "c_arithmetic 'tflm' is of integers; export with --int8"),
    ],
)
def test_an_arithmetic_that_c_does_not_have_is_refused(tmp_path: Path, words: list[str], said: str) -> None:
    """One line and exit code 2."""
    start_project(tmp_path / "p")
    done = CliRunner().invoke(cli, ["export", "--project", str(tmp_path / "p"), *words])
    assert done.exit_code == 2
    assert said in done.output
