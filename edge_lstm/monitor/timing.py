"""When samples arrive, how long each waits for its prediction, and which are late."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.monitor.histogram import TimeHistogram

Times = NDArray[np.int64]


@dataclass
class Deadlines:
    """Steps that took longer than they may, and the longest run of them.

    Args:
        limit_ns: None for no limit.
    """

    limit_ns: float | None
    missed: int = 0
    longest_run: int = 0
    _run: int = 0

    def add(self, times_ns: Times) -> None:
        if self.limit_ns is None:
            return
        late = times_ns > self.limit_ns
        if not late.any():
            self._run = 0
            return
        self.missed += int(late.sum())
        # Lengths of the runs between the steps that were in time; the run before goes on in the first.
        in_time = np.flatnonzero(~late)
        ends = np.concatenate([[-1 - self._run], in_time, [len(late)]])
        runs = np.diff(ends) - 1
        self.longest_run, self._run = max(self.longest_run, int(runs.max())), int(runs[-1])


@dataclass
class Arrivals:
    """Gaps between samples, over an interval.

    Args:
        period_ns: between two samples of the model's rate; None if the model has none.
    """

    period_ns: float | None
    last: int | None = None
    gaps: int = 0
    _sum: float = 0.0
    _squares: float = 0.0
    longest_ns: int = 0

    def add(self, arrived: Times) -> None:
        if self.last is not None:
            arrived = np.concatenate([[self.last], arrived])
        if len(arrived) > 1:
            gaps = (arrived[1:] - arrived[:-1]).astype(np.float64)
            self.gaps += len(gaps)
            self._sum += float(gaps.sum())
            self._squares += float(gaps @ gaps)
            self.longest_ns = max(self.longest_ns, int(gaps.max()))
        self.last = int(arrived[-1])

    def after(self) -> Arrivals:
        """Gaps of the next interval."""
        return Arrivals(self.period_ns, self.last)

    def to_json(self) -> dict[str, Any]:
        """``jitter_us``: root of the mean squared difference between a gap and the model's period, or the mean gap."""
        if not self.gaps:
            return {"rate_hz": None, "jitter_us": None, "longest_gap_us": None}
        mean = self._sum / self.gaps
        wanted = mean if self.period_ns is None else self.period_ns
        squared = self._squares / self.gaps - 2 * wanted * mean + wanted**2
        return {
            "rate_hz": float(f"{1e9 / mean:.5g}") if mean else None,
            "jitter_us": round(math.sqrt(max(squared, 0.0)) / 1e3, 1),
            "longest_gap_us": round(self.longest_ns / 1e3, 1),
        }


@dataclass
class Timing:
    """Latencies and arrivals, of the whole run and of the interval that ``restart`` began."""

    deadline_ms: float | None
    rate_hz: float | None
    run: TimeHistogram = field(default_factory=TimeHistogram)
    recent: TimeHistogram = field(default_factory=TimeHistogram)

    def __post_init__(self) -> None:
        self.deadlines = Deadlines(None if self.deadline_ms is None else self.deadline_ms * 1e6)
        self.arrivals = Arrivals(None if self.rate_hz is None else 1e9 / self.rate_hz)

    def add(self, arrived: Times, done: Times) -> None:
        """Count (N,) steps by the clock's ns at which samples arrived and predictions were made."""
        taken = done - arrived
        counted = TimeHistogram.of(taken)
        self.run.add(counted)
        self.recent.add(counted)
        self.deadlines.add(taken)
        self.arrivals.add(arrived)

    def restart(self) -> None:
        """Begin a new interval."""
        self.recent, self.arrivals = TimeHistogram(), self.arrivals.after()

    def to_json(self) -> dict[str, Any]:
        deadlines = {
            "deadline_ms": self.deadline_ms,
            "missed": self.deadlines.missed if self.deadline_ms is not None else None,
            "longest_missed_run": self.deadlines.longest_run if self.deadline_ms is not None else None,
        }
        return {
            "latency": {**self.run.summary_us(), **deadlines},
            "recent": self.recent.summary_us(),
            "arrival": {"model_hz": self.rate_hz, **self.arrivals.to_json()},
        }
