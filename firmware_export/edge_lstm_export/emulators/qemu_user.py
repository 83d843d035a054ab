"""Cores that run Linux, in QEMU: a static program without libc, and an exact count of instructions.

One process runs all recordings. The program reads what to do from its standard input and writes what came of it to its
standard output; a plugin of ours counts. The processor is always named: QEMU's default has instructions that no board
has.
"""

from __future__ import annotations

import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edge_lstm.board import Core
from edge_lstm.errors import MissingDependencyError, VerificationError
from edge_lstm_export.emulators.base import Array, BoardRun, Emulator, Layout
from edge_lstm_export.emulators.qemu import calls_of, counter, read_results, version
from edge_lstm_export.firmware.image import Image, firmware_files
from edge_lstm_export.firmware.toolchain import build

MACHINES = {40: "arm", 62: "x86_64", 183: "aarch64"}
"""``e_machine`` of an ELF file → QEMU's name of the architecture."""

LINK = ("-nostdlib", "-static", "-Wl,-z,max-page-size=4096")

SECONDS = 600.0
"""A billion instructions take a few seconds; a program that runs longer than this hangs."""


def program(core: Core, sources: Mapping[str, bytes], toolchain: str | None, extra: Sequence[str]) -> Image:
    """The model and ``harness.c`` as a Linux program."""
    everything = {**sources, **firmware_files("harness.c", "linux.c")}
    return Image(build(core, everything, None, toolchain, [*LINK, *extra]))


def run(image: Image, cpu: str, layout: Layout, recordings: Sequence[Array], window: int | None) -> BoardRun:
    """``cpu`` is a processor as QEMU names it, such as ``cortex-a72``.

    Raises:
        MissingDependencyError: if QEMU is not installed, or no compiler for its plugin.
        VerificationError: if the program faults or does not end.
    """
    qemu = f"qemu-{MACHINES[struct.unpack_from('<H', image.elf, 18)[0]]}"
    if shutil.which(qemu) is None:
        raise MissingDependencyError(f"{qemu} is not installed, it emulates {cpu}; apt install qemu-user")
    emulator = f"{qemu} {version(qemu)}, {cpu}"
    letters, calls = calls_of(recordings, layout, window)
    results, counts = _execute(qemu, cpu, image, calls, emulator)
    steps, stack_bytes = results[:-4], int.from_bytes(results[-4:], "little")
    traces = read_results(steps, image, layout, recordings)
    return BoardRun(traces, counts[letters == "s"], int(counts[-1]), "instructions", stack_bytes, emulator)


QEMU_USER = Emulator(program, run)


def _execute(qemu: str, cpu: str, image: Image, calls: bytes, emulator: str) -> tuple[bytes, Array]:
    """(standard output, instructions of each call)."""
    begin, end = (image.symbols[f"board_call_{at}"][0] for at in ("begin", "end"))
    with tempfile.TemporaryDirectory(prefix="edge-lstm-") as name:
        folder = Path(name)
        (folder / "image.elf").write_bytes(image.elf)
        (folder / "image.elf").chmod(0o755)
        (folder / "count.so").write_bytes(counter())
        plugin = ["-plugin", f"./count.so,begin={begin},end={end}", "-d", "plugin", "-D", "counts"]
        try:
            done = subprocess.run(  # noqa: S603 - QEMU, on a program that was linked here
                [qemu, "-cpu", cpu, *plugin, "./image.elf"],
                cwd=folder,
                input=calls,
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise VerificationError(f"{emulator}: the program did not end within {SECONDS:.0f} s") from error
        if done.returncode < 0:
            raise VerificationError(f"{emulator}: the program was ended by {signal.Signals(-done.returncode).name}")
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise VerificationError(f"{emulator}: {(said or [f'ended with exit code {done.returncode}'])[0]}")
        return done.stdout, np.array((folder / "counts").read_text().split(), np.int64)
