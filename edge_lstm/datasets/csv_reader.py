"""Recordings from delimited text: one table with many, or a folder with one a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.datasets.columns import Columns, read_columns
from edge_lstm.datasets.continuity import ABSENT, Piece, Rows, continuous
from edge_lstm.datasets.folders import SPLIT_FOLDERS, Origin, origins
from edge_lstm.datasets.recording import Dataset, Recording, shortened
from edge_lstm.datasets.settings import suggestion
from edge_lstm.datasets.spec import DataSpec
from edge_lstm.datasets.times import Times, read_seconds, time_columns, timed
from edge_lstm.errors import DataError

SUFFIXES = (".csv", ".tsv", ".txt")


def read_csv(path: Path, spec: DataSpec) -> Dataset:
    """One file: consecutive rows with the same value in the recording (or group) column are a recording.

    Raises:
        DataError: naming file, line and column of what is wrong.
    """
    columns = read_columns(path, spec)
    channels = _channels(columns, spec)
    recordings, notes = _recordings(columns, channels, spec, Origin(path, path.name))
    return Dataset(tuple(recordings), channels, spec.target, notes=tuple(notes))


def read_csv_folder(path: Path, spec: DataSpec) -> Dataset:
    """One file a recording, below ``[training|testing/]class/``; all with the same feature columns.

    Raises:
        DataError: naming file, line and column of what is wrong.
    """
    channels: tuple[str, ...] = ()
    recordings: list[Recording] = []
    notes: list[str] = []
    for origin in origins(path, SUFFIXES[:2], spec):
        columns = read_columns(origin.path, spec)
        found = _channels(columns, spec)
        if channels and set(found) != set(channels):
            odd = sorted(set(found) ^ set(channels))[0]
            raise DataError(
                f"{origin.path}:1: its channels are {shortened(found)}, those of the files before are "
                f"{shortened(channels)}: they differ in {odd!r}; give all files the same columns, or name features"
            )
        channels = channels or found
        made, said = _recordings(columns, channels, spec, origin)
        recordings += made
        notes += said
    return Dataset(tuple(recordings), channels, spec.target, notes=tuple(notes))


def _channels(columns: Columns, spec: DataSpec) -> tuple[str, ...]:
    if spec.features:
        for name in spec.features:
            columns.text(name)
        return spec.features
    roles = {spec.label, spec.group, spec.recording, spec.split, *spec.target, *time_columns(columns, spec)}
    channels = tuple(name for name in columns.cells if name not in roles)
    if not channels:
        raise DataError(f"{columns.path}:1: every column has another role, none is left for a channel; name features")
    return channels


@dataclass(frozen=True, eq=False)
class _Read:
    """The columns of a file, parsed: (T, C) values, (T, K) targets, (T,) texts, times in seconds."""

    columns: Columns
    channels: tuple[str, ...]
    values: NDArray[np.float64]
    targets: NDArray[np.float64]
    texts: dict[str, NDArray[np.str_]]
    seconds: NDArray[np.float64] | None


def _read(columns: Columns, channels: tuple[str, ...], spec: DataSpec) -> _Read:
    def numbers(names: tuple[str, ...]) -> NDArray[np.float64]:
        parsed = [columns.numbers(name, spec) for name in names]
        return np.stack(parsed, axis=1) if parsed else np.zeros((len(columns), 0))

    roles = {"label": spec.label, "group": spec.group, "recording": spec.recording, "split": spec.split}
    texts = {role: np.array(columns.text(name)) for role, name in roles.items() if name is not None}
    times = time_columns(columns, spec) if spec.gaps != "ignore" or spec.rate_hz is None else ()
    seconds = read_seconds(columns, times, spec) if times else None
    return _Read(columns, channels, numbers(channels), numbers(spec.target), texts, seconds)


def _recordings(
    columns: Columns, channels: tuple[str, ...], spec: DataSpec, origin: Origin
) -> tuple[list[Recording], list[str]]:
    read = _read(columns, channels, spec)
    recordings: list[Recording] = []
    notes: list[str] = []
    for name, start, stop in _stretches(read, spec, origin):
        times = None if read.seconds is None else timed(read.seconds[start:stop], spec.rate_hz, str(columns.path))
        lines = columns.lines[start:stop]
        pieces = continuous(Rows(str(columns.path), lines, channels, read.values[start:stop], times), spec)
        for piece in pieces:
            own = name if len(pieces) == 1 else f"{name}[{_lines(piece, lines)}]"
            recordings.append(_recording(own, read, slice(start, stop), piece, times, spec, origin))
        notes += _note(name, pieces, stop - start, spec)
    return recordings, notes


def _stretches(read: _Read, spec: DataSpec, origin: Origin) -> Iterator[tuple[str, int, int]]:
    """(name, first row, end) of every recording in the file, before gaps are cut."""
    key = read.texts.get("recording", read.texts.get("group"))
    if key is None:
        yield origin.name, 0, len(read.columns)
        return
    column = spec.recording or spec.group
    edges = [0, *(np.flatnonzero(key[1:] != key[:-1]) + 1).tolist(), len(key)]
    seen: dict[str, int] = {}
    for start, stop in pairwise(edges):
        value = str(key[start])
        where = f"{read.columns.path}:{read.columns.lines[start]}"
        if not value:
            raise DataError(f"{where}: column {column!r} is empty; say which recording the row belongs to")
        seen[value] = seen.get(value, 0) + 1
        if seen[value] > 1 and (spec.recording is not None or stop - start == 1):
            raise DataError(
                f"{where}: {value!r} in column {column!r} comes back after other rows; sort the rows by {column!r}"
                ", or give each stretch its own value in a recording column"
            )
        yield f"{origin.name}:{value}" + (f"#{seen[value]}" if seen[value] > 1 else ""), start, stop


def _recording(
    name: str, read: _Read, rows: slice, piece: Piece, times: Times | None, spec: DataSpec, origin: Origin
) -> Recording:
    def only(role: str) -> str | None:
        return _only(read, role, rows, piece, spec)

    rate = spec.rate_hz or (1 / times.period if times is not None and times.period else None)
    group = only("group") or origin.group
    split = only("split")
    if split is not None and split.lower() not in SPLIT_FOLDERS:
        raise DataError(f"{name}: split {split!r} is not known; {suggestion(split, SPLIT_FOLDERS)}")
    label, targets = _wanted(name, read, rows, piece, spec)
    return Recording(
        name,
        piece.series,
        rate,
        label or origin.label,
        targets,
        group,
        origin.split if split is None else SPLIT_FOLDERS[split.lower()],
    )


def _wanted(
    name: str, read: _Read, rows: slice, piece: Piece, spec: DataSpec
) -> tuple[str | None, NDArray[Any] | None]:
    """The label of the recording, and the labels or numbers of its steps."""
    numbers = _at_steps(read.targets[rows], piece, np.nan) if spec.target else None
    if spec.label is None:
        return None, numbers
    labels = _at_steps(read.texts["label"][rows], piece, "")
    distinct = sorted(set(labels.tolist()) - {""})
    first = read.columns.lines[rows][piece.rows.max()]
    if not distinct:
        raise DataError(
            f"{read.columns.path}:{first}: no row of recording {name!r} has a label in column {spec.label!r}; label it"
        )
    if len(distinct) == 1 and (numbers is not None or "" not in labels):
        return distinct[0], numbers
    if numbers is not None:
        raise DataError(
            f"{read.columns.path}:{first}: recording {name!r} has a label a step ({shortened(distinct)}) "
            "and targets too; ask for one of them"
        )
    return (distinct[0] if len(distinct) == 1 else None), labels


def _at_steps(values: NDArray[Any], piece: Piece, blank: Any) -> NDArray[Any]:
    """The rows' values at a piece's steps; steps that were filled in bear none."""
    taken = values[piece.rows]
    taken[piece.rows == ABSENT] = blank
    return taken


def _only(read: _Read, role: str, rows: slice, piece: Piece, spec: DataSpec) -> str | None:
    """The one value a role's column has in a piece."""
    if role not in read.texts:
        return None
    values = read.texts[role][rows][piece.rows[piece.rows != ABSENT]]
    if (values != values[0]).any():
        row = piece.rows[piece.rows != ABSENT][int(np.argmax(values != values[0]))]
        raise DataError(
            f"{read.columns.path}:{read.columns.lines[rows][row]}: column {getattr(spec, role)!r} changes from "
            f"{values[0]!r} to {values[np.argmax(values != values[0])]!r} within a recording; "
            "keep it the same, or tell the recordings apart by a recording column"
        )
    return str(values[0]) or None


def _lines(piece: Piece, lines: tuple[int, ...]) -> str:
    rows = piece.rows[piece.rows != ABSENT]
    return f"{lines[rows[0]]}-{lines[rows[-1]]}"


def _note(name: str, pieces: list[Piece], rows: int, spec: DataSpec) -> list[str]:
    filled = sum(piece.filled for piece in pieces)
    left_out = rows - sum(int((piece.rows != ABSENT).sum()) for piece in pieces)
    notes = [f"{name}: {filled} missing values filled by {spec.missing}"] if filled else []
    if len(pieces) > 1 or left_out:
        notes.append(f"{name}: cut into {len(pieces)} continuous recordings, {left_out} of {rows} rows left out")
    return notes
