"""``-``: lines of standard input."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import TextIO

from edge_lstm.streaming.sources.base import Wire


class StdinSource(Wire):
    """Lines of a text handle, as its encoding has them."""

    live = False  # a pipe waits

    def __init__(self, url: str, handle: TextIO) -> None:
        super().__init__(url)
        handle.reconfigure(errors="replace")  # type: ignore[attr-defined]  # bytes that are no text are no numbers either
        self._handle = handle

    def lines(self) -> Iterator[str]:
        try:
            number = os.dup(self._handle.fileno())
        except io.UnsupportedOperation:  # a text in memory
            yield from self._handle
            return
        # A handle of its own: Python ends with a fatal error if a thread still reads sys.stdin then.
        with open(number, encoding=self._handle.encoding, errors=self._handle.errors) as own:  # noqa: PTH123 - no path
            yield from own
