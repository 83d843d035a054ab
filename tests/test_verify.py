"""A bundle is proved in every runtime, and a wrong artefact is named by step, layer and gate."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cell_stacks import STACKS, stacked
from models import calibrated, float_model, recordings
from safetensors.numpy import load

from edge_lstm.bundle import GOLDEN, LIBRARY, MANIFEST, ONNX, TFLITE_FLOAT, TFLITE_FUSED, TFLITE_STEP, Bundle
from edge_lstm.errors import VerificationError
from edge_lstm.integer import TfliteModel
from edge_lstm_calibration import quantise_native, quantise_tflite
from edge_lstm_calibration.quantise_step import quantise_step
from edge_lstm_export.bundle_writer import Integers, float_files, int8_files, write_bundle
from edge_lstm_export.golden import STRESS_STEPS, choose, encode_golden, golden, stress
from edge_lstm_export.onnx_model import onnx_model
from edge_lstm_export.tflite import fused_tflite
from edge_lstm_export.verify import CALLS, REFERENCES, verify

MODEL = float_model(features=4, units=(9, 6), outputs=3, window=16)
SERIES = recordings(MODEL, count=6, steps=100)


def integers(scheme: str = "w8a16") -> Integers:
    calibration = calibrated(MODEL)
    return Integers(
        quantise_native(MODEL, calibration, scheme),
        quantise_tflite(MODEL, calibration),
        quantise_step(MODEL, calibration),
    )


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return int8_files(MODEL, integers(), SERIES)


def bundle_of(folder: Path, files: dict[str, bytes]) -> Bundle:
    write_bundle(folder, "m", MODEL, files, 0, {}, {})
    return Bundle.open(folder)


def test_every_artefact_equals_the_reference_in_every_runtime(files, tmp_path) -> None:
    """Fused and explicit TFLite in three runtimes, C compiled here and as the bundled library, five golden files."""
    report = verify(bundle_of(tmp_path, files))
    assert report.ok
    assert report.not_run == ()
    targets = [(check.target, check.arithmetic) for check in report.checks]
    assert targets == [
        *(("reference", name) for name in REFERENCES if name != "float"),
        ("c, compiled here", "native"),
        ("c, library", "native"),
        ("litert", "tflite"),
        ("litert, explicit state", "step"),
        ("tflite-runtime", "tflite"),
        ("tflite-runtime, explicit state", "step"),
        ("tflm", "tflm"),
        ("tflm, explicit state", "step-tflm"),
        ("c, encoding of samples", "native"),
    ]
    steps = sum(len(r) for r in choose(SERIES, 16)) + STRESS_STEPS
    for check in report.checks[:-1]:
        assert check.steps == steps * (1 if check.target == "reference" else len(CALLS))
        assert check.bytes > check.steps * 3
    assert report.checks[-1].steps == steps - STRESS_STEPS
    for check in report.checks:
        assert check.mismatches == 0
        assert check.first_mismatch is None


def test_w8a8_is_proved_too(tmp_path) -> None:
    """The other scheme of the native arithmetic, through C."""
    report = verify(bundle_of(tmp_path, int8_files(MODEL, integers("w8a8"), SERIES)))
    report.require_ok()
    assert [c.target for c in report.checks if c.arithmetic == "native"] == [
        "reference",
        "c, compiled here",
        "c, library",
        "c, encoding of samples",
    ]


def test_the_float_bundle_is_held_to_a_stated_tolerance(tmp_path) -> None:
    """Float32 TFLite, C and ONNX; every check carries the tolerance it was judged by."""
    report = verify(bundle_of(tmp_path, float_files(MODEL, SERIES)))
    report.require_ok()
    assert {c.target for c in report.checks} == {
        "reference",
        "tflite-runtime",
        "litert",
        "tflm",
        "c, compiled here",
        "c, library",
        "onnxruntime",
        "keras",
    }
    assert all(c.tolerance == 1e-3 for c in report.checks)


@pytest.mark.parametrize(
    ("stack", "has_keras"),
    [
        ("fastgrnns", False),
        ("mixed", False),
        ("mixed dense", True),
        ("mixed keras", True),
        ("convolutions", True),
        ("mixed peephole", False),
    ],
)
def test_a_float_bundle_of_every_cell_agrees_in_every_runtime(tmp_path, stack, has_keras) -> None:
    """The same targets, windows included, whatever the cells, and Keras where it has them; nothing is passed over."""
    model = stacked(*STACKS[stack], window=16)
    files = float_files(model, recordings(model, count=4, steps=100))
    write_bundle(tmp_path, "m", model, files, 0, {}, {})
    report = verify(Bundle.open(tmp_path))
    report.require_ok()
    assert report.not_run == ()
    ran = {(c.target, c.tolerance) for c in report.checks}
    targets = ["reference", "tflite-runtime", "litert", "tflm", "c, compiled here", "c, library", "onnxruntime"]
    assert ran == {(target, 1e-3) for target in [*targets, *(["keras"] if has_keras else [])]}


def test_a_wrong_cell_in_a_float_file_is_named_by_its_own_gates(tmp_path) -> None:
    """A GRU has no gate of an LSTM; the runtimes show its hidden state, behind which any of its gates may be."""
    model = stacked(4, (("lstm", 3), ("gru", 5)), 2)
    bias = np.array(model.layers[1].bias)
    bias[2, 1] += 0.5
    other = replace(model, layers=(model.layers[0], replace(model.layers[1], bias=bias)))
    files = float_files(model, recordings(model, count=1, steps=60)) | {ONNX: onnx_model(other)}
    write_bundle(tmp_path, "m", model, files, 0, {}, {})
    wrong = [check for check in verify(Bundle.open(tmp_path)).checks if check.mismatches]
    assert [check.target for check in wrong] == ["onnxruntime"]
    assert wrong[0].first_mismatch.startswith("recording 0, step 0, layer 1, c[1], gate z or r or n: ")


def wrong_fused(gate: int) -> bytes:
    """The fused file with the bias of one gate of one unit of layer 1 moved by far."""
    model: TfliteModel = integers().tflite
    bias = np.array(model.layers[1].bias)
    bias[gate, 2] += 20_000
    layers = (model.layers[0], replace(model.layers[1], bias=bias))
    return fused_tflite(replace(model, layers=layers))


@pytest.mark.parametrize(("gate", "name"), list(enumerate("ifgo")))
def test_a_wrong_gate_in_a_tflite_file_is_named(files, tmp_path, gate, name) -> None:
    """Runtimes show their states only; the gate that explains the state with the least change is the guilty one."""
    report = verify(bundle_of(tmp_path, files | {TFLITE_FUSED: wrong_fused(gate)}))
    wrong = {c.target: c for c in report.checks if c.mismatches}
    assert set(wrong) == {"tflite-runtime", "litert", "tflm"}
    for check in wrong.values():
        assert re.match(rf"recording 0, step \d+, layer 1, [ch]\[2\], gate {name}: ", check.first_mismatch)


@pytest.mark.parametrize(("gate", "name"), list(enumerate("ifgo")))
def test_a_wrong_gate_in_c_is_named(files, tmp_path, gate, name) -> None:
    """The sources are compiled again with taps, which show every gate."""
    source = files["c/model.c"].decode()
    start = source.index("{", source.index("layer_0_0_bias[")) + 1
    values = source[start : source.index("}", start)].split(",")
    values[gate] = f" {int(values[gate].rstrip('L')) + 600_000}L"  # rows run unit by unit, gates i f g o within a unit
    broken = source[:start] + ",".join(values) + source[source.index("}", start) :]
    report = verify(bundle_of(tmp_path, files | {"c/model.c": broken.encode()}))
    wrong = [c for c in report.checks if c.mismatches]
    assert [c.target for c in wrong] == ["c, compiled here"]
    assert re.match(rf"recording 0, step \d+, layer 0, [ch]\[0\], gate {name}: ", wrong[0].first_mismatch)
    with pytest.raises(VerificationError, match=r"c, compiled here \(native\): \d+ codes differ, first recording 0"):
        report.require_ok()


FAULTS: dict[str, tuple[str, Callable[[dict[str, bytes]], bytes], set[str]]] = {
    "golden vectors of another model": (
        GOLDEN.format(arithmetic="native"),
        lambda f: encode_golden(
            golden(quantise_native(MODEL, calibrated(MODEL), rounding="nearest"), None, SERIES[:2])
        ),
        {"reference", "c, compiled here", "c, library"},
    ),
    "an explicit-state file of other integers": (
        TFLITE_STEP,
        lambda f: int8_files(
            MODEL, replace(integers(), step=quantise_step(MODEL, calibrated(MODEL), "nearest")), SERIES
        )[TFLITE_STEP],
        {"tflite-runtime, explicit state", "litert, explicit state", "tflm, explicit state"},
    ),
}


def test_a_code_that_the_device_encodes_otherwise_is_named_by_channel(files, tmp_path) -> None:
    """The C encoder is held against the reference's codes, sample by sample."""
    vectors = load(files[GOLDEN.format(arithmetic="native")])
    vectors["1.physical"][5, 2] += 1.0
    broken = files | {GOLDEN.format(arithmetic="native"): encode_golden(vectors)}
    wrong = [c for c in verify(bundle_of(tmp_path, broken)).checks if c.mismatches]
    assert [c.target for c in wrong] == ["c, encoding of samples"]
    assert wrong[0].first_mismatch.startswith("recording 1, step 5, channel 'ch2': ")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_part_fails_where_it_is_wrong_and_nowhere_else(files, tmp_path, fault) -> None:
    """Only the checks that rest on the part report mismatches."""
    name, make, expected = FAULTS[fault]
    report = verify(bundle_of(tmp_path, files | {name: make(files)}))
    assert {c.target for c in report.checks if c.mismatches} == expected


def test_a_float_file_beyond_the_tolerance_fails(tmp_path) -> None:
    """A head weight moved by a hundredth is seen."""
    weights = MODEL.head.weights.copy()
    weights[0, 0] += 0.02
    other = replace(MODEL, head=replace(MODEL.head, weights=weights))
    files = float_files(MODEL, SERIES)
    report = verify(bundle_of(tmp_path, files | {TFLITE_FLOAT: float_files(other, SERIES)[TFLITE_FLOAT]}))
    assert {c.target for c in report.checks if c.mismatches} == {"tflite-runtime", "litert", "tflm"}


def test_exporting_twice_gives_the_same_bytes(files) -> None:
    """Models, golden vectors, C, the compiled library: no time, no path, no order of a dictionary."""
    again = int8_files(MODEL, integers(), SERIES)
    assert {name for name in files if again[name] != files[name]} == set()
    floats = [float_files(MODEL, SERIES) for _ in range(2)]
    assert floats[0] == floats[1]


def test_the_manifest_states_every_file(files, tmp_path) -> None:
    """Size and sha256 of each, sorted keys, and what each computes."""
    bundle = bundle_of(tmp_path, files)
    text = (tmp_path / MANIFEST).read_text()
    assert json.loads(text) == bundle.manifest
    assert json.dumps(bundle.manifest, sort_keys=True, indent=2, ensure_ascii=False) + "\n" == text
    for name, content in files.items():
        assert bundle.manifest["files"][name] == {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
        }
    assert bundle.manifest["arithmetics"][TFLITE_FUSED] == ["tflite", "tflm"]
    assert bundle.manifest["sizes"]["tflite"] == len(files[TFLITE_FUSED])
    assert any(name.startswith(LIBRARY.split("{")[0]) for name in files)


def test_stress_vectors_reach_the_limits_of_the_input() -> None:
    """Every channel is held at both ends of its codes."""
    native = integers().native
    codes = stress(native)
    assert codes.shape == (STRESS_STEPS, 4)
    np.testing.assert_array_equal(codes.min(axis=0), native.encoding.low)
    np.testing.assert_array_equal(codes.max(axis=0), native.encoding.high)


def test_golden_recordings_end_with_a_window() -> None:
    """A cut recording is cut where its state is zeroed, so that no prediction is half a window's."""
    chosen = choose(recordings(MODEL, count=3, steps=5000), window=16)
    assert all(len(r) % 16 == 0 for r in chosen)
    assert 0 < sum(len(r) for r in chosen) <= 1500
