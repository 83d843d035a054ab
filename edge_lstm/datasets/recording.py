"""Recordings, and data sets made of them.

A recording is one continuous multichannel series: no gap, no missing sample, one rate. What a reader could not
make continuous it has cut or refused, so nothing behind this file handles gaps again. T = steps, C = channels,
K = targets.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.errors import DataError
from edge_lstm.model import Float32, frozen

SPLITS = ("train", "validation", "test")
"""The parts of a data set, and the only values of ``Recording.split``."""

_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories of control characters, bytes that are no UTF-8, and separators of lines and paragraphs."""

RATE_TOLERANCE = 0.03
"""Two recordings whose rates differ by more do not share a model. Times rounded to a millisecond can put the rate of
some ten rows off by a hundredth, which is no difference."""


@dataclass(frozen=True, eq=False)
class Recording:
    """One continuous series.

    Args:
        name: where it came from: a file, or a file and its rows.
        series: (T, C) samples in physical units, finite.
        rate_hz: samples a second, if known.
        label: the one label of the recording, if it has one.
        targets: (T, K) numbers a step, NaN where there is none; or (T,) labels a step, "" where there is none.
        group: who or what was recorded; recordings of one group never lie in two parts of a split.
        split: ``train``, ``validation`` or ``test`` when the data set came with a split of its own.
        context: leading steps that are history only: they enter the network and never bear a target.

    Raises:
        DataError: if a shape, a value or the split is not usable.
    """

    name: str
    series: Float32
    rate_hz: float | None = None
    label: str | None = None
    targets: NDArray[Any] | None = None
    group: str | None = None
    split: str | None = None
    context: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "series", _checked_series(self.name, self.series))
        if self.targets is not None:
            object.__setattr__(self, "targets", _checked_targets(self.name, self.targets, self.steps))
        if self.rate_hz is not None and not 0 < self.rate_hz < float("inf"):
            raise DataError(f"{self.name}: rate is {self.rate_hz} Hz; give a positive number")
        if self.split is not None and self.split not in SPLITS:
            raise DataError(f"{self.name}: split is {self.split!r}; expected one of {', '.join(SPLITS)}")
        if not 0 <= self.context < self.steps:
            raise DataError(f"{self.name}: {self.context} steps of context leave none of {self.steps} to predict")

    @property
    def steps(self) -> int:
        return int(self.series.shape[0])

    @property
    def step_labels(self) -> NDArray[np.str_] | None:
        """(T,) labels a step, or None."""
        return self.targets if self.targets is not None and self.targets.dtype.kind == "U" else None

    @property
    def step_numbers(self) -> Float32 | None:
        """(T, K) numbers a step, or None."""
        return self.targets if self.targets is not None and self.targets.dtype.kind == "f" else None

    def labels(self) -> set[str]:
        """Every label it bears, on the whole or on a step."""
        found = set() if self.step_labels is None else set(np.unique(self.step_labels).tolist()) - {""}
        return found | ({self.label} if self.label is not None else set())

    def piece(self, start: int, stop: int, context: int = 0) -> Recording:
        """Steps ``start`` to ``stop``, preceded by up to ``context`` steps of history without targets."""
        history = min(context, start)
        steps = slice(start - history, stop)
        return replace(
            self,
            name=f"{self.name}[{start}:{stop}]",
            series=self.series[steps],
            targets=None if self.targets is None else self.targets[steps],
            context=max(history, self.context - start + history),
        )


@dataclass(frozen=True, eq=False)
class Dataset:
    """Recordings of the same channels at the same rate.

    Args:
        recordings: at least one, with distinct names.
        channels: (C,) names of the channels.
        target_names: (K,) names of the numeric targets, if the recordings bear any.
        front_end: parameters of the audio front end that made the series, or None.
        notes: what the reader did to the data, each a sentence to show to the user.

    Raises:
        DataError: if the recordings do not fit together.
    """

    recordings: tuple[Recording, ...]
    channels: tuple[str, ...]
    target_names: tuple[str, ...] = ()
    front_end: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("recordings", "channels", "target_names", "notes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.recordings:
            raise DataError("a data set needs at least one recording; none was given")
        _refuse_twins("channel", self.channels)
        _refuse_twins("target", self.target_names)
        _refuse_twins("recording", tuple(r.name for r in self.recordings))
        for what, names in (("channel", self.channels), ("target", self.target_names), ("label", self.labels())):
            _refuse_unprintable(what, names)
        for recording in self.recordings:
            self._refuse_misfit(recording)

    def _refuse_misfit(self, recording: Recording) -> None:
        width = recording.series.shape[1]
        if width != len(self.channels):
            raise DataError(
                f"{recording.name}: {width} channels, but the data set has {len(self.channels)} "
                f"({shortened(self.channels)}); give every recording the same channels"
            )
        numbers = recording.step_numbers
        if numbers is not None and numbers.shape[1] != len(self.target_names):
            raise DataError(
                f"{recording.name}: {numbers.shape[1]} targets a step, but the data set names "
                f"{len(self.target_names)}; name each target once"
            )
        first = self.recordings[0]
        if (recording.rate_hz is None) != (first.rate_hz is None) or (
            recording.rate_hz and first.rate_hz and abs(recording.rate_hz / first.rate_hz - 1) > RATE_TOLERANCE
        ):
            raise DataError(
                f"{recording.name}: rate is {_rate(recording)}, but {first.name} has {_rate(first)}; "
                "resample the recordings to one rate or make two data sets"
            )

    @property
    def rate_hz(self) -> float | None:
        """The common rate: the median over the recordings, for estimated rates jitter."""
        rates = [r.rate_hz for r in self.recordings if r.rate_hz is not None]
        return float(np.median(rates)) if rates else None

    @property
    def steps(self) -> int:
        return sum(r.steps for r in self.recordings)

    def labels(self) -> tuple[str, ...]:
        """Every label in the recordings, in natural order (``2`` before ``10``)."""
        return tuple(sorted(set().union(*(r.labels() for r in self.recordings)), key=natural))

    def label_counts(self) -> dict[str, int]:
        """Recordings by their label; those without one are not counted."""
        counts = dict.fromkeys(self.labels(), 0)
        for recording in self.recordings:
            if recording.label is not None:
                counts[recording.label] += 1
        return {label: count for label, count in counts.items() if count}

    def having(self, recordings: Iterable[Recording]) -> Dataset:
        """The same channels and targets with other recordings."""
        return replace(self, recordings=tuple(recordings))

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        for text in (*self.channels, "|", *self.target_names):
            digest.update(text.encode() + b"\0")
        for r in self.recordings:
            header = (r.label, r.group, r.split, r.rate_hz, r.context, r.series.shape)
            digest.update(repr(header).encode() + b"\0" + r.series.astype("<f4").tobytes())
            if r.step_numbers is not None:
                digest.update(r.step_numbers.astype("<f4").tobytes())
            if r.step_labels is not None:
                digest.update("\0".join(r.step_labels.tolist()).encode())
        return digest.hexdigest()

    def fingerprint(self) -> str:
        """Sha256 of the content in its order: channels, samples, labels, targets, groups, splits; not of names."""
        return self._fingerprint


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that orders the numbers inside a text by value."""
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in re.split(r"(\d+)", text) if p)


def shortened(names: Iterable[str], limit: int = 8) -> str:
    """The names joined for a message, cut after ``limit``."""
    names = tuple(names)
    return ", ".join(names[:limit]) + (f", … ({len(names)} in all)" if len(names) > limit else "")


def _checked_series(name: str, series: Any) -> Float32:
    array = np.asarray(series)
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(f"{name}: series has shape {array.shape}; expected (steps, channels), at least one of each")
    with np.errstate(over="ignore"):
        checked: Float32 = frozen(array, np.float32)
    if not np.isfinite(checked).all():
        step, channel = np.argwhere(~np.isfinite(checked))[0]
        raise DataError(
            f"{name}: step {step} of channel {channel} is {array[step, channel]}; fill or remove it "
            "(data setting: missing = 'hold' or 'interpolate')"
        )
    return checked


def _checked_targets(name: str, targets: Any, steps: int) -> NDArray[Any]:
    array = np.asarray(targets)
    if array.dtype.kind in "UO" and array.ndim == 1 and len(array) == steps:
        return np.asarray(frozen(array, str))
    if array.dtype.kind not in "fiu" or array.ndim not in (1, 2) or len(array) != steps:
        raise DataError(
            f"{name}: targets have shape {array.shape} of {array.dtype}; expected ({steps},) labels "
            f"or ({steps}, targets) numbers"
        )
    with np.errstate(over="ignore"):
        numbers = np.asarray(frozen(array.reshape(steps, -1), np.float32))
    if np.isinf(numbers).any():
        raise DataError(f"{name}: step {np.argwhere(np.isinf(numbers))[0][0]} has an infinite target; remove it")
    return numbers


def _refuse_twins(what: str, names: tuple[str, ...]) -> None:
    if len(set(names)) == len(names):
        return
    twin = next(n for i, n in enumerate(names) if n in names[:i])
    raise DataError(f"{what} {twin!r} appears twice; give each {what} its own name")


def _refuse_unprintable(what: str, names: Iterable[str]) -> None:
    """A name is printed on a line of its own, found in a header, written to C and JSON: it must survive all of them."""
    for name in names:
        if not name or name != name.strip() or any(unicodedata.category(c) in _UNPRINTABLE for c in name):
            raise DataError(
                f"{what} {name!r} is empty, begins or ends with a blank, or holds a control character; rename it"
            )


def _rate(recording: Recording) -> str:
    return "unknown" if recording.rate_hz is None else f"{recording.rate_hz:g} Hz"
