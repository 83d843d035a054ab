"""Fixtures of the deploy tests: bundles, boards behind a real sshd, and the command line that joins them."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from deploy_bundles import FAILS_SELF_TEST, SOUND, stub_program, write_deployable
from ssh_board import SshBoard, ssh_board
from stream_programs import built

from edge_lstm.cli import cli

ProgramOf = Callable[..., bytes]


@pytest.fixture(scope="session")
def program_of() -> ProgramOf:
    """``program_of(bundle, arch, fault, model)``: the edge-lstm-stream of a bundle; one that fails is a stand-in."""
    return lambda bundle, arch, fault=SOUND, model=None: (
        stub_program(bundle, arch, fault, model) if fault or model else built(bundle, arch).read_bytes()
    )


@pytest.fixture(scope="session")
def deployable(tmp_path_factory: pytest.TempPathFactory, program_of: ProgramOf) -> dict[str, Path]:
    """Bundles of one name; tests must not change them."""
    folder = tmp_path_factory.mktemp("deployable")
    return {
        "one": write_deployable(folder / "one", program_of),
        "two": write_deployable(folder / "two", program_of, seed=5),
        "three": write_deployable(folder / "three", program_of, seed=6),
        "faulty": write_deployable(folder / "faulty", program_of, seed=7, fault=FAILS_SELF_TEST),
        "other model": write_deployable(folder / "other", program_of, seed=8, model="0" * 64),
        "aarch64": write_deployable(folder / "aarch64", program_of, arch="aarch64"),
    }


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshBoard]:
    """A board that lets root in; each test takes a path of its own there."""
    with ssh_board(tmp_path_factory.mktemp("board")) as served:
        yield served


@pytest.fixture(scope="session")
def two_releases(tmp_path_factory: pytest.TempPathFactory, board: SshBoard, deployable: dict[str, Path]) -> Path:
    """A deployment to copy: bundle one is current and two was before."""
    root = tmp_path_factory.mktemp("two-releases") / "deployed"
    for name in ("two", "one"):
        done(deploy_to(board, root, deployable[name]))
    return root


def run(command: str, *arguments: object) -> Result:
    """``edge-lstm deploy`` or ``edge-lstm fleet``, in this process."""
    return CliRunner().invoke(cli, [command, *map(str, arguments)])


def deploy_to(board: SshBoard, root: Path, bundle: Path, *more: object, port: int | None = None) -> Result:
    return run("deploy", bundle, board.target, *board.options(port), "--path", root, *more)


def done(result: Result) -> str:
    """What a command printed that went well."""
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(result: Result, *words: str, code: int = 2) -> str:
    """The one line of a refusal, which holds these words."""
    lines = [line for line in result.stderr.splitlines() if not line.endswith(" ...")]
    assert result.exit_code == code, result.output
    assert len(lines) == 1, lines
    assert lines[0].startswith("edge-lstm: error: ")
    assert [word for word in words if word not in lines[0]] == [], lines[0]
    return lines[0]


def identity(bundle: Path) -> str:
    return hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()[:12]


def whole(root: Path, bundle: Path, arch: str = "x86_64") -> None:
    """``current`` is the release of this bundle, each file as its sums say, and its program passes its self-test."""
    assert str((root / "current").readlink()) == f"releases/{identity(bundle)}"
    current = (root / "current").resolve()
    lines = (current / "SHA256SUMS").read_text().splitlines()
    for digest, name in (line.split("  ", 1) for line in lines):
        assert hashlib.sha256((current / name).read_bytes()).hexdigest() == digest, name
    files = {str(file.relative_to(current)) for file in current.rglob("*") if file.is_file()}
    assert files == {"SHA256SUMS", *(line.split("  ", 1)[1] for line in lines)}
    ran = subprocess.run([current / f"linux/{arch}/edge-lstm-stream", "--self-test"], capture_output=True, check=True)
    assert ran.stdout.startswith(b"self-test: ")


def tree(folder: Path) -> dict[str, object]:
    """Every path below a folder, and what is there: bytes, where a link leads, or None for a folder."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else (path.read_bytes() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    }
