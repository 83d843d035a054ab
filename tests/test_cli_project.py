"""The main job from the command line: a started project, trained, judged, exported, verified and streamed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cell_stacks import stacked
from click.testing import CliRunner
from stream_bundles import small_model

from edge_lstm.bundle import Bundle
from edge_lstm.cli import cli
from edge_lstm.cli.table import checks_table
from edge_lstm.modelfile import load_model, save_model
from edge_lstm.pipeline import prepare
from edge_lstm.project import load_project
from edge_lstm.starter import start_project
from edge_lstm.streaming import Stream
from edge_lstm_calibration import drift_table

PROGRAM = "import sys; from edge_lstm.cli import cli; cli(standalone_mode=False); print('tensorflow' in sys.modules)"


def run(*arguments):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result.stdout


def process(folder, *arguments):
    """The command in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A started project with a model that was not trained, for what comes after training."""
    folder = tmp_path_factory.mktemp("projects") / "gestures"
    start_project(folder)
    model = small_model("classify")
    interface = prepare(load_project(folder)).interface()
    model = model.with_interface(task=interface.task, scaling=interface.scaling)
    save_model(model, folder / "build/gestures.safetensors")
    return folder


@pytest.fixture(scope="module")
def exported(project):
    """What `export --int8 --json` says."""
    return json.loads(run("export", "--project", project, "--int8", "--json"))


def test_a_started_project_trains(tmp_path):
    """Two epochs: model, curve and checkpoint are there, and the metrics are printed."""
    start_project(tmp_path / "p")
    done = process(tmp_path / "p", "train", "--epochs", 2, "--json")
    assert done.returncode == 0, done.stderr
    *lines, with_tensorflow = done.stdout.splitlines()
    told = json.loads("\n".join(lines))
    assert with_tensorflow == "True"
    assert (told["epochs"], told["float"]["count"]) == (2, 36)
    model = load_model(told["model"])
    assert model.parameters == told["parameters"] == 4 * 16 * (3 + 16 + 1) + 3 * 17
    assert model.interface.provenance["data"] == prepare(load_project(tmp_path / "p")).dataset.fingerprint()
    assert len(Path(told["curve"]).read_text().splitlines()) == 2


def test_training_tells_what_it_left_out_and_what_it_is_judged_by(tmp_path):
    """Recordings shorter than the window, and the lack of a test part, are notes and JSON, not silence."""
    start_project(tmp_path / "p")
    toml = tmp_path / "p" / "edge-lstm.toml"
    toml.write_text(toml.read_text().replace("test = 0.25", "test = 0").replace("validation = 0.15", "validation = 0"))
    (tmp_path / "p/data/rest/00.csv").write_text("ax,ay,az\n" + "0.1,0.2,0.9\n0.2,0.1,1.0\n" * 10)
    result = CliRunner().invoke(cli, ["train", "--project", str(tmp_path / "p"), "--epochs", "1", "--json"])
    assert result.exit_code == 0, result.output
    left_out, judged = json.loads(result.stdout)["notes"]
    assert left_out.startswith("the training part leaves out rest/00.csv: shorter than a window")
    assert judged == "there is no test part: the metrics are of the train part"
    assert f"note: {judged}\n" in result.stderr


def test_training_does_not_replace_what_is_no_model(project):
    """-o pointing at the user's file or a folder is refused before the first epoch; nothing there is touched."""
    for place in ("data/rest/00.csv", "data", ".", ".."):
        before = sorted(project.rglob("*"))
        result = CliRunner().invoke(cli, ["train", "--project", str(project), "-o", str(project / place)])
        assert result.exit_code == 2
        assert result.stderr.count("epoch") == 0
        assert sorted(project.rglob("*")) == before
    assert (project / "data/rest/00.csv").read_text().startswith("ax,ay,az")


def test_export_tells_sizes_accuracies_and_checks(exported, project):
    """The JSON names the bundle, its sizes, the accuracy of float, int8 and tflite, and every check."""
    assert exported["bundle"] == str(project / "build" / "gestures")
    assert exported["verification"]["ok"]
    assert {"float", "int8", "tflite"} == exported["accuracy"].keys()
    assert exported["sizes"]["tflite"] == (project / "build/gestures/model_int8.tflite").stat().st_size
    ran = {check["target"] for check in exported["verification"]["checks"] if "not_run" not in check}
    assert {"tflite-runtime", "litert", "tflm", "c, compiled here", "c, library"} <= ran


def test_export_needs_no_tensorflow_and_gives_the_same_bytes(exported, project):
    """A second export, in another process, leaves an identical bundle and never imports TensorFlow."""
    folder = project / "build" / "gestures"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = process(project, "export", "--int8", "-q")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_evaluate_judges_the_model_and_the_bundle_made_of_it(exported, project):
    """Without -m: float, int8 and tflite, the same as export found; with -m, what that file or bundle holds."""
    every = json.loads(run("evaluate", "--project", project, "--json"))
    assert every == exported["accuracy"]
    model, bundle = project / "build/gestures.safetensors", project / "build/gestures"
    alone = json.loads(run("evaluate", "--project", project, "-m", model, "--json"))
    assert alone == {"float": every["float"]}
    assert json.loads(run("evaluate", "--project", project, "-m", bundle, "--json")) == every
    native = bundle / "integer/native.safetensors"
    assert json.loads(run("evaluate", "--project", project, "-m", native, "--json")) == {"int8": every["int8"]}


def test_evaluate_leaves_out_a_bundle_of_an_older_model(exported, project, tmp_path):
    """After training again, yesterday's bundle is not passed off as today's."""
    newer = tmp_path / "gestures"
    start_project(newer)
    (newer / "build").mkdir()
    (newer / "build" / "gestures").symlink_to(project / "build" / "gestures")
    interface = load_model(project / "build/gestures.safetensors").interface
    model = replace(small_model("classify", seed=8), interface=interface)
    save_model(model, newer / "build/gestures.safetensors")
    assert json.loads(run("evaluate", "--project", newer, "--json")).keys() == {"float"}


def test_verify_tells_every_check(exported, project):
    """As JSON the report that export printed; as text a line a check, those that were not run last."""
    report = json.loads(run("verify", project / "build/gestures", "--json"))
    assert report == exported["verification"]
    lines = checks_table(report["checks"]).splitlines()
    ran = [check["target"] for check in report["checks"] if "not_run" not in check]
    not_run = [f"{c['target']}: not run: {c['not_run']}" for c in report["checks"] if "not_run" in c]
    assert [line.split("  ")[0] for line in lines[1:]] == [*ran, *not_run]


def test_a_bundle_that_disagrees_with_its_golden_vectors_is_exit_code_1(exported, project, tmp_path):
    """The check that failed is named, and the exit code tells a script."""
    import hashlib
    import shutil

    from safetensors.numpy import load_file, save

    shutil.copytree(project / "build/gestures", tmp_path / "b")
    golden = load_file(tmp_path / "b/golden/native.safetensors")
    golden["0.outputs"][3, 1] += 1
    content = save(golden)
    (tmp_path / "b/golden/native.safetensors").write_bytes(content)
    manifest = json.loads((tmp_path / "b/manifest.json").read_text())
    manifest["files"]["golden/native.safetensors"] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    (tmp_path / "b/manifest.json").write_text(json.dumps(manifest))
    result = CliRunner().invoke(cli, ["verify", str(tmp_path / "b"), "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["ok"] is False
    assert "step 3" in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_exported_bundle_streams_the_files_it_was_made_from(exported, project):
    """A recording of the project, piped into stream: two windows of fifty, the same from C and the reference."""
    text = (project / "data/circle/00.csv").read_text()
    by_c, by_reference = (
        CliRunner().invoke(cli, ["stream", str(project / "build/gestures"), "--backend", name, "--json"], input=text)
        for name in ("c", "reference")
    )
    assert by_c.output == by_reference.output
    assert [json.loads(line)["step"] for line in by_c.output.splitlines()] == [49, 99]


def test_the_manifest_says_what_the_bundle_is(exported, project):
    """Labels, rate, accuracies, calibration and quantisation are to be read without any of our code."""
    manifest = json.loads((project / "build/gestures/manifest.json").read_text())
    assert manifest["interface"]["task"]["outputs"] == ["circle", "rest", "shake"]
    assert manifest["interface"]["rate_hz"] == 50.0
    assert manifest["accuracy"].keys() == {"float", "native", "tflite"}
    assert manifest["calibration"]["recordings"] > 0
    train = prepare(load_project(project)).parts.train
    assert manifest["drift"] == drift_table([recording.series for recording in train.recordings])
    assert manifest["quantisation"]["native"]["scheme"] == "w8a16"
    assert set(manifest["arithmetics"]["model_int8.tflite"]) == {"tflite", "tflm"}


def test_the_float_bundle_is_written_without_int8(project, tmp_path):
    """Float TFLite, ONNX and C, checked within their tolerance, and a stream from it."""
    told = json.loads(run("export", "--project", project, "--float", "-o", tmp_path / "float", "--json"))
    assert told["accuracy"].keys() == {"float"}
    bundle = Bundle.open(tmp_path / "float")
    assert bundle.arithmetics == ("float",)
    assert all(bundle.has(name) for name in ("model_float32.tflite", "model.onnx", "model.keras", "c/model.c"))
    samples = np.loadtxt(project / "data/shake/03.csv", delimiter=",", skiprows=1)
    by_c, by_reference = (Stream(bundle, name).push_many(samples) for name in ("c", "reference"))
    assert [p.label for p in by_c] == [p.label for p in by_reference]


@pytest.mark.parametrize(
    ("cells", "in_keras"),
    [(("gru", "gru-before", "rnn"), True), (("fastgrnn", "lstm"), False)],
    ids=["cells of Keras", "FastGRNN"],
)
def test_a_float_bundle_of_other_cells_is_exported_verified_and_streamed(project, tmp_path, cells, in_keras):
    """Every runtime that is listed ran and agrees; where Keras has no such cell there is a note instead of a file."""
    interface = load_model(project / "build/gestures.safetensors").interface
    made = stacked(len(interface.channels), [(cell, 5) for cell in cells], len(interface.task.outputs))
    save_model(replace(made, interface=interface), tmp_path / "m.safetensors")
    words = ["-m", tmp_path / "m.safetensors", "-o", tmp_path / "float", "--json"]
    told = json.loads(run("export", "--project", project, "--float", *words))
    checks = {check["target"]: check for check in told["verification"]["checks"]}
    targets = {"reference", "tflite-runtime", "litert", "tflm", "c, compiled here", "c, library", "onnxruntime"}
    assert checks.keys() == targets | ({"keras"} if in_keras else set())
    assert all(check["mismatches"] == 0 and check["steps"] > 0 for check in checks.values())
    assert any("no .keras file: layer 0 is a FASTGRNN" in note for note in told["notes"]) is not in_keras
    bundle = Bundle.open(tmp_path / "float")
    assert bundle.has("model.keras") is in_keras
    samples = np.loadtxt(project / "data/shake/03.csv", delimiter=",", skiprows=1)
    by_c, by_reference = (Stream(bundle, name).push_many(samples) for name in ("c", "reference"))
    assert [p.label for p in by_c] == [p.label for p in by_reference]


def test_a_failed_export_leaves_the_old_bundle(exported, project, tmp_path, monkeypatch):
    """A compiler that fails half way: one line, exit code 2, and every byte of the old bundle in its place."""
    folder = project / "build" / "gestures"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho 'cc: error: no space left' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    result = CliRunner().invoke(cli, ["export", "--project", str(project), "--int8"])
    assert result.exit_code == 2
    assert "no space left" in result.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in folder.parent.iterdir()) == ["gestures", "gestures.safetensors"]


@pytest.mark.parametrize("place", ["data", "edge-lstm.toml"])
def test_export_does_not_replace_what_is_no_bundle(project, place):
    """-o pointing at the user's files is refused and nothing there is touched."""
    result = CliRunner().invoke(cli, ["export", "--project", str(project), "--int8", "-o", str(project / place)])
    assert result.exit_code == 2
    assert "choose another output" in result.stderr
    assert (project / "data/rest/00.csv").is_file()
