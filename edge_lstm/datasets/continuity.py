"""Missing values and absent rows: filled, cut out or refused by a stated rule, so that recordings are continuous.

A gap is a run of missing steps: values marked missing, or rows absent by their times. Gaps of up to ``max_gap``
steps are filled as ``missing`` says; longer ones, and all absent rows when nothing is to be filled, are handled as
``gaps`` says. What leads a recording has no value to hold and is trimmed. Targets and labels are never filled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_lstm.datasets.spec import DataSpec
from edge_lstm.datasets.times import Times
from edge_lstm.errors import DataError
from edge_lstm.model import Float32

ABSENT = -1


@dataclass(frozen=True, eq=False)
class Rows:
    """Consecutive rows as read.

    Args:
        where: file, for messages.
        places: what to call each row in a message: its line in the file, or its step.
        channels: (C,) names.
        values: (T, C) numbers, NaN where missing.
        times: their times, or None.
    """

    where: str
    places: Sequence[int]
    channels: tuple[str, ...]
    values: NDArray[np.float64]
    times: Times | None = None


@dataclass(frozen=True, eq=False)
class Piece:
    """A continuous part of the rows.

    Args:
        rows: (P,) index of the row each step was read from, -1 for a step that was filled in.
        series: (P, C) without missing values.
        filled: how many values were filled in.
    """

    rows: NDArray[np.int64]
    series: Float32
    filled: int


def continuous(rows: Rows, spec: DataSpec) -> list[Piece]:
    """Cut the rows into continuous pieces.

    Raises:
        DataError: naming the line and column of what the rules refuse.
    """
    if spec.missing == "refuse":
        _refuse_missing(rows)
    pieces = [
        piece
        for steps in _segments(rows, spec)
        for kept in _without_long_gaps(rows, steps, spec)
        for piece in _filled(rows, kept, spec)
    ]
    if not pieces:
        empty = [name for name, column in zip(rows.channels, rows.values.T, strict=True) if np.isnan(column).all()]
        column = f"column {empty[0]!r} has no value at all" if empty else "no step has a value in every column"
        raise DataError(
            f"{rows.where}: {column}; leave it out of the features, or raise max_gap ({spec.max_gap} steps)"
        )
    return pieces


def _refuse_missing(rows: Rows) -> None:
    if not np.isnan(rows.values).any():
        return
    row, column = np.argwhere(np.isnan(rows.values))[0]
    raise DataError(
        f"{rows.where}:{rows.places[row]}: the value in column {rows.channels[column]!r} is missing "
        f"({int(np.isnan(rows.values).sum())} such values); set missing = 'hold' or 'interpolate', or remove the row"
    )


def _segments(rows: Rows, spec: DataSpec) -> Iterator[NDArray[np.int64]]:
    """Row indices between the gaps in time that are not filled, with ABSENT steps where they are."""
    count = len(rows.values)
    if rows.times is None or spec.gaps == "ignore":
        yield np.arange(count)
        return
    jumps = rows.times.jumps()
    limit = spec.max_gap if spec.missing != "refuse" else 0
    is_cut = (jumps == 0) | (jumps - 1 > limit)
    if is_cut.any() and spec.gaps == "refuse":
        _refuse_gap(rows, int(np.argmax(is_cut)), jumps, spec)
    for segment in np.split(np.arange(count), np.flatnonzero(is_cut) + 1):
        within = jumps[segment[:-1]]
        steps = np.full(int(within.sum()) + 1, ABSENT, np.int64)
        steps[np.concatenate([[0], np.cumsum(within)])] = segment
        yield steps


def _refuse_gap(rows: Rows, row: int, jumps: NDArray[np.int64], spec: DataSpec) -> None:
    place = f"{rows.where}:{rows.places[row + 1]}"
    if jumps[row] == 0:
        raise DataError(
            f"{place}: its time is not after that of the row before; sort the rows, or set gaps = 'cut' or 'ignore'"
        )
    absent = int(jumps[row]) - 1
    raise DataError(
        f"{place}: {absent} row{'s are' if absent > 1 else ' is'} absent before it by the times "
        f"(limit {spec.max_gap if spec.missing != 'refuse' else 0}); "
        "set gaps = 'cut' or 'ignore', or fill short gaps with missing = 'hold'"
    )


def _without_long_gaps(rows: Rows, steps: NDArray[np.int64], spec: DataSpec) -> Iterator[NDArray[np.int64]]:
    """Cut the steps where a channel is missing for longer than max_gap."""
    missing = np.isnan(_values(rows, steps))
    too_long = np.zeros(len(steps), bool)
    for channel in range(missing.shape[1]):
        for start, stop in _runs(missing[:, channel]):
            if start == 0 or stop - start <= spec.max_gap:  # what leads is trimmed later, however long
                continue
            if spec.gaps != "cut":
                place = steps[start:stop].max()
                raise DataError(
                    f"{rows.where}:{rows.places[place]}: column {rows.channels[channel]!r} is missing for "
                    f"{stop - start} steps up to here, max_gap is {spec.max_gap}; raise it or set gaps = 'cut'"
                )
            too_long[start:stop] = True
    for start, stop in _runs(~too_long):
        yield steps[start:stop]


def _filled(rows: Rows, steps: NDArray[np.int64], spec: DataSpec) -> Iterator[Piece]:
    values = _values(rows, steps)
    missing = np.isnan(values)
    if missing.all(axis=0).any():
        return
    start = int(np.argmin(missing, axis=0).max())
    stop = len(steps)
    if spec.missing == "interpolate":  # it never extrapolates, so the end is trimmed like the start
        stop -= int(np.argmin(missing[::-1], axis=0).max())
    if start >= stop:
        return
    for channel, unknown in enumerate(missing.T):
        values[:, channel] = _FILLS[spec.missing](values[:, channel], unknown)
    with np.errstate(over="ignore"):  # what a float32 cannot hold becomes infinite, which a recording refuses
        series = values[start:stop].astype(np.float32)
    yield Piece(steps[start:stop], series, int(missing[start:stop].sum()))


def _held(values: NDArray[np.float64], unknown: NDArray[np.bool_]) -> NDArray[np.float64]:
    last_known = np.maximum.accumulate(np.where(unknown, 0, np.arange(len(values))))
    return np.asarray(values[last_known])


def _interpolated(values: NDArray[np.float64], unknown: NDArray[np.bool_]) -> NDArray[np.float64]:
    at = np.arange(len(values))
    return np.asarray(np.interp(at, at[~unknown], values[~unknown]))


_FILLS: dict[str, Callable[[NDArray[np.float64], NDArray[np.bool_]], NDArray[np.float64]]] = {
    "refuse": lambda values, _unknown: values,
    "hold": _held,
    "interpolate": _interpolated,
}


def _values(rows: Rows, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(np.where((steps == ABSENT)[:, None], np.nan, rows.values[steps]))


def _runs(flags: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """(start, stop) of every run of true flags."""
    if not flags.any():  # nearly always: most recordings lack nothing
        return
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
