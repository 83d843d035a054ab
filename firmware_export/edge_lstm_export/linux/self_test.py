"""Does a bundle's ``edge-lstm-stream`` compute what the reference does? It tests itself, here or in an emulator."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from edge_lstm.architecture import this_architecture
from edge_lstm_export.linux.architectures import ARCHITECTURES

SECONDS = 60.0


@dataclass(frozen=True)
class SelfTest:
    """What came of it.

    Args:
        by: what ran it: ``this computer`` or the emulator.
        steps: that were equal, of outputs; the state is compared after the last.
        wrong: what differs, or how it failed; None if nothing.
        not_run: why it was not run, where that is so.
    """

    by: str = ""
    steps: int = 0
    wrong: str | None = None
    not_run: str | None = None


def self_test(program: bytes, arch: str) -> SelfTest:
    """Run the program of an architecture, a name of ``ARCHITECTURES``."""
    emulator = () if this_architecture() == arch else ARCHITECTURES[arch].emulator
    if emulator and shutil.which(emulator[0]) is None:
        return SelfTest(not_run=f"{emulator[0]} is not installed; apt install qemu-user")
    with tempfile.TemporaryDirectory(prefix="edge-lstm-") as folder:
        file = Path(folder) / "edge-lstm-stream"
        file.write_bytes(program)
        file.chmod(0o755)
        try:
            done = subprocess.run(  # noqa: S603 - the program of the bundle, in an emulator of the table
                [*emulator, str(file), "--self-test"], capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return SelfTest(wrong=f"cannot be run: {error}")
    by = " ".join(emulator) or "this computer"
    said = re.fullmatch(r"self-test: (\d+) steps equal\n", done.stdout)
    if done.returncode or said is None:
        return SelfTest(by, wrong=(done.stderr or f"exit code {done.returncode}").strip())
    return SelfTest(by, int(said[1]))
