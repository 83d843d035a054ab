"""The static stream program: built once a model, and run beside the command whose words it must say."""

from __future__ import annotations

import contextlib
import os
import re
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from live_streams import with_facts
from stream_bundles import LATE, write_small_bundle

from edge_lstm.bundle import MODEL_FILES, Bundle
from edge_lstm.cli import cli
from edge_lstm.integer import NativeModel
from edge_lstm.streaming.facts import Facts
from edge_lstm_export.firmware.project import Firmware, self_test_vectors
from edge_lstm_export.linux import stream_program
from edge_lstm_export.linux.program import stream_sources

EMULATED = {
    "Cortex-A53": ("aarch64", ("qemu-aarch64", "-cpu", "cortex-a53")),
    "Cortex-A76, with dot products": ("aarch64", ("qemu-aarch64", "-cpu", "cortex-a76")),
    "Cortex-A7": ("armv7l", ("qemu-arm", "-cpu", "cortex-a7")),
    "ARM1176": ("armv6l", ("qemu-arm", "-cpu", "arm1176")),
}
"""Processor → architecture, and what runs it here."""

FACTS: dict[str, dict[str, object]] = {
    "none": {},
    "holes": {"missing": "hold", "missing_value": -200.0, "max_gap": 2},
    "comma": {"decimal": ","},
    "clock": {"timestamp": ["Date", "Time"], "time_format": "%d/%m/%Y %H.%M.%S"},
    "seconds": {"missing": "interpolate", "timestamp": ["t"], "time_unit": "s"},
}
"""What the training data may have meant."""

FACTS_OF = {
    "classify": "holes",
    "tag": "none",
    "regress": "comma",
    "forecast": "seconds",
    "anomaly": "clock",
    "late": "none",
}
"""Of the bundle of each kind of task, and of a tag that looks ahead: every program that is built takes seconds."""


@dataclass(frozen=True)
class Said:
    """What a run said; the two commands' own names are alike in it."""

    code: int
    out: bytes
    err: str


def native(bundle: Path) -> tuple[NativeModel, Facts, bytes]:
    opened = Bundle.open(bundle)
    model = opened.model("native")
    assert isinstance(model, NativeModel)
    return model, Facts.from_manifest(opened.manifest), opened.file(MODEL_FILES["native"]).read_bytes()


def built(bundle: Path, arch: str = "x86_64") -> Path:
    """The program of a bundle, beside it, made once."""
    path = bundle.parent / f"{bundle.name}.{arch}"
    if not path.exists():
        model, facts, content = native(bundle)
        path.write_bytes(stream_program(model, facts, bundle.name, content, arch))
        path.chmod(0o755)
    return path


def held_against(bundle: Path) -> bytes:
    """The outputs that the program of a bundle compares its own with, as they lie in it."""
    model, _, content = native(bundle)
    text = self_test_vectors(Firmware(bundle.name, model, "native", content, None)).decode()
    numbers = re.search(r"el_test_outputs\[\d+\][^=]*= \{([^}]*)\}", text)
    assert numbers is not None
    outputs = [int(number) for number in numbers[1].replace(",", " ").split()]
    return struct.pack(f"<{len(outputs)}h", *outputs)


def with_a_wrong_bit(program: bytes, bundle: Path) -> bytes:
    """The program of a bundle, whose self-test must fail."""
    content, outputs = bytearray(program), held_against(bundle)
    assert content.count(outputs) == 1
    content[content.index(outputs)] ^= 1
    return bytes(content)


def sources_in(bundle: Path, folder: Path) -> Path:
    """The C of the program for this computer, in a folder."""
    model, facts, content = native(bundle)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in stream_sources(model, facts, bundle.name, content, "x86_64").items():
        (folder / name).write_bytes(text)
    return folder


def program(
    path: Path,
    *arguments: object,
    written: bytes | str = b"",
    under: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Said:
    """The program, with this on its standard input."""
    given = written.encode() if isinstance(written, str) else written
    command = [*under, str(path), *map(str, arguments)]
    done = subprocess.run(
        command, input=given, capture_output=True, timeout=60, env={**os.environ, **(environment or {})}
    )
    return Said(done.returncode, done.stdout, done.stderr.decode().replace("edge-lstm-stream: error: ", "error: "))


def command(bundle: Path, *arguments: object, written: bytes | str = b"") -> Said:
    """``edge-lstm stream --backend c`` of the bundle, in this process."""
    asked = ["stream", str(bundle), "--backend", "c", *map(str, arguments)]
    result = CliRunner().invoke(cli, asked, input=written)
    return Said(result.exit_code, result.stdout_bytes, result.stderr.replace("edge-lstm: error: ", "error: "))


@contextlib.contextmanager
def living(
    path: Path, *arguments: object, stdin: int | None = subprocess.DEVNULL, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """The program as a process, gone when the block ends."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [str(path), *map(str, arguments)],
        stdin=stdin,
        stdout=pipe,
        stderr=pipe,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for each in filter(None, (process.stdin, process.stdout, process.stderr)):
            with contextlib.suppress(BrokenPipeError):  # what nobody has read
                each.close()


@pytest.fixture(scope="session")
def program_bundles(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Kind of task → a bundle that command and program can run; tests must not change it."""
    folder = tmp_path_factory.mktemp("programs")

    def bundle(kind: str) -> Path:
        path = folder / kind
        if not path.exists():
            task, cells = ("tag", LATE) if kind == "late" else (kind, ())
            with_facts(write_small_bundle(path, task, artefacts=True, cells=cells), **FACTS[FACTS_OF[kind]])
        return path

    return bundle
