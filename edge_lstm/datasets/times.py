"""Timestamps: read, checked, and turned into a rate and into the rows that are absent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from edge_lstm.datasets.columns import Columns
from edge_lstm.datasets.spec import DataSpec
from edge_lstm.errors import DataError

DEFAULT_COLUMN = "timestamp"

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}

GAP = 1.5
"""A pause longer than this many periods is a gap; shorter ones are jitter."""

RATE_DISAGREES = 0.05
"""Greatest relative difference between the stated rate and the one the times show."""


@dataclass(frozen=True, eq=False)
class Times:
    """Times of consecutive rows.

    Args:
        seconds: (T,) since any start.
        period: seconds from row to row, pauses left out; None if a single row says nothing.
    """

    seconds: NDArray[np.float64]
    period: float | None

    def jumps(self) -> NDArray[np.int64]:
        """(T - 1,) periods from each row to the next: k if k - 1 rows are absent, 0 if time did not advance."""
        steps = np.diff(self.seconds)
        if self.period is None:
            return np.ones(0, np.int64)
        ratio = steps / self.period
        jumps = np.where(ratio > GAP, np.rint(ratio), 1)
        return np.where(steps > 0, jumps, 0).astype(np.int64)


def time_columns(columns: Columns, spec: DataSpec) -> tuple[str, ...]:
    """The columns that hold the time: those asked for, else one called ``timestamp``."""
    if spec.timestamp:
        return spec.timestamp
    taken = (*spec.features, *spec.target, spec.label, spec.group, spec.recording, spec.split)
    return tuple(name for name in columns.cells if name.lower() == DEFAULT_COLUMN and name not in taken)[:1]


def read_seconds(columns: Columns, names: tuple[str, ...], spec: DataSpec) -> NDArray[np.float64]:
    """(T,) times of all rows in seconds.

    Raises:
        DataError: naming the line of a time that cannot be read.
    """
    cells = [" ".join(parts) for parts in zip(*(columns.text(name) for name in names), strict=True)]
    parse = time_parser(cells[0], spec.time_format, spec.time_unit)
    seconds = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            seconds[row] = parse(cell)
        except ValueError:
            seconds[row] = np.nan
        if not np.isfinite(seconds[row]):
            expected = spec.time_format or f"a number in {spec.time_unit}, or ISO 8601 like the first row"
            raise DataError(f"{columns.path}:{columns.lines[row]}: {cell!r} is not a time; expected {expected}")
    return seconds


def timed(seconds: NDArray[np.float64], rate_hz: float | None, where: str) -> Times:
    """Estimate the period of some rows, or check it against the rate that was stated.

    Raises:
        DataError: if the times show another rate than was stated.
    """
    steps = np.diff(seconds)
    steps = steps[steps > 0]
    if not len(steps):
        return Times(seconds, None if rate_hz is None else 1 / rate_hz)
    # The mean without the pauses: times rounded to a millisecond have a median that is off by up to half of one.
    period = float(steps[steps <= GAP * np.median(steps)].mean())
    if rate_hz is not None and abs(period * rate_hz - 1) > RATE_DISAGREES:
        raise DataError(
            f"{where}: the times show {1 / period:.6g} Hz, but rate_hz is {rate_hz:g}; correct rate_hz or time_unit"
        )
    return Times(seconds, period)


def time_parser(first: str, time_format: str | None, time_unit: str) -> Callable[[str], float]:
    """What reads times like the first one, in seconds; it raises ValueError for what is none."""
    if time_format is not None:
        return lambda cell: _seconds(datetime.strptime(cell, time_format))
    try:
        float(first)
    except ValueError:
        return lambda cell: _seconds(datetime.fromisoformat(cell))
    unit = SECONDS[time_unit]
    return lambda cell: float(cell) * unit


def _seconds(time: datetime) -> float:
    """A time without a zone is taken as UTC, which has no daylight saving to jump."""
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
