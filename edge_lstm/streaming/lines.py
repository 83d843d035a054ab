"""Lines of text → samples: what a sensor's log or a pipe looks like."""

from __future__ import annotations

import contextlib
import csv
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from edge_lstm.errors import InputError
from edge_lstm.streaming.counts import Counts
from edge_lstm.streaming.facts import Facts
from edge_lstm.streaming.sample import named

SEPARATORS = ("\t", ";", "|", ",")
"""Tried in this order on the first line; blanks separate when none occurs. One that gives every channel's name wins."""

TIME_COLUMN = "timestamp"
"""Found unasked, as in recordings."""

_NUMBER_STARTS = "+-.0123456789"


class Reading(NamedTuple):
    """A sample as it came.

    Args:
        values: (C,) physical, NaN where missing.
        line: counted from 1.
        time: seconds since any start; None unless times are wanted.
        position: the place behind it, where the source can be taken up again.
        arrived: when its line did, by ``time.perf_counter_ns``.
    """

    values: list[float]
    line: int
    time: float | None = None
    position: str | None = None
    arrived: int = 0


@dataclass(frozen=True)
class LineForm:
    """How lines are to be read.

    Args:
        facts: what the training data meant by a number.
        keep_missing: let missing values through as NaN; otherwise they are refused here.
        skip_malformed: pass over lines that are no samples; otherwise they are refused.
        timed: every sample needs its time.
        torn: the first line may have lost its beginning, so that it counts only if it is a header.
    """

    facts: Facts = field(default_factory=Facts)
    keep_missing: bool = False
    skip_malformed: bool = False
    timed: bool = False
    torn: bool = False


class LineReader:
    """Reads the lines of one source.

    The first line is a header if it holds nothing like a number, or names every channel; columns are then found by name
    and the others ignored. A later line that names every channel is a header too: a sensor that restarted, a log that
    was rotated. Blank lines are passed over.

    Args:
        channels: of the model, in their order.
        counts: where lines passed over are counted.
    """

    def __init__(self, channels: Sequence[str], form: LineForm | None = None, counts: Counts | None = None) -> None:
        self.header: str | None = None
        """The line that headed the columns, by which a reader can be made to go on after it."""
        self._channels, self._form, self._counts = channels, form or LineForm(), counts or Counts()
        self._separator: str | None = None
        self._columns: list[int] | None = None
        self._times: list[int] = []
        self._seconds: Callable[[str], float] | None = None
        self._width = self._number = self._step = 0

    def resume(self, header: str) -> None:
        """Go on behind a header that was read before.

        Raises:
            InputError: if it is none.
        """
        self._begin(header)

    def readings(self, lines: Iterable[str]) -> Iterator[Reading]:
        """The sample in each line.

        Raises:
            InputError: naming the line, the step and the channel at fault; a last line that was cut short is said
                to be.
        """
        for line in lines:
            reading = self.read(line)
            if reading is not None:
                yield reading

    def read(self, line: str) -> Reading | None:
        """The sample in the next line, if it holds one.

        Raises:
            InputError: as ``readings``.
        """
        self._number += 1
        if not line.strip():
            return None
        if self._form.torn and self._number == 1 and not self._is_header(line):
            self._counts.torn += 1
            return None
        try:
            return self._sample(line)
        except InputError:
            if self._is_header(line):
                self._begin(line)
                return None
            if self._columns is None or not self._form.skip_malformed:
                raise
        self._counts.malformed += 1
        return None

    def _sample(self, line: str) -> Reading | None:
        if self._columns is None and self._begin(line):
            return None
        fields, where = _fields(line, self._separator), f"line {self._number} (step {self._step})"
        if len(fields) != self._width:
            raise InputError(_wrong_width(len(fields), self._width, where, line))
        values = [self._value(fields[k], c, where) for k, c in zip(self._columns or (), self._channels, strict=True)]
        time = self._time(fields, where) if self._form.timed else None
        self._step += 1
        return Reading(values, self._number, time)

    def _begin(self, line: str) -> bool:
        """Learn the columns from a first line; whether it is a header."""
        separator = _separator(line, self._channels, self._form.facts.decimal)
        fields = _fields(line, separator)
        header = _header(fields, self._channels, self._number)
        times = self._time_columns(fields if header else []) if self._form.timed else []
        self._separator, self._times, self._seconds = separator, times, None
        self._columns = header or list(range(len(self._channels)))
        self._width = len(fields) if header else len(self._channels)
        self.header = line if header else None
        return header is not None

    def _is_header(self, line: str) -> bool:
        separator = _separator(line, self._channels, self._form.facts.decimal)
        return set(self._channels) <= set(_fields(line, separator))

    def _time_columns(self, fields: list[str]) -> list[int]:
        asked = self._form.facts.timestamp
        unasked = [name for name in fields if name.lower() == TIME_COLUMN and name not in self._channels][:1]
        names = asked if asked else unasked
        if not names or not set(names) <= set(fields):
            raise InputError(
                f"line {self._number}: gaps are found by times, and no header names a column "
                f"{named(asked or (TIME_COLUMN,))}; add it, or choose --reset never"
            )
        return [fields.index(name) for name in names]

    def _value(self, field: str, channel: str, where: str) -> float:
        facts = self._form.facts
        value = _parsed(field if facts.decimal == "." else field.replace(facts.decimal, "."))
        if value is not None and value != facts.missing_value:
            return value
        if self._form.keep_missing and (value is not None or _stands_for_missing(field)):
            return math.nan
        if value is not None:
            raise InputError(
                f"{where}, channel {channel}: {field} stands for a missing value in the training data; "
                "choose --missing hold or --missing skip"
            )
        found = repr(field) if field else "nothing"
        raise InputError(f"{where}, channel {channel}: {found} is not a number; repair or drop this line")

    def _time(self, fields: list[str], where: str) -> float:
        cell = " ".join(fields[k] for k in self._times)
        try:
            parse = self._seconds or self._time_parser(cell)
            seconds, self._seconds = parse(cell), parse
        except ValueError:
            seconds = math.nan
        if not math.isfinite(seconds):
            raise InputError(f"{where}: {cell!r} is not a time like those of the training data; repair this line")
        return seconds

    def _time_parser(self, cell: str) -> Callable[[str], float]:
        from edge_lstm.datasets.times import time_parser  # loaded by streams that look at times

        return time_parser(cell, self._form.facts.time_format, self._form.facts.time_unit)


def samples(lines: Iterable[str], channels: Sequence[str]) -> Iterator[list[float]]:
    """The sample (C,) in each line, in the order of ``channels``; every line must hold one.

    Raises:
        InputError: as ``LineReader.readings``.
    """
    return (reading.values for reading in LineReader(channels).readings(lines))


def _separator(line: str, channels: Sequence[str], decimal: str) -> str | None:
    found = [s for s in SEPARATORS if s in line and (s != decimal)]
    return next((s for s in found if set(channels) <= set(_fields(line, s))), found[0] if found else None)


def _fields(line: str, separator: str | None) -> list[str]:
    text = line.strip("\r\n\ufeff")
    if separator is not None and '"' in text:
        with contextlib.suppress(csv.Error):  # what is no CSV is cut like any other text
            return [field.strip() for field in next(csv.reader([text], delimiter=separator, skipinitialspace=True))]
    return [field.strip().strip('"') for field in text.split(separator)]


def _header(fields: list[str], channels: Sequence[str], number: int) -> list[int] | None:
    """(C,) column of each channel, or None if the line is a sample."""
    if not set(channels) <= set(fields):
        if any(not field or field[0] in _NUMBER_STARTS or _parsed(field) is not None for field in fields):
            return None
        missing = next(channel for channel in channels if channel not in fields)
        raise InputError(f"line {number}: the header has no channel {missing!r}, only {named(fields)}; add it")
    twins = [channel for channel in channels if fields.count(channel) > 1]
    if twins:
        raise InputError(f"line {number}: the header names channel {twins[0]!r} twice; name it once")
    return [fields.index(channel) for channel in channels]


def _parsed(field: str) -> float | None:
    try:
        # Python reads 1_000 as a thousand; no sensor writes it.
        return None if "_" in field else float(field)
    except ValueError:
        return None


def _stands_for_missing(field: str) -> bool:
    from edge_lstm.datasets.columns import MISSING_CELLS  # loaded by streams that let such cells through

    return field.lower() in MISSING_CELLS


def _wrong_width(found: int, expected: int, where: str, line: str) -> str:
    if found < expected and not line.endswith("\n"):
        return f"{where}: the last line is cut short: {found} of {expected} values; send it whole"
    return f"{where}: {found} values where {expected} are expected; check channels and separator"
