"""Bundles that can be deployed: a small model, and beside it a program that stands for edge-lstm-stream."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from stream_bundles import write_small_bundle

from edge_lstm.bundle import MANIFEST, MODEL_FILES, SHIM

SOUND, FAILS_SELF_TEST, FAILS_TO_START, HANGS, ENDS_SOON = range(5)
STUB = Path(__file__).with_name("stub_stream.c")
MACHINES = {"x86_64": b"\x3e\0", "aarch64": b"\xb7\0"}
"""Bytes 18 and 19 of an ELF file."""


def stub_program(bundle: Path, arch: str, fault: int = SOUND, model: str | None = None) -> bytes:
    """A static program that describes itself as that of a bundle, or of the model with that sha256.

    Whatever it says, it is of x86-64; only its header is another machine's.
    """
    manifest = json.loads((bundle / MANIFEST).read_text())
    model = model or manifest["files"][MODEL_FILES["native"]]["sha256"]
    handle, name = tempfile.mkstemp()
    os.close(handle)
    out = Path(name)
    defines = [f'-DMODEL="{model}"', f'-DARCH="{arch}"', f"-DFAULT={fault}"]
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-musl", "-Os", "-s", "-static"]
    try:
        subprocess.run([*command, *defines, "-o", out, STUB], check=True)
        program = out.read_bytes()
        return program[:18] + MACHINES[arch] + program[20:]
    finally:
        out.unlink()


def write_deployable(
    folder: Path,
    program_of: Callable[..., bytes] = stub_program,
    seed: int = 0,
    fault: int = SOUND,
    arch: str = "x86_64",
    model: str | None = None,
) -> Path:
    """A bundle named ``tag``; another seed is another model.

    Args:
        program_of: makes its edge-lstm-stream from its folder, arch, fault and model.
        model: that the program claims to be of, instead of the bundle's.
    """
    write_small_bundle(folder, "tag", seed)
    add_file(folder, f"linux/{arch}/edge-lstm-stream", program_of(folder, arch, fault, model))
    add_file(folder, SHIM, (files("edge_lstm_export") / SHIM).read_bytes())
    return folder


def add_file(folder: Path, name: str, content: bytes) -> None:
    """Put a file into a bundle and its manifest."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / MANIFEST).write_text(json.dumps(manifest))
