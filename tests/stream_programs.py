"""The static stream program: built once a model, and run beside the command whose words it must say."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from edge_lstm.bundle import MODEL_FILES, Bundle
from edge_lstm.cli import cli
from edge_lstm.integer import NativeModel
from edge_lstm.streaming.facts import Facts
from edge_lstm_export.linux import stream_program
from edge_lstm_export.linux.program import stream_sources

EMULATED = {
    "aarch64": ("qemu-aarch64", "-cpu", "cortex-a53"),
    "aarch64 with SDOT": ("qemu-aarch64", "-cpu", "cortex-a76"),
    "armv7l": ("qemu-arm", "-cpu", "cortex-a7"),
    "armv6l": ("qemu-arm", "-cpu", "arm1176"),
}
"""Architecture, and what runs it here."""


@dataclass(frozen=True)
class Said:
    """What a run said."""

    code: int
    out: bytes
    err: str

    def named(self, name: str = "edge-lstm") -> Said:
        """The same under the command's name."""
        return Said(self.code, self.out, self.err.replace("edge-lstm-stream: error: ", f"{name}: error: "))


def native(bundle: Path) -> tuple[NativeModel, Facts, bytes]:
    opened = Bundle.open(bundle)
    model = opened.model("native")
    assert isinstance(model, NativeModel)
    return model, Facts.from_manifest(opened.manifest), opened.file(MODEL_FILES["native"]).read_bytes()


def built(bundle: Path, arch: str = "x86_64") -> Path:
    """The program of a bundle, beside it, made once."""
    model, facts, content = native(bundle)
    key = hashlib.sha256(repr(facts).encode()).hexdigest()[:8]
    path = bundle.parent / f"{bundle.name}.{arch}.{key}"
    if not path.exists():
        path.write_bytes(stream_program(model, facts, bundle.name, content, arch))
        path.chmod(0o755)
    return path


def sources_in(bundle: Path, folder: Path, arch: str = "x86_64") -> Path:
    """The C of the program in a folder."""
    model, facts, content = native(bundle)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in stream_sources(model, facts, bundle.name, content, arch).items():
        (folder / name).write_bytes(text)
    return folder


def run(
    program: Path,
    *arguments: object,
    written: bytes | str = b"",
    under: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Said:
    """The program, with this on its standard input."""
    given = written.encode() if isinstance(written, str) else written
    done = subprocess.run(
        [*under, str(program), *map(str, arguments)],
        input=given,
        capture_output=True,
        timeout=60,
        env={**os.environ, **(environment or {})},
    )
    return Said(done.returncode, done.stdout, done.stderr.decode())


def command(bundle: Path, *arguments: object, written: bytes | str = b"", backend: str = "c") -> Said:
    """``edge-lstm stream`` of the bundle, in this process."""
    asked = ["stream", str(bundle), "--backend", backend, *map(str, arguments)]
    result = CliRunner().invoke(cli, asked, input=written)
    return Said(result.exit_code, result.stdout_bytes, result.stderr)
