"""``file:PATH``: a CSV file that somebody is writing, from its beginning and on."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edge_lstm.errors import LinkError
from edge_lstm.streaming.sources.base import POLL, reason, text_of


class TailSource:
    """The lines of a growing file. A line is one when its end has been written.

    A file that was replaced (a log that was rotated) is read to its end, then the new one from its beginning; so is
    one that became shorter. One that was moved away is waited for.

    Raises:
        LinkError: if there is no such file when it is opened.
    """

    torn = False
    live = False  # a file waits

    def __init__(self, url: str, path: str) -> None:
        self.url, self._path = url, Path(path)
        self._closed = threading.Event()
        self._position = 0
        with self._open() as file:
            self._inode = os.fstat(file.fileno()).st_ino

    def lines(self) -> Iterator[str]:
        while not self._closed.is_set():
            with self._open() as file:
                found = os.fstat(file.fileno())
                if found.st_ino != self._inode or found.st_size < self._position:
                    self._position = 0
                self._inode = found.st_ino
                yield from self._lines_of(file)
            self._position = 0

    @property
    def position(self) -> str | None:
        return f"{self._inode}:{self._position}"

    def resume(self, position: str) -> None:
        inode, _, offset = position.partition(":")
        if inode == str(self._inode) and offset.isdigit():  # else another file bears the name now
            self._position = int(offset)

    def close(self) -> None:
        self._closed.set()

    def _lines_of(self, file: BinaryIO) -> Iterator[str]:
        """Until the file is replaced or becomes shorter, or the source is closed."""
        file.seek(self._position)
        while not self._closed.is_set():
            over = self._is_over(file)  # asked first: what was written before it was replaced is read below
            line = self._line(file)
            if line.endswith(b"\n"):
                self._position += len(line)
                yield text_of(line)
                continue
            if over:
                return
            file.seek(self._position)
            self._closed.wait(POLL)

    def _is_over(self, file: BinaryIO) -> bool:
        own = os.fstat(file.fileno())
        try:
            replaced = not os.path.samestat(own, self._path.stat())
        except OSError:  # moved away; another may come in its place
            replaced = False
        return replaced or own.st_size < self._position

    def _line(self, file: BinaryIO) -> bytes:
        try:
            return file.readline()
        except OSError as error:
            raise LinkError(f"{self.url}: cannot be read any more: {reason(error)}; check its disk") from error

    def _open(self) -> BinaryIO:
        try:
            return self._path.open("rb")
        except OSError as error:
            raise LinkError(f"{self.url}: cannot be opened: {reason(error)}; check the path") from error
