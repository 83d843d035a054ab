"""Times in buckets that widen with them: fixed memory, and quantiles within a stated share of the truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOWEST_NS = 1_000
"""Upper end of the first bucket: 1 µs."""

OCTAVES = 24
"""Doublings above it, to 16.8 s; the last bucket is open."""

PER_OCTAVE = 16
"""Buckets a doubling. A quantile is given as its bucket's middle, so it is off by 2^(1/32) at most: 2.2 %."""

_BUCKETS = OCTAVES * PER_OCTAVE + 2


@dataclass
class TimeHistogram:
    """Counts of times in ns. Bucket k holds ``(bound(k - 1), bound(k)]``; count, sum and extremes are exact."""

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_BUCKETS, np.int64))
    total_ns: int = 0
    lowest_ns: int | None = None
    highest_ns: int = 0

    @classmethod
    def of(cls, times_ns: NDArray[np.int64]) -> TimeHistogram:
        """Of (N,) times, N not 0."""
        # A bound itself belongs below it, as Prometheus' "less or equal" has it.
        places = np.ceil(np.log2(np.maximum(times_ns, 1) / LOWEST_NS) * PER_OCTAVE).astype(np.int64)
        counts = np.bincount(np.minimum(np.maximum(places, 0), _BUCKETS - 1), minlength=_BUCKETS)
        return cls(counts, int(times_ns.sum()), int(times_ns.min()), int(times_ns.max()))

    def add(self, other: TimeHistogram) -> None:
        """Count what another counted."""
        self.counts += other.counts
        self.total_ns += other.total_ns
        lows = [low for low in (self.lowest_ns, other.lowest_ns) if low is not None]
        self.lowest_ns = min(lows, default=None)
        self.highest_ns = max(self.highest_ns, other.highest_ns)

    @property
    def count(self) -> int:
        return int(self.counts.sum())

    @property
    def mean_ns(self) -> float | None:
        return self.total_ns / self.count if self.count else None

    def quantile_ns(self, share: float) -> float | None:
        """The time that ``share`` of all times do not exceed; None before the first."""
        if self.lowest_ns is None:
            return None
        rank = max(1, int(np.ceil(share * self.count)))
        place = int(np.searchsorted(np.cumsum(self.counts), rank))
        middle = LOWEST_NS * 2.0 ** ((place - 0.5) / PER_OCTAVE)
        # What lies in an open bucket is not known better than by the extremes, which are exact.
        if place == 0:
            middle = self.lowest_ns
        elif place == _BUCKETS - 1:
            middle = self.highest_ns
        return float(min(max(middle, self.lowest_ns), self.highest_ns))

    def cumulative(self) -> list[tuple[float, int]]:
        """(seconds, how many times do not exceed them), at each doubling."""
        ends = np.cumsum(self.counts)
        return [(LOWEST_NS * 2**k / 1e9, int(ends[k * PER_OCTAVE])) for k in range(OCTAVES + 1)]

    def summary_us(self) -> dict[str, Any]:
        """Count, mean, p50, p90, p99 and max, µs."""
        figures = {"mean_us": self.mean_ns} | {f"p{q}_us": self.quantile_ns(q / 100) for q in (50, 90, 99)}
        figures["max_us"] = self.highest_ns if self.count else None
        return {"count": self.count} | {k: None if v is None else round(v / 1e3, 1) for k, v in figures.items()}
