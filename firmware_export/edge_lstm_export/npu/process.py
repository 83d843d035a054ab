"""A vendor's compiler on one file, in a process and a folder of its own, so that it can crash and leave nothing."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edge_lstm.errors import ExportError

SECONDS = 300.0
"""Models of this project compile in less than a second; a compiler that takes longer than this hangs."""


def run_compiler(name: str, command: Sequence[str], source: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it in ``folder``; whether it succeeded is in the return code.

    Args:
        name: of the compiler, for messages.
        source: the file compiled, for messages.

    Raises:
        ExportError: if it crashes, cannot be started or does not end.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the command is ours, or the user's own compiler
            command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ExportError(
            f"{source}: {name} did not end within {SECONDS:.0f} s; export without it, or try another version"
        ) from error
    except OSError as error:
        raise ExportError(f"{command[0]}: cannot be run: {error.strerror or error}; install {name} again") from error
    if done.returncode < 0:
        raise ExportError(
            f"{source}: {name} crashed with {signal.Signals(-done.returncode).name}; "
            "export without it, or try another version"
        )
    return done
