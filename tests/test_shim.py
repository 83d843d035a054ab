"""The shim of a bundle: nothing but Python and the library, and the lines of ``edge-lstm stream``."""

from __future__ import annotations

import ast
import importlib.util
import json
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from stream_bundles import LATE, write_small_bundle

from edge_lstm.bundle import SHIM
from edge_lstm.streaming import Stream

KINDS = ("classify", "tag", "regress", "forecast", "anomaly")
SOURCE = files("edge_lstm_export") / "linux" / "edge_lstm_shim.py"


@pytest.fixture(scope="module")
def by_kind(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shim")
    made = {kind: write_small_bundle(folder / kind, kind, artefacts=True) for kind in KINDS}
    made["late"] = write_small_bundle(folder / "late", "tag", artefacts=True, cells=LATE)
    for bundle in made.values():
        (bundle / SHIM).write_bytes(SOURCE.read_bytes())
    return made


def shim(bundle: Path):
    """The module in a bundle."""
    spec = importlib.util.spec_from_file_location("edge_lstm_shim", bundle / SHIM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(bundle: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    """As a board without any package runs it."""
    command = [sys.executable, "-I", "-S", bundle / SHIM, *options]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)


def lines_of(rows, header="") -> str:
    return header + "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist())


@pytest.mark.parametrize("options", [(), ("--json",), ("--json", "--every-step")])
@pytest.mark.parametrize("kind", [*KINDS, "late"])
def test_its_lines_are_those_of_the_command(by_kind, samples, kind, options):
    """Character by character, for every task and a model that looks ahead, as text and as JSON."""
    stream = Stream(by_kind[kind], "reference", "native", every_step="--every-step" in options)
    made = stream.push_many(samples)
    expected = [json.dumps(p.to_json(), ensure_ascii=False) if "--json" in options else p.to_text() for p in made]
    done = run(by_kind[kind], lines_of(samples), *options)
    assert (done.stdout.splitlines(), done.stderr) == (expected, "")


def test_columns_are_found_by_the_names_of_the_channels(by_kind, samples):
    """In any order, with others between them."""
    plain = run(by_kind["tag"], lines_of(samples))
    rows = samples[:, [2, 0, 0, 1]]
    assert run(by_kind["tag"], lines_of(rows, "az,time,ax,ay\n")).stdout == plain.stdout


@pytest.mark.parametrize("kind", ["classify", "anomaly"])
def test_a_state_file_goes_on_where_it_was(by_kind, samples, tmp_path, kind):
    """Two processes, one stream."""
    whole = run(by_kind[kind], lines_of(samples)).stdout
    state = ("--state", str(tmp_path / "state"))
    parts = [run(by_kind[kind], lines_of(part), *state).stdout for part in (samples[:23], samples[23:])]
    assert "".join(parts) == whole


def test_a_foreign_or_damaged_state_is_refused(by_kind, samples, tmp_path):
    """One line, exit code 2, and the file is left alone."""
    file = tmp_path / "state"
    run(by_kind["classify"], lines_of(samples), "--state", str(file))
    for content, words in ((file.read_bytes(), "of another model"), (file.read_bytes()[:-1], "damaged")):
        file.write_bytes(content)
        done = run(by_kind["tag"] if words.startswith("of") else by_kind["classify"], "", "--state", str(file))
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
        assert file.read_bytes() == content


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2\n", "step 0: [1.0, 2.0] is no sample of 3 numbers"),
        ("1,nan,3\n", "not finite"),
        ("1,x,3\n", "line 1: is no sample of ax, ay, az"),
        ("ax,ay,az\n1,2,3\n1,2\n", "line 3: is no sample"),
    ],
)
def test_what_is_no_sample_is_refused(by_kind, text, words):
    """One line names it."""
    done = run(by_kind["tag"], text)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_changed_library_or_model_is_refused(by_kind, tmp_path):
    """Not loaded, whatever it is."""
    for pattern in ("linux/*/*.so", "integer/native.safetensors"):
        bundle = shutil.copytree(by_kind["tag"], tmp_path / pattern[:3])
        (file,) = bundle.glob(pattern)
        file.write_bytes(file.read_bytes() + b"x")
        assert "was changed; deploy the bundle again" in run(bundle, "").stderr
        file.unlink()
        assert len(run(bundle, "").stderr.splitlines()) == 1


def test_a_stream_in_a_program_is_pushed_saved_and_reset(by_kind, samples):
    """As the first lines of the file show it."""
    module = shim(by_kind["anomaly"])
    stream = module.Stream()
    made = [stream.push(row) for row in samples.tolist()]
    assert made[3]["values"].keys() == {"ax", "ay", "az"}
    stream.reset()
    assert [stream.push(row) for row in samples[:30].tolist()] == made[:30]
    saved = stream.save()
    other = module.Stream()
    other.load(saved)
    assert [other.push(row) for row in samples[30:].tolist()] == made[30:]


def test_it_is_python_of_older_boards():
    """Its grammar is that of Python 3.7."""
    ast.parse(SOURCE.read_text(), feature_version=(3, 7))
