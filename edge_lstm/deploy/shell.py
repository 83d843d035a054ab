"""A POSIX shell somewhere: a script goes in as one text, lines come out, and what it reads is sent while it runs."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import IO, Protocol, Self

from edge_lstm.errors import DeployError, MissingDependencyError

MARK = "edge-lstm: "
"""What a line of ours begins with; a login script may print others."""


def script(*names: str, **variables: str) -> str:
    """The scripts of the folder ``board`` in this order, after what sets the variables."""
    folder = resources.files("edge_lstm.deploy") / "board"
    texts = [(folder / f"{name}.sh").read_text(encoding="utf-8") for name in names]
    return "".join([*(f"{key}={shlex.quote(value)}\n" for key, value in variables.items()), *texts])


class Session:
    """A script at work."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        # A file and no pipe: a background process of ssh may keep it open after the end.
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._said, env=environment)  # noqa: S603 - ssh, or sh with our own script
        except FileNotFoundError as error:
            self._said.close()
            raise MissingDependencyError(
                f"{command[0]} is not installed on this computer; install it, on Debian with `apt install "
                f"{'openssh-client' if command[0] == 'ssh' else command[0]}`"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def send(self, data: bytes) -> None:
        """For the script's stdin. If it has ended, why is in its lines."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def close(self) -> None:
        """Nothing more will be sent."""
        assert self._process.stdin is not None  # noqa: S101 - same
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def lines(self) -> Iterator[tuple[str, str]]:
        """(first word, rest) of every line of ours, as it comes."""
        assert self._process.stdout is not None  # noqa: S101 - same
        for line in self._process.stdout:
            text = line.decode("utf-8", "replace").rstrip("\n")
            if text.startswith(MARK):
                word, _, rest = text.removeprefix(MARK).partition(" ")
                yield word, rest

    def end(self) -> tuple[int, str]:
        """(exit code, what it said on stderr), once it has ended."""
        code = self._process.wait()
        self._said.seek(0)
        return code, self._said.read().decode("utf-8", "replace")


class Shell(Protocol):
    """Where scripts run."""

    @property
    def where(self) -> str:
        """For messages."""

    def start(self, text: str) -> Session:
        """Run a script.

        Raises:
            MissingDependencyError: if the program that leads there is not installed.
        """

    def lost(self, code: int, said: str) -> DeployError:
        """Why a session ended without an answer."""


class LocalShell:
    """The shell of this computer, for a folder."""

    def __init__(self, where: str) -> None:
        self.where = where

    def start(self, text: str) -> Session:
        return Session(["sh", "-c", text])

    def lost(self, code: int, said: str) -> DeployError:
        last = said.strip().splitlines()[-1:] or [f"it ends with {code}"]
        return DeployError(f"{self.where}: the shell of this computer fails: {last[0]}; run it again")
