"""What every source is, and what several share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Protocol

from edge_lstm.errors import LinkError

POLL = 0.1
"""Seconds that a source waits before it looks whether it was closed."""


class Source(Protocol):
    """Lines of text from somewhere.

    ``torn``: whether the first line may lack its beginning. ``live``: whether samples go on without being asked for,
    so that a slow model must drop some.
    """

    torn: bool
    live: bool

    def lines(self) -> Iterator[str]:
        """Lines as they come, with their ends. Ends when the source does, or after ``close``.

        Raises:
            LinkError: if the source is gone.
        """
        ...

    @property
    def position(self) -> str | None:
        """The place behind the last line, of a source that can be taken up again there; else None."""
        ...

    def resume(self, position: str) -> None:
        """Begin at a place that this source gave before, if it still has it."""
        ...

    def close(self) -> None:
        """Give back what is held; any thread may ask."""
        ...


class Wire:
    """A source that cannot be taken up again: what was missed is gone."""

    torn = False
    live = True

    def __init__(self, url: str) -> None:
        self.url = url
        self._closed = threading.Event()

    @property
    def position(self) -> str | None:
        return None

    def resume(self, position: str) -> None:
        """Nothing: a wire has no past."""

    def close(self) -> None:
        self._closed.set()

    def gone(self, error: object, move: str) -> LinkError:
        """The error of a source that fails while it is read."""
        return LinkError(f"{self.url}: the source is gone: {error}; {move}")


class LineCutter:
    """Bytes as they come → whole lines of text."""

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [text_of(line + b"\n") for line in whole]

    def rest(self) -> list[str]:
        """What has no end yet, for a source that ended."""
        rest, self._rest = self._rest, b""
        return [text_of(rest)] if rest else []


def text_of(data: bytes) -> str:
    """Bytes that are no text are no numbers either; the reader of lines says so."""
    return data.decode("utf-8", errors="replace")


def reason(error: OSError) -> str:
    """The computer's words for what went wrong."""
    return error.strerror or str(error) or type(error).__name__
