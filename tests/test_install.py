"""What a user installs: the distributions' contents, and the wheel alone, outside the checkout, with its three
dependencies."""

from __future__ import annotations

import email
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest
from stream_bundles import small_model

from edge_lstm.modelfile import save_model
from edge_lstm.pipeline import prepare
from edge_lstm.project import load_project
from edge_lstm.starter import start_project

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
BASE = {"numpy", "click", "safetensors"}

SHIPPED = ("*.py", "py.typed", "*.c", "*.h", "*.toml", "*.ld", "*.sh", "fit_table.json", "project/*")
"""Of the files in a package's folder, those that belong to it."""

MAIN = "from edge_lstm.cli import main; main()"

# What a system's Python has loaded before it comes to us, such as Debian's sitecustomize, is not ours to count.
HELP = """\
import sys
before = set(sys.modules)
from edge_lstm.cli import cli
cli(["--help"], standalone_mode=False)
print(sorted({name.split(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names), file=sys.stderr)
"""

EVERY_MODULE = """\
import pkgutil, sys
import edge_lstm, edge_lstm.boards, edge_lstm_calibration, edge_lstm_export
for package in (edge_lstm, edge_lstm_calibration, edge_lstm_export):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        __import__(found.name)
own = [module for name, module in sys.modules.items() if name.startswith("edge_lstm")]
print("\\n".join(module.__file__ for module in own))
"""


def clean_environment():
    """Nothing that would let a process find the checkout."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}


def run(command, folder, text=None, **changes):
    environment = {**clean_environment(), **changes}
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=folder, input=text, capture_output=True, text=True, timeout=300, env=environment)


def succeeded(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def refused(done, extra):
    """One line on stderr that names the extra, exit code 3, nothing on stdout."""
    assert (done.returncode, done.stdout) == (3, ""), done.stdout + done.stderr
    assert done.stderr.startswith("edge-lstm: error: ")
    assert done.stderr.count("\n") == 1
    assert f"pip install 'edge-lstm[{extra}]'" in done.stderr


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """(sdist, wheel), the wheel built from the sdist; from a copy, so that the checkout stays as it is."""
    folder = tmp_path_factory.mktemp("distributions")
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines()]
    shutil.copytree(ROOT, folder / "copy", ignore=shutil.ignore_patterns(".git", *ignored))
    succeeded(run([sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, folder / "copy"], folder))
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def bare(distributions, tmp_path_factory):
    """The ``bin`` of a fresh environment that holds the wheel and what it requires, at their newest."""
    place = tmp_path_factory.mktemp("bare") / "venv"
    succeeded(run([sys.executable, "-m", "venv", "--without-pip", place], place.parent))
    pip = [sys.executable, "-m", "pip", "--python", place / "bin" / "python"]
    succeeded(run([*pip, "install", "--quiet", distributions[1]], place.parent))
    return place / "bin"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A started project with a model that was not trained and, in ``bundle``, its int8 export, all made here."""
    folder = tmp_path_factory.mktemp("projects") / "gestures"
    start_project(folder)
    interface = prepare(load_project(folder)).interface()
    model = small_model("classify").with_interface(task=interface.task, scaling=interface.scaling)
    save_model(model, folder / "build/gestures.safetensors")
    succeeded(run([sys.executable, "-c", MAIN, "export", "--int8", "-o", "bundle"], folder))
    return folder


def packages():
    """Package → its folder in the checkout."""
    prefixes = SETTINGS["tool"]["setuptools"]["package-dir"]
    found = {}
    for package in SETTINGS["tool"]["setuptools"]["packages"]:
        root = max((p for p in prefixes if f"{package}.".startswith(f"{p}.")), key=len)
        found[package] = ROOT / prefixes[root] / package.removeprefix(root).lstrip(".").replace(".", "/")
    return found


def test_the_wheel_holds_every_file_of_every_package_and_nothing_else(distributions):
    """Modules, typing markers, boards and C kernels; a package forgotten in pyproject.toml would show here."""
    prefixes = SETTINGS["tool"]["setuptools"]["package-dir"]
    expected = {
        f"{package.replace('.', '/')}/{file.relative_to(ROOT / folder).as_posix()}"
        for package, folder in prefixes.items()
        for pattern in SHIPPED
        for file in (ROOT / folder).rglob(pattern)
    }
    held = {name for name in zipfile.ZipFile(distributions[1]).namelist() if ".dist-info/" not in name}
    assert held == expected
    kernels = {Path(name).suffix for name in held if name.startswith("edge_lstm_export/kernels/")}
    assert kernels == {".c", ".h"}
    assert {"edge_lstm/py.typed", "edge_lstm_calibration/py.typed", "edge_lstm_export/py.typed"} <= held
    assert not any(part.startswith("test") for name in held for part in name.split("/"))


def test_every_folder_with_modules_is_a_package_that_is_installed():
    """The list in pyproject.toml is written by hand; this is what keeps it whole."""
    roots = [ROOT / folder for folder in SETTINGS["tool"]["setuptools"]["package-dir"].values()]
    assert {file.parent for root in roots for file in root.rglob("*.py")} == set(packages().values())


def test_the_wheel_bears_its_licence_and_requires_three_packages(distributions):
    """Apache-2.0, and everything beyond numpy, click and safetensors behind an extra."""
    with zipfile.ZipFile(distributions[1]) as wheel:
        info = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")).removesuffix("METADATA")
        metadata = email.message_from_bytes(wheel.read(info + "METADATA"))
        assert wheel.read(info + "licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert metadata["License-Expression"] == "Apache-2.0"
    required = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert {line.split(">")[0] for line in required} == BASE


def test_the_sdist_holds_what_make_test_needs(distributions):
    """Sources, tests with their broken inputs, the example with its licence, and the commands themselves."""
    sdist = distributions[0]
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    for folder in ("tests", "bench", "examples", "boards", "edge_lstm", "calibration", "firmware_export"):
        files = {file for file in (ROOT / folder).rglob("*") if file.is_file() and "__pycache__" not in file.parts}
        assert {file.relative_to(ROOT).as_posix() for file in files if ".egg-info" not in str(file)} <= held
    assert {"LICENSE", "README.md", "Makefile", "pyproject.toml", ".ci/run"} <= held


def test_the_bare_environment_is_bare_and_its_numpy_is_new(bare, tmp_path):
    """Four distributions; NumPy is of the second generation, where the checkout's own may be of the first."""
    script = "from importlib.metadata import distributions as d; print(*sorted({x.name for x in d()}))"
    assert set(succeeded(run([bare / "python", "-c", script], tmp_path)).stdout.split()) == {"edge-lstm", *BASE}
    numpy = succeeded(run([bare / "python", "-c", "import numpy; print(numpy.__version__)"], tmp_path)).stdout
    assert int(numpy.split(".")[0]) >= 2


def test_every_module_comes_from_the_installed_wheel_and_needs_the_base_alone(bare, tmp_path):
    """All of ours can be imported, and none of it is the checkout's."""
    files = succeeded(run([bare / "python", "-c", EVERY_MODULE], tmp_path)).stdout.splitlines()
    assert len(files) > 100
    assert [file for file in files if not file.startswith(str(bare.parent / "lib"))] == []


def test_help_answers_in_less_than_a_third_of_a_second(bare, tmp_path):
    """The best of five, by the clock, start of Python included; neither numpy nor safetensors is imported for it."""
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        assert "export" in succeeded(run([bare / "edge-lstm", "--help"], tmp_path)).stdout
        spent.append(time.perf_counter() - began)
    assert min(spent) < 0.3
    third_party = succeeded(run([bare / "python", "-c", HELP], tmp_path)).stderr.strip()
    assert third_party == "['click', 'edge_lstm']"


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "asked",
    [
        ("--backend", "c"),
        ("--backend", "reference"),
        ("--backend", "reference", "--arithmetic", "tflite"),
        ("--backend", "reference", "--arithmetic", "tflm"),
        ("--backend", "reference", "--arithmetic", "float"),
    ],
    ids=lambda asked: "-".join(word for word in asked if not word.startswith("--")),
)
def test_a_bundle_streams_the_same_lines_as_where_it_was_made(bare, project, asked, form):
    """Real recordings through the bundle, here and there; there, no compiler is on the path."""
    text = "".join(
        (project / f"data/{label}/00.csv").read_text().removeprefix("" if label == "circle" else "ax,ay,az\n")
        for label in ("circle", "shake", "rest")
    )
    words = ["stream", project / "bundle", *asked, "--format", form, "--every-step"]
    here = succeeded(run([sys.executable, "-c", MAIN, *words], project, text)).stdout
    there = succeeded(run([bare / "edge-lstm", *words], bare, text, PATH=str(bare))).stdout
    assert len(here.splitlines()) == 300
    assert there == here


def test_init_starts_the_same_project_everywhere(bare, project, tmp_path):
    """The recordings it makes are the same bytes under either NumPy."""
    told = json.loads(succeeded(run([bare / "edge-lstm", "init", "gestures", "--json"], tmp_path)).stdout)
    assert told["files"]
    for name in told["files"]:
        assert (tmp_path / "gestures" / name).read_bytes() == (project / name).read_bytes()


def test_evaluate_needs_the_base_alone(bare, project):
    """A float model and a bundle are judged without TensorFlow, and come out as they did where they were made."""
    words = ["evaluate", "--json", "-q", "-m", "bundle"]
    there = json.loads(succeeded(run([bare / "edge-lstm", *words], project)).stdout)
    here = json.loads(succeeded(run([sys.executable, "-c", MAIN, *words], project)).stdout)
    assert there.keys() == here.keys() == {"float", "int8", "tflite"}
    for kind in ("int8", "tflite"):
        assert there[kind] == here[kind]
    assert there["float"]["accuracy"] == here["float"]["accuracy"]


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["train", "-o", "new.safetensors"], "train"),
        (["export", "--int8", "-o", "new"], "tflite"),
        (["export", "--float", "-o", "new"], "tflite"),
        (["stream", "bundle", "--backend", "tflite-runtime"], "tflite"),
        (["stream", "bundle", "--backend", "litert"], "tflite"),
        (["stream", "bundle", "--backend", "tflm"], "micro"),
    ],
    ids=lambda value: "-".join(value).replace("---", "-") if isinstance(value, list) else value,
)
def test_what_needs_an_extra_names_it(bare, project, words, extra):
    """Exit code 3, one line, nothing written."""
    before = sorted(project.rglob("*"))
    refused(run([bare / "edge-lstm", *words], project, ""), extra)
    assert sorted(project.rglob("*")) == before


def test_wav_recordings_name_the_extra_audio(bare, tmp_path):
    """A project of sound, where no library reads it."""
    for label in ("yes", "no"):
        (tmp_path / "data" / label).mkdir(parents=True)
        with wave.open(str(tmp_path / "data" / label / "0.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(np.zeros(8000, np.int16).tobytes())
    (tmp_path / "edge-lstm.toml").write_text(
        '[data]\npath = "data"\n[data.front_end]\nsample_rate_hz = 8000\n[task]\nkind = "classify"\n'
    )
    refused(run([bare / "edge-lstm", "evaluate"], tmp_path), "audio")


@pytest.mark.parametrize(
    ("missing", "flag", "extra"),
    [("onnx", "--float", "onnx"), ("h5py", "--float", "import"), ("ziglang", "--int8", "cc")],
    ids=["onnx", "h5py", "compiler"],
)
def test_export_names_each_package_it_lacks(project, missing, flag, extra):
    """One thing missing in an environment that has the rest; a compiler is missing without any on the path."""
    script = f"import sys; sys.modules[{missing!r}] = None; {MAIN}"
    path = {"PATH": "", "CC": ""} if missing == "ziglang" else {}
    refused(run([sys.executable, "-c", script, "export", flag, "-o", "new"], project, **path), extra)
    assert not (project / "new").exists()


def test_verify_checks_what_it_can_and_names_the_extras_for_the_rest(bare, project):
    """The reference and the C library agree; every runtime that is not there is listed with what installs it."""
    report = json.loads(succeeded(run([bare / "edge-lstm", "verify", "bundle", "--json"], project)).stdout)
    not_run = {check["target"]: check["not_run"] for check in report["checks"] if "not_run" in check}
    ran = {check["target"] for check in report["checks"] if check["steps"]}
    assert report["ok"]
    assert {"reference", "c, library", "c, compiled here"} <= ran
    others = not_run.pop("the library of aarch64, armv7l, armv6l")
    assert "a Python of that architecture loads it" in others
    assert not_run.keys() == {
        f"{name}{state}" for name in ("tflite-runtime", "litert", "tflm") for state in ("", ", explicit state")
    }
    assert all("pip install 'edge-lstm[" in reason for reason in not_run.values())
