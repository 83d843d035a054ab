"""A delimited text file as named columns of cells, each cell with the line it stands on."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_lstm.datasets.recording import shortened
from edge_lstm.datasets.settings import suggestion
from edge_lstm.datasets.spec import DataSpec
from edge_lstm.errors import DataError

SEPARATORS = (",", ";", "\t", "|")

MISSING_CELLS = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})
"""Cells, in lower case, that stand for a missing value."""


@dataclass(frozen=True, eq=False)
class Columns:
    """The cells of a file, column by column.

    Args:
        path: the file, for messages.
        cells: name of a column → its cells.
        lines: the file's line of every row, counted from 1.
    """

    path: Path
    cells: dict[str, tuple[str, ...]]
    lines: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.lines)

    def text(self, name: str) -> list[str]:
        """The cells of a column, without surrounding blanks.

        Raises:
            DataError: if there is no such column.
        """
        if name not in self.cells:
            raise DataError(f"{self.path}:1: column {name!r} is not in the header; {suggestion(name, self.cells)}")
        return [cell.strip() for cell in self.cells[name]]

    def numbers(self, name: str, spec: DataSpec) -> NDArray[np.float64]:
        """(T,) the cells of a column as numbers, NaN where the value is missing.

        Raises:
            DataError: naming line and column of a cell that is not a finite number.
        """
        cells = self.text(name)
        if spec.decimal != ".":
            cells = [cell.replace(spec.decimal, ".") for cell in cells]
        values = np.array([_number(cell) for cell in cells], np.float64)
        wrong = np.flatnonzero(np.abs(values) > np.finfo(np.float32).max)
        if len(wrong):
            raise DataError(
                f"{self.path}:{self.lines[wrong[0]]}: {cells[wrong[0]]!r} in column {name!r} is not a finite number; "
                "correct it, or leave the column out of the features"
            )
        if spec.missing_value is not None:
            values[values == spec.missing_value] = np.nan
        return values


def read_columns(path: Path, spec: DataSpec) -> Columns:
    """Read a file with a header line; separators ``, ; tab |`` are found by themselves.

    Raises:
        DataError: if the file is empty, is not text, has no usable header, or has a row of another width.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = _header_line(path, file.readline())
            file.seek(0)
            reader = csv.reader(file, delimiter=spec.separator or _separator(header), strict=True)
            rows = _without_blank_lines([(reader.line_num, row) for row in reader])
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8 text; save the file as UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: {error}; repair the quotes of that line") from error
    except OSError as error:
        raise DataError(f"{path}: it cannot be read ({error.strerror}); check the path") from error
    names = tuple(cell.strip() for cell in rows[0][1])
    _refuse_header(path, names)
    if len(rows) == 1:
        raise DataError(f"{path}: it has a header but no rows; expected at least one")
    for line, row in rows[1:]:
        if len(row) != len(names):
            raise DataError(
                f"{path}:{line}: row has {len(row)} cells, but the header names {len(names)}; complete or remove it"
            )
    columns = dict(zip(names, _transposed(rows[1:]), strict=True))
    return Columns(path, columns, tuple(line for line, _ in rows[1:]))


def _without_blank_lines(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Leave out blank lines, except inside a single column, where such a line is a missing value."""
    while len(rows) > 1 and not "".join(rows[-1][1]).strip():
        rows.pop()
    if len(rows[0][1]) == 1:
        return [(line, row or [""]) for line, row in rows]
    return [(line, row) for line, row in rows if len(row) > 1 or "".join(row).strip()]


def _transposed(rows: list[tuple[int, list[str]]]) -> Iterator[tuple[str, ...]]:
    return zip(*(row for _, row in rows), strict=True)


def _header_line(path: Path, line: str) -> str:
    if not line.strip():
        raise DataError(f"{path}:1: the first line is empty; expected a header that names the columns")
    return line


def _separator(header: str) -> str:
    """The separator that splits the header most; a comma for a single column."""
    return max(SEPARATORS, key=header.count)


def _refuse_header(path: Path, names: tuple[str, ...]) -> None:
    if all(_is_number(name) for name in names):
        raise DataError(f"{path}:1: the first line holds only numbers ({shortened(names)}); put a header above it")
    for index, name in enumerate(names):
        if not name:
            raise DataError(f"{path}:1: column {index + 1} has no name; name it or remove it")
        if name in names[:index]:
            raise DataError(f"{path}:1: column {name!r} appears twice; give each column its own name")


def _number(cell: str) -> float:
    """NaN for a missing value, infinity for what is not a number."""
    try:
        value = float(cell)
    except ValueError:
        return np.nan if cell.lower() in MISSING_CELLS else np.inf
    return np.inf if "_" in cell else value  # float() takes 1_000 for a thousand


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
