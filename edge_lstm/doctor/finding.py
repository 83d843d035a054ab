"""What the doctor says of one thing, and how it tries it: in a process of its own, for what is broken may crash."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "missing", "broken"]

SECONDS = 60.0
"""A child that takes longer hangs; an emulated board needs ten for the slowest."""


@dataclass(frozen=True)
class Finding:
    """A line of the diagnosis.

    Args:
        group: what it belongs to: a key of ``GROUPS``.
        found: version and place, or what is wrong.
        advice: what to do, or what to know; empty if there is nothing.
    """

    group: str
    name: str
    status: Status
    found: str
    advice: str = ""


def extra(name: str) -> str:
    return f"pip install 'edge-lstm[{name}]'"


def run_python(script: str) -> tuple[int, str]:
    """(exit code, 0 if it did well; what was said last) of a script in a process of its own. Never raises."""
    # -P: a file of the user's that bears the name of a package must not be taken for it.
    return run_command([sys.executable, "-P", "-c", script])


def run_command(command: Sequence[str], text: str = "") -> tuple[int, str]:
    """The same of any command, which reads ``text``."""
    try:
        done = subprocess.run(  # noqa: S603 - this Python, or a program of the tables here
            command, input=text, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return 1, f"does not end within {SECONDS:.0f} s"
    except OSError as error:
        return 1, f"cannot be run: {error.strerror}"
    if done.returncode < 0:
        return done.returncode, f"crashes with {signal.Signals(-done.returncode).name}"
    # OpenSSH says its version on stderr.
    lines = (done.stderr if done.returncode else done.stdout or done.stderr).strip().splitlines()
    return done.returncode, lines[-1 if done.returncode else 0].strip() if lines else ""


def examine_command(
    group: str, name: str, command: Sequence[str] | None, install: str, purpose: str = "", flag: str = "--version"
) -> Finding:
    """A program that says its version; None is one that is not there."""
    if command is None:
        return Finding(group, name, "missing", "not installed", f"{purpose}{install}")
    code, said = run_command([*command, flag])
    return Finding(group, name, "broken", said, f"{install} again") if code else Finding(group, name, "ok", said)
