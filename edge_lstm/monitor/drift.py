"""Whether the inputs still look like the training data: histograms of each channel beside the bundle's own.

Two figures, each for what it is good at. The population stability index says how large a difference is; its limits of
0.1 and 0.25 are a convention of credit scoring (Siddiqi, *Credit Risk Scorecards*, 2006), and a normal channel has 0.25
when its mean is off by half a standard deviation. The Kolmogorov-Smirnov distance says whether a difference can be
chance; its critical value c(α) / √n holds for n independent samples, and those of a time series are not, so n is
divided by the channel's memory, measured on the training data. A channel is reported when both agree.
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

NORMAL = 3.09
"""Standard deviations that a normal value exceeds once in a thousand times, on one side."""

ENOUGH = 50
"""Independent samples before a channel is judged at all."""

WINDOW = 128
"""Independent samples of half a window: twice as many make a shift of index 0.1 more than chance."""

FEWEST = 1000
"""Samples of half a window at least, whatever the memory."""

STUCK_TIMES, STUCK_FEWEST = 10, 100
"""A value is stuck after so many times the training data's longest run of equal values, or so many steps if more."""

VERDICTS = ("learning", "steady", "drifting", "changed", "stuck")
"""``learning`` before enough samples were seen; the last three are alarms."""


@dataclass(frozen=True, eq=False)
class Reference:
    """One channel of the training data.

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


def _chi_squared(freedom: int) -> float:
    """The value that χ² exceeds once in a thousand times, by Wilson & Hilferty's cube root (1931), within 1 %."""
    spread = 2 / (9 * freedom)
    return float(freedom * (1 - spread + NORMAL * math.sqrt(spread)) ** 3)


def stability_index(shares: Float64, reference: Float64) -> float:
    """Population stability index: Σ (p - q) ln(p / q)."""
    return float(np.sum((shares - reference) * np.log(shares / reference)))


class Window:
    """Counts of all channels at once, in a window of one to two halves of each, and of the whole run.

    Args:
        found: the training data of each channel.
    """

    def __init__(self, found: Sequence[Reference]) -> None:
        bins = max(len(reference.shares) for reference in found)
        # Bins that a channel does not have lie beyond infinity, where no finite value is.
        self._edges = np.array([np.pad(r.edges, (0, bins - len(r.shares)), constant_values=np.inf) for r in found])
        self.halves = np.array([max(FEWEST, math.ceil(WINDOW * r.memory)) for r in found])
        self._before, self._now, self.run = (np.zeros((len(found), bins), np.int64) for _ in range(3))
        self._last = np.full(len(found), np.nan)
        self.equal: NDArray[np.int64] = np.zeros(len(found), np.int64)
        """(C,) how many of the newest values are the same."""

    def add(self, samples: Float64) -> None:
        """Count (N, C) physical values."""
        steps = len(samples)
        # (C, B + 1) values not below each edge, all of them above the first one and none above the last.
        above = np.zeros((len(self.run), self.run.shape[1] + 1), np.int64)
        above[:, 0] = steps
        # Steps along the last axis, which is several times faster to add up.
        above[:, 1:-1] = (samples.T.copy()[:, None] >= self._edges[:, :, None]).sum(axis=2, dtype=np.uint32)
        counts = above[:, :-1] - above[:, 1:]
        self.run += counts
        self._now += counts
        full = self._now.sum(axis=1) >= self.halves
        if full.any():
            self._before[full] = self._now[full]
            self._now[full] = 0
        self._count_equal(samples)

    @property
    def counts(self) -> NDArray[np.int64]:
        """(C, B) of the window."""
        return self._before + self._now

    def _count_equal(self, samples: Float64) -> None:
        same = samples[::-1] == samples[-1]
        unbroken = same.all(axis=0)
        goes_on = unbroken & (samples[-1] == self._last)
        self.equal = np.where(unbroken, len(samples), same.argmin(axis=0)) + np.where(goes_on, self.equal, 0)
        self._last = samples[-1].copy()


@dataclass(frozen=True, eq=False)
class Difference:
    """How far counts are from a reference.

    Args:
        samples: how many were counted.
        index: population stability index.
        distance: of Kolmogorov and Smirnov, at the edges.
        index_limit, distance_limit: what chance exceeds once in a thousand times.
    """

    samples: int
    index: float
    distance: float
    index_limit: float
    distance_limit: float

    @classmethod
    def between(cls, counts: NDArray[np.int64], reference: Reference) -> Difference | None:
        """None without a sample."""
        samples = int(counts.sum())
        if not samples:
            return None
        distance = float(np.abs(np.cumsum(counts / samples - reference.shares)).max())
        independent = samples / reference.memory
        index_limit, distance_limit = _chi_squared(len(counts) - 1) / independent, CRITICAL / math.sqrt(independent)
        return cls(samples, stability_index(_smoothed(counts), reference.shares), distance, index_limit, distance_limit)

    @property
    def verdict(self) -> str:
        """Of enough samples."""
        # The distance hardly sees a gain that changed; the index does, but chance alone gives it a size, too.
        size = self.index if self.distance > self.distance_limit else self.index - self.index_limit
        return "changed" if size >= CHANGED else "drifting" if size >= DRIFTING else "steady"


class Drift:
    """Every channel of a model."""

    def __init__(self, channels: Sequence[str], found: Sequence[Reference]) -> None:
        self._channels = dict(zip(channels, found, strict=True))
        self._window = Window(found)

    def add(self, samples: Float64) -> None:
        """Count (N, C) physical samples."""
        self._window.add(samples)

    def to_json(self) -> dict[str, Any]:
        """By channel; ``needed`` is how many samples must be seen before it is judged."""
        window = self._window
        return {
            name: _channel(reference, counts[: len(reference.shares)], run[: len(reference.shares)], int(equal))
            for (name, reference), counts, run, equal in zip(
                self._channels.items(), window.counts, window.run, window.equal, strict=True
            )
        }

    def shares(self) -> dict[str, tuple[list[float], list[float]]]:
        """By channel, the window's share of each bin and the training data's."""
        return {
            name: (
                (counts[: len(reference.shares)] / max(1, counts.sum())).tolist(),
                reference.shares.tolist(),
            )
            for (name, reference), counts in zip(self._channels.items(), self._window.counts, strict=True)
        }


def _channel(reference: Reference, counts: NDArray[np.int64], run: NDArray[np.int64], equal: int) -> dict[str, Any]:
    now, whole = Difference.between(counts, reference), Difference.between(run, reference)
    needed = math.ceil(ENOUGH * reference.memory)
    verdict = "learning" if now is None or now.samples < needed else now.verdict
    if equal > max(STUCK_FEWEST, STUCK_TIMES * reference.still):
        verdict = "stuck"
    return {
        "verdict": verdict,
        "psi": now and round(now.index, 4),
        "psi_limit": now and round(now.index_limit, 4),
        "ks": now and round(now.distance, 4),
        "ks_limit": now and round(now.distance_limit, 4),
        "samples": now.samples if now else 0,
        "needed": needed,
        "run_psi": whole and round(whole.index, 4),
        "run_ks": whole and round(whole.distance, 4),
        "equal": equal,
    }
