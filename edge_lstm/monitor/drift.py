"""Whether the inputs still look like the calibration data: histograms of each channel beside the bundle's own.

Two figures, each for what it is good at. The population stability index says how large a difference is; its limits of
0.1 and 0.25 are a convention of credit scoring (Siddiqi, *Credit Risk Scorecards*, 2006), and a normal channel has 0.25
when its mean is off by half a standard deviation. The Kolmogorov-Smirnov distance says whether a difference can be
chance; its critical value c(α) / √n holds for n independent samples, and those of a time series are not, so n is
divided by the channel's memory, measured on the calibration data. A channel is reported when both agree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.errors import BundleError
from edge_lstm.model import Float64

DRIFTING, CHANGED = 0.1, 0.25
"""Population stability index from which a channel is said to be so."""

CRITICAL = 1.95
"""c(α) of Kolmogorov's distribution at α = 0.1 %: a channel is looked at often."""

ENOUGH = 30
"""Independent samples before a channel is judged at all."""

WINDOW = 128
"""Independent samples of half a window: twice as many make a shift of index 0.1 more than chance."""

FEWEST = 1000
"""Samples of half a window at least, whatever the memory."""

STUCK_TIMES, STUCK_FEWEST = 10, 100
"""A value is stuck after so many times the calibration data's longest run of equal values, or so many steps if more."""

VERDICTS = ("learning", "steady", "drifting", "changed", "stuck")


@dataclass(frozen=True, eq=False)
class Reference:
    """One channel of the calibration data.

    Args:
        edges: (B - 1,) between bins, physical units.
        shares: (B,) of the samples, none of them 0.
        memory: samples that tell as much as an independent one.
        still: longest run of equal values.
    """

    edges: Float64
    shares: Float64
    memory: float
    still: int


def references(table: Any, channels: Sequence[str]) -> tuple[Reference, ...]:
    """The manifest's table ``drift``, as ``edge_lstm_calibration.drift_table`` made it.

    Raises:
        BundleError: if it is something else.
    """
    try:
        found = tuple(_reference(row, int(table["steps"])) for row in table["channels"])
        if len(found) != len(channels):
            raise ValueError(f"{len(found)} channels, the model has {len(channels)}")
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"manifest.json: its table 'drift' was changed ({error}); export the bundle again") from error
    return found


def _reference(row: Mapping[str, Any], steps: int) -> Reference:
    edges, shares = np.asarray(row["edges"], np.float64), np.asarray(row["shares"], np.float64)
    memory, still = float(row["memory"]), int(row["still"])
    if shares.shape != (len(edges) + 1,) or not (np.diff(edges) > 0).all() or not memory >= 1 or not still >= 1:
        raise ValueError("edges, shares, memory or still")
    return Reference(edges, _smoothed(shares * steps), memory, still)


def _smoothed(counts: Any) -> Float64:
    """Shares, none of them 0: half a sample is added to each bin."""
    counts = np.asarray(counts, np.float64) + 0.5
    return np.asarray(counts / counts.sum())


def stability_index(shares: Float64, reference: Float64) -> float:
    """Population stability index: Σ (p - q) ln(p / q)."""
    return float(np.sum((shares - reference) * np.log(shares / reference)))


class Channel:
    """The live histograms of one channel: of the run, and of a window of one to two times ``half`` samples."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self.half = max(FEWEST, math.ceil(WINDOW * reference.memory))
        self._before, self._now, self._run = (np.zeros(len(reference.shares), np.int64) for _ in range(3))
        self._last, self._equal = math.nan, 0

    def add(self, values: Float64) -> None:
        """Count (N,) physical values."""
        bins = np.searchsorted(self.reference.edges, values, side="right")
        counts = np.bincount(bins, minlength=len(self._now))
        self._run += counts
        self._now += counts
        if self._now.sum() >= self.half:
            self._before, self._now = self._now, np.zeros_like(self._now)
        self._count_equal(values)

    @property
    def window(self) -> NDArray[np.int64]:
        """(B,) counts."""
        return self._before + self._now

    def to_json(self) -> dict[str, Any]:
        window, run = self.window, self._run
        samples, limit = int(window.sum()), self.ks_limit(int(window.sum()))
        index, distance = self._figures(window)
        whole_index, whole_distance = self._figures(run)
        return {
            "verdict": self._verdict(samples, index, distance),
            "psi": index,
            "ks": distance,
            "ks_limit": limit,
            "samples": samples,
            "needed": math.ceil(ENOUGH * self.reference.memory),
            "run_psi": whole_index,
            "run_ks": whole_distance,
            "equal": self._equal,
        }

    def ks_limit(self, samples: int) -> float | None:
        """The distance that ``samples`` samples in a row exceed by chance once in a thousand times."""
        return round(CRITICAL / math.sqrt(samples / self.reference.memory), 4) if samples else None

    def _verdict(self, samples: int, index: float | None, distance: float | None) -> str:
        if self._equal > max(STUCK_FEWEST, STUCK_TIMES * self.reference.still):
            return "stuck"
        limit = self.ks_limit(samples)
        if index is None or distance is None or limit is None or samples < ENOUGH * self.reference.memory:
            return "learning"
        if distance <= limit or index < DRIFTING:
            return "steady"
        return "changed" if index >= CHANGED else "drifting"

    def _figures(self, counts: NDArray[np.int64]) -> tuple[float | None, float | None]:
        total = int(counts.sum())
        if not total:
            return None, None
        reference = self.reference.shares
        distance = float(np.abs(np.cumsum(counts / total - reference)).max())
        return round(stability_index(_smoothed(counts), reference), 4), round(distance, 4)

    def _count_equal(self, values: Float64) -> None:
        """How many of the newest values are the same."""
        last = float(values[-1])
        others = np.flatnonzero(values != last)
        if len(others):
            self._equal = len(values) - 1 - int(others[-1])
        else:
            self._equal = len(values) + (self._equal if last == self._last else 0)
        self._last = last


class Drift:
    """Every channel of a model."""

    def __init__(self, channels: Sequence[str], found: Sequence[Reference]) -> None:
        self.channels = {name: Channel(reference) for name, reference in zip(channels, found, strict=True)}

    def add(self, samples: Float64) -> None:
        """Count (N, C) physical samples."""
        for channel, values in zip(self.channels.values(), samples.T, strict=True):
            channel.add(values)

    def to_json(self) -> dict[str, Any]:
        return {name: channel.to_json() for name, channel in self.channels.items()}

    def shares(self) -> dict[str, tuple[list[float], list[float]]]:
        """By channel, the window's share of each bin and the calibration data's."""
        return {
            name: ((channel.window / max(1, channel.window.sum())).tolist(), channel.reference.shares.tolist())
            for name, channel in self.channels.items()
        }
