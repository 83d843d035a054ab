"""`--backend auto` takes the fastest that works here, and says of each that comes before it why it does not."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from live_streams import COMMAND, text
from stream_bundles import write_small_bundle

from edge_lstm.bundle import LIBRARY, Bundle
from edge_lstm.cli import cli
from edge_lstm.runtimes import PREFERENCE, open_runtime

HERE, ELSEWHERE = (LIBRARY.format(machine=machine) for machine in (platform.machine(), "sparc64"))


def run(bundle, samples, *options):
    return CliRunner().invoke(cli, ["stream", str(bundle), *options], input=text(samples[:2]))


@pytest.fixture
def foreign_bundle(runnable_bundles, tmp_path):
    """A bundle that was exported on another kind of computer."""
    return renamed(runnable_bundles["classify"], tmp_path / "foreign")


def renamed(bundle: Path, folder: Path) -> Path:
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"][ELSEWHERE] = manifest["files"].pop(HERE)
    for name in manifest["files"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(bundle / (HERE if name == ELSEWHERE else name))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_the_fastest_has_nothing_before_it(runnable_bundles):
    """The compiled model, and no reason to be given."""
    choice = open_runtime(Bundle.open(runnable_bundles["classify"]))
    assert (choice.backend, choice.arithmetic, choice.passed_over, choice.slow) == ("c", "native", (), False)
    assert choice.to_text() == "back end c, arithmetic native; the fastest"


def test_a_bundle_without_models_for_others_leaves_the_reference_its_place(bundles):
    """Models alone: nothing was exported that could run faster, so there is nothing to be said unasked."""
    choice = open_runtime(Bundle.open(bundles("tag")))
    assert (choice.backend, choice.slow) == ("reference", False)
    assert [each.backend for each in choice.passed_over] == list(PREFERENCE[:-1])
    assert not any(each.move for each in choice.passed_over)


def test_a_library_of_another_arithmetic_is_no_fault(runnable_bundles):
    """A bundle has one library; nobody can mend that it does not compute float."""
    choice = open_runtime(Bundle.open(runnable_bundles["classify"]), arithmetic="float")
    assert (choice.backend, choice.slow) == ("reference", False)
    assert choice.passed_over[0].reason.endswith(f"{HERE}: computes native, not float")


def test_a_bundle_from_another_computer_is_said_unasked(foreign_bundle, samples):
    """It runs, many times slower, and one export would end that: one line, also in a pipe; stdout is as ever."""
    result, asked = run(foreign_bundle, samples), run(foreign_bundle, samples, "--backend", "reference")
    assert (result.exit_code, result.stdout, asked.stderr) == (0, asked.stdout, "")
    assert result.stderr.startswith("stream: back end reference, arithmetic native; passed over: c (")
    assert platform.machine() in result.stderr
    assert "tflite-runtime (does not compute native), " in result.stderr
    assert "; this one is slow: for c, " in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_library_that_does_not_load_is_said_unasked(runnable_bundles, tmp_path, samples):
    """Built for another C library, or for another processor: the loader's words."""
    bundle = write_small_bundle(tmp_path, "tag", artefacts=True)
    (bundle / HERE).write_bytes(b"")
    manifest = json.loads((bundle / "manifest.json").read_text())
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    manifest["files"][HERE] = {"sha256": empty, "bytes": 0}
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    said = run(bundle, samples, "--json").stderr
    assert json.loads(said)["backend"]["name"] == "reference"
    assert "file too short" in json.loads(said)["backend"]["passed_over"]["c"]


def test_verbose_says_it_always(runnable_bundles, samples):
    """As text, and as the JSON of its own on stderr; also of a back end that was asked for."""
    bundle = runnable_bundles["classify"]
    assert run(bundle, samples).stderr == ""
    assert run(bundle, samples, "-v").stderr == "stream: back end c, arithmetic native; the fastest\n"
    named = run(bundle, samples, "-v", "--backend", "reference", "--json")
    assert json.loads(named.stderr) == {
        "backend": {
            "name": "reference",
            "arithmetic": "native",
            "automatic": False,
            "passed_over": {},
            "unchecked": "",
            "instead": "",
        }
    }


def test_a_file_that_is_not_the_usual_one_is_said_unasked(unfused_bundles, samples):
    """Whoever asked for an interpreter is told which file it has to run; asked for its arithmetic, they know."""
    bundle = unfused_bundles["classify"]
    said = run(bundle, samples, "--backend", "litert").stderr
    which = "this bundle has no model_int8.tflite, so model_step_int8.tflite runs"
    assert said == f"stream: back end litert, arithmetic step; {which}\n"
    assert run(bundle, samples, "--backend", "litert", "--arithmetic", "step").stderr == ""


@pytest.mark.parametrize(("options", "told"), [((), True), (("--backend", "c"), False)])
def test_whoever_watches_is_told_what_was_chosen(runnable_bundles, samples, options, told):
    """stderr is a terminal; who asked for a back end knows it."""
    ours, theirs = os.openpty()
    command = [*COMMAND, runnable_bundles["classify"], *options]
    done = subprocess.run(
        command, input=text(samples[:5]), stdout=subprocess.PIPE, stderr=theirs, text=True, timeout=60, check=True
    )
    os.close(theirs)
    try:
        said = os.read(ours, 4096).decode()
    except OSError:  # nothing was written to a terminal that is gone
        said = ""
    os.close(ours)
    assert ("back end c, arithmetic native" in said) == told
    assert done.stdout.startswith("step 4 ")


def test_what_is_not_installed_is_passed_over_with_its_reason(foreign_bundle):
    """Without an interpreter the reference computes TFLite's bytes, and says what would be faster."""
    script = (
        "import sys; sys.modules['tflite_runtime'] = sys.modules['ai_edge_litert'] = None\n"
        "from edge_lstm.cli import main; main()"
    )
    command = [sys.executable, "-c", script, "stream", foreign_bundle, "--arithmetic", "tflite", "--json"]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=True)
    passed = json.loads(done.stderr)["backend"]["passed_over"]
    assert passed == {
        "c": "does not compute tflite",
        "tflite-runtime": "not installed",
        "litert": "not installed",
        "tflm": "does not compute tflite",
    }
