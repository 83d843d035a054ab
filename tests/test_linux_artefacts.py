"""What a bundle holds for boards with Linux: a library and a program an architecture, each tried before it is there."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from stream_bundles import small_model
from stream_programs import with_a_wrong_bit
from test_cli_project import start_project

from edge_lstm.architecture import ARCHITECTURES, this_architecture
from edge_lstm.bundle import LIBRARY, PROGRAM, SHIM, Bundle
from edge_lstm.cli import cli
from edge_lstm.modelfile import save_model
from edge_lstm.pipeline import prepare
from edge_lstm.project import load_project
from edge_lstm_export.firmware.toolchain import TOOLCHAINS
from edge_lstm_export.linux import self_test
from edge_lstm_export.verify import verify


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A started project with a model that was not trained."""
    folder = tmp_path_factory.mktemp("linux") / "gestures"
    start_project(folder)
    interface = prepare(load_project(folder)).interface()
    model = small_model("classify").with_interface(task=interface.task, scaling=interface.scaling)
    save_model(model, folder / "build/gestures.safetensors")
    return folder


def export(project: Path, output: Path, *options: str) -> tuple[int, str, str]:
    words = ["export", "--project", project, "-o", output, *options]
    done = CliRunner().invoke(cli, [str(word) for word in words])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def everything(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = tmp_path_factory.mktemp("linux-bundles") / "everything"
    code, _, said = export(project, bundle, "--int8")
    assert code == 0, said
    return bundle


def held(bundle: Path) -> list[str]:
    return sorted(name for name in Bundle.open(bundle).manifest["files"] if name.startswith("linux/"))


def test_an_int8_bundle_holds_all_of_it(everything: Path) -> None:
    """Four architectures and the shim; programs may be run as they lie there."""
    expected = [file.format(machine=arch) for arch in ARCHITECTURES for file in (LIBRARY, PROGRAM)]
    assert held(everything) == sorted([*expected, SHIM])
    for arch in ARCHITECTURES:
        assert os.access(everything / PROGRAM.format(machine=arch), os.X_OK)
    program = everything / PROGRAM.format(machine=this_architecture())
    about = json.loads(subprocess.run([program, "--describe"], check=True, capture_output=True).stdout)
    assert about["model"] == Bundle.open(everything).digest("integer/native.safetensors")


def test_every_program_tested_itself(everything: Path) -> None:
    """On the least processor of its architecture; libraries of others are listed as not run."""
    checks = {
        check.target: check for check in verify(Bundle.open(everything)).checks if check.target.startswith("linux")
    }
    assert len(checks) == len(ARCHITECTURES)
    assert all(check.steps > 0 and check.mismatches == 0 and check.not_run is None for check in checks.values())
    assert any("qemu-arm -cpu arm1176" in target for target in checks)
    (others,) = [c for c in verify(Bundle.open(everything)).checks if c.target.startswith("the library of")]
    assert others.not_run is not None


@pytest.mark.parametrize(
    ("options", "architectures"),
    [
        (("--linux", "aarch64"), ["aarch64"]),
        (("--linux", "armv6l", "--linux", "aarch64", "--linux", "armv6l"), ["aarch64", "armv6l"]),
        (("--linux", "none"), []),
        (("--board", "bluepill"), []),
    ],
)
def test_the_architectures_are_those_asked_for(
    project: Path, tmp_path: Path, options: tuple[str, ...], architectures: list[str]
) -> None:
    """None for a microcontroller's board; this computer always has a library of its own."""
    code, _, said = export(project, tmp_path / "b", "--int8", *options)
    assert code == 0, said
    programs = [name.split("/")[1] for name in held(tmp_path / "b") if name.endswith("edge-lstm-stream")]
    assert programs == architectures
    assert LIBRARY.format(machine=this_architecture()) in held(tmp_path / "b")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("--int8", "--linux", "riscv64"),
            "linux 'riscv64' is not known; choose from x86_64, aarch64, armv7l, armv6l, none",
        ),
        (("--float", "--linux", "aarch64"), "linux 'aarch64' runs integers; export with --int8 for it"),
    ],
)
def test_what_cannot_be_is_refused(project: Path, tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    """In one line, with nothing written."""
    code, _, said = export(project, tmp_path / "b", *options)
    assert (code, said) == (2, f"edge-lstm: error: {words}\n")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_program_that_computes_otherwise_is_found_out(everything: Path, arch: str) -> None:
    """One bit of difference is enough."""
    program = (everything / PROGRAM.format(machine=arch)).read_bytes()
    assert self_test(program, arch).wrong is None
    wrong = self_test(with_a_wrong_bit(program, everything), arch).wrong
    assert wrong is not None
    assert "self-test" in wrong


def test_without_zig_the_bundle_says_what_it_lacks(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main job is done all the same; asked for by name, an architecture is missed."""
    monkeypatch.setitem(TOOLCHAINS, "zig", replace(TOOLCHAINS["zig"], command=lambda: None))
    code, _, said = export(project, tmp_path / "b", "--int8")
    assert code == 0
    assert "note: no programs for Linux boards: zig is not installed; pip install 'edge-lstm[boards]'\n" in said
    assert held(tmp_path / "b") == [LIBRARY.format(machine=this_architecture())]
    code, _, said = export(project, tmp_path / "c", "--int8", "--linux", "aarch64")
    assert (code, said.count("\n")) == (3, 1)
    assert "zig is not installed, it compiles for Linux on aarch64" in said
