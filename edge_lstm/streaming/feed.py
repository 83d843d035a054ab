"""A bounded queue between a source that does not wait and a model that may be slower."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from edge_lstm.streaming.counts import Counts
from edge_lstm.streaming.lines import Reading


class Feed:
    """Reads in a thread of its own; when the queue is full, its oldest sample gives way and is counted.

    Args:
        readings: the source's; only the thread touches them.
        size: samples that may wait.
    """

    def __init__(self, readings: Iterator[Reading], size: int, counts: Counts) -> None:
        self._readings, self._size, self._counts = readings, size, counts
        self._waiting: deque[Reading] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._read, name="edge-lstm source", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Reading]:
        """The samples in order, then the source's end or the error that ended it."""
        while True:
            with self._changed:
                while not self._waiting and not self._ended:
                    self._changed.wait()
                if not self._waiting:
                    break
                reading = self._waiting.popleft()
            yield reading
        if self._error is not None:
            raise self._error

    def join(self, seconds: float) -> None:
        """Wait for the thread, after the source was closed."""
        self._thread.join(seconds)

    def _read(self) -> None:
        try:
            for reading in self._readings:
                self._put(reading)
        except Exception as error:  # whatever it is, it is raised where the samples are taken
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _put(self, reading: Reading) -> None:
        with self._changed:
            if len(self._waiting) >= self._size:
                self._waiting.popleft()
                self._counts.dropped += 1
            self._waiting.append(reading)
            self._changed.notify()
