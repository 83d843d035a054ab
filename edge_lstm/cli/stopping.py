"""Ending a command that waits for the world, between two samples and never inside one."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

TERMINATED = 143
"""What a shell reports for a program that SIGTERM ended."""


class Stopped(Exception):  # noqa: N818 - it is no error
    """SIGTERM or SIGINT came."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


class Stopping:
    """Turns SIGTERM and SIGINT into ``Stopped``: at once while the process waits, else before it waits again.

    In between, a sample is taken: half of one would be in the model and half of it not.
    """

    def __init__(self) -> None:
        self._waiting = False
        self._came: int | None = None

    def __enter__(self) -> Stopping:
        self._before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._take) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """A block that a signal may break off.

        Raises:
            Stopped: if one came before or comes in it.
        """
        self._waiting = True
        try:
            if self._came is not None:
                raise Stopped(self._came)
            yield
        finally:
            self._waiting = False

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self._came = number
        if self._waiting:
            self._waiting = False  # a second signal must not break off what the first one set going
            raise Stopped(number)
