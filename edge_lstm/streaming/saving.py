"""A live stream's memory in a file: whole or absent, loaded at the next start."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load, save

from edge_lstm.errors import InputError, ProjectError
from edge_lstm.files import write_atomically

_KEY = "edge-lstm-live"


@dataclass(frozen=True)
class Pace:
    """How often a state is written while the stream runs: every so many steps, or seconds."""

    steps: int | None = None
    seconds: float | None = 60.0

    @classmethod
    def parse(cls, text: str, what: str = "state-every") -> Pace:
        """Read ``1000`` (steps) or ``60s``.

        Raises:
            ProjectError: if it is neither.
        """
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s?)\s*", text)
        if not found or not float(found[1]) or not (found[2] or found[1].isdigit()):
            raise ProjectError(f"{what} {text!r} is not known; give '1000' (steps) or '60s'")
        return cls(None, float(found[1])) if found[2] else cls(int(found[1]), None)


@dataclass(frozen=True)
class Memory:
    """What is remembered besides the model's state.

    Args:
        held: (C,) last good value of each channel, None before the first.
        time: of the last sample, seconds.
        source: address of the source.
        position: the place in it up to which samples were taken.
        header: the line that heads its columns.
    """

    held: tuple[float | None, ...] = ()
    time: float | None = None
    source: str = ""
    position: str | None = None
    header: str | None = None


@dataclass
class StateFile:
    """Where the state is written. What it holds is a snapshot that ``Stream.load`` takes, too."""

    path: Path
    pace: Pace = field(default_factory=Pace)
    _steps: int = 0
    _written: float = field(default_factory=time.monotonic)

    def read(self) -> tuple[bytes, Memory] | None:
        """The snapshot and the memory beside it; None if there is no file.

        Raises:
            InputError: if the file is something else.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error.strerror}; check the path") from error
        try:
            memory = Memory(**json.loads(_metadata(data)[_KEY]))
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path}: is no saved stream; give another file, or remove it") from error
        return data, memory

    def write(self, snapshot: bytes, memory: Memory) -> None:
        """Replace the file.

        Raises:
            ExportError: if it cannot be written. What was there is then still there.
        """
        text = json.dumps(vars(memory))
        write_atomically(self.path, save(load(snapshot), {**_metadata(snapshot), _KEY: text}))
        self._steps, self._written = 0, time.monotonic()

    def stepped(self, write: Callable[[], None]) -> None:
        """Count a step, and write when it is time to."""
        self._steps += 1
        if self.pace.steps is not None:
            due = self._steps >= self.pace.steps
        else:
            due = time.monotonic() - self._written >= (self.pace.seconds or 0)
        if due:
            write()


def held_values(held: tuple[float | None, ...]) -> list[float]:
    """(C,) with NaN where nothing is held."""
    return [math.nan if value is None else value for value in held]


def _metadata(data: bytes) -> dict[str, Any]:
    """The texts in the header of a .safetensors file."""
    load(data)  # checks that it is whole
    header: dict[str, Any] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return dict(header["__metadata__"])
