"""Lines of text → samples: what a sensor's log or a pipe looks like."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterable, Iterator, Sequence

from edge_lstm.errors import InputError
from edge_lstm.streaming.sample import named

SEPARATORS = ("\t", ";", "|", ",")
"""Tried in this order on the first line; blanks separate when none occurs. One that gives every channel's name wins."""

_NUMBER_STARTS = "+-.0123456789"


def samples(lines: Iterable[str], channels: Sequence[str]) -> Iterator[list[float]]:
    """The sample (C,) in each line, in the order of ``channels``.

    The first line is a header if it holds nothing like a number, or names every channel; columns are then found by name
    and the others ignored. Blank lines are passed over.

    Raises:
        InputError: naming the line, the step and the channel at fault; a last line that was cut short is said to be.
    """
    separator: str | None = None
    columns: list[int] | None = None
    step = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if columns is None:
            separator = _separator(line, channels)
            header = _header(_fields(line, separator), channels, number)
            columns = header or list(range(len(channels)))
            width = len(_fields(line, separator)) if header else len(channels)
            if header:
                continue
        fields = _fields(line, separator)
        if len(fields) != width:
            raise InputError(_wrong_width(len(fields), width, number, step, line))
        yield [_number(fields[k], channel, number, step) for k, channel in zip(columns, channels, strict=True)]
        step += 1


def _separator(line: str, channels: Sequence[str]) -> str | None:
    found = [s for s in SEPARATORS if s in line]
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


def _number(field: str, channel: str, number: int, step: int) -> float:
    value = _parsed(field)
    if value is None:
        found = repr(field) if field else "nothing"
        raise InputError(
            f"line {number} (step {step}), channel {channel}: {found} is not a number; repair or drop this line"
        )
    return value


def _wrong_width(found: int, expected: int, number: int, step: int, line: str) -> str:
    if found < expected and not line.endswith("\n"):
        return f"line {number} (step {step}): the last line is cut short: {found} of {expected} values; send it whole"
    return f"line {number} (step {step}): {found} values where {expected} are expected; check channels and separator"
