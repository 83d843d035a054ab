"""``iio:FOLDER[?rate=10]``: the text files of a Linux sensor, read at a steady rate.

A channel ``accel_x`` is read from ``in_accel_x_input``, or from ``in_accel_x_raw`` as (raw + offset) · scale, with the
``_offset`` and ``_scale`` of the channel or of its kind (``in_accel_scale``); or from a file of the channel's own name.
Source of names and formula: Linux, Documentation/ABI/testing/sysfs-bus-iio.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_lstm.errors import LinkError
from edge_lstm.streaming.counts import Counts
from edge_lstm.streaming.sources.base import Wire, reason

RATE = 10.0
"""Readings a second, when none is asked for."""


@dataclass(frozen=True)
class _Channel:
    """A file, and what makes its number a physical value: (number + offset) · scale."""

    file: Path
    offset: float = 0.0
    scale: float = 1.0


class IioSource(Wire):
    """A line of values every 1/rate seconds, in the order of the channels.

    Args:
        folder: of the sensor, such as ``/sys/bus/iio/devices/iio:device0``.
        counts: where readings that a slow sensor made impossible are counted.

    Raises:
        LinkError: if the folder lacks a channel.
    """

    def __init__(self, url: str, folder: str, channels: Sequence[str], counts: Counts, rate: float = RATE) -> None:
        super().__init__(url)
        self._channels = [self._find(Path(folder), name) for name in channels]
        self._counts, self._period = counts, 1 / rate

    def lines(self) -> Iterator[str]:
        due = time.monotonic()
        while not self._closed.wait(max(0.0, due - time.monotonic())):
            yield ";".join(repr((self._number(c.file) + c.offset) * c.scale) for c in self._channels) + "\n"
            due += self._period
            behind = int((time.monotonic() - due) / self._period)
            if behind > 0:
                self._counts.late += behind
                due += behind * self._period

    def _find(self, folder: Path, channel: str) -> _Channel:
        for name in (f"in_{channel}_input", channel):
            if (folder / name).is_file():
                return _Channel(folder / name)
        raw = folder / f"in_{channel}_raw"
        if not raw.is_file():
            raise LinkError(f"{self.url}: has no file in_{channel}_raw, in_{channel}_input or {channel}; check it")
        return _Channel(raw, self._fact(folder, channel, "offset", 0.0), self._fact(folder, channel, "scale", 1.0))

    def _fact(self, folder: Path, channel: str, what: str, fallback: float) -> float:
        kind = channel.rpartition("_")[0] or channel
        files = (folder / f"in_{name}_{what}" for name in (channel, kind))
        return next((self._number(file) for file in files if file.is_file()), fallback)

    def _number(self, file: Path) -> float:
        try:
            return float(file.read_text())
        except OSError as error:
            raise self.gone(f"{file.name}: {reason(error)}", "check the sensor and start again") from error
        except ValueError as error:
            raise self.gone(f"{file.name}: {error}", "check the sensor and start again") from error
