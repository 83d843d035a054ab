"""Observers: from what a tensor held to the range its integers shall span.

Each takes a histogram and a channel and gives (low, high). ``min-max`` keeps everything; the others give up rare
values for a finer step.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edge_lstm.errors import CalibrationError
from edge_lstm.model import Float64
from edge_lstm_calibration.histogram import Histogram

Range = tuple[float, float]
Observer = Callable[[Histogram, int], Range]

_CANDIDATES, _SHRINK = 80, 0.95
_LEVELS = 256


def min_max(histogram: Histogram, channel: int = 0) -> Range:
    """Everything that was seen."""
    return float(histogram.low[channel]), float(histogram.high[channel])


def percentile(histogram: Histogram, channel: int = 0, kept: float = 99.99) -> Range:
    """All but the outer ``100 - kept`` per cent, half of it at each end."""
    counts = histogram.counts[channel]
    share = np.cumsum(counts) / counts.sum()
    tail = (1.0 - kept / 100.0) / 2.0
    centres, occupied = histogram.centres(channel), np.flatnonzero(counts)
    first, last = np.searchsorted(share, tail, side="right"), np.searchsorted(share, 1.0 - tail, side="left")
    seen_low, seen_high = min_max(histogram, channel)
    # Where nothing is given up the extreme itself is known, and not only its bin: a flag keeps its two exact values.
    low = seen_low if first <= occupied[0] else centres[first]
    high = seen_high if last >= occupied[-1] else centres[last]
    return _inside(histogram, channel, low, high)


def mean_squared_error(histogram: Histogram, channel: int = 0) -> Range:
    """The clipping that makes 8-bit rounding and clipping errors, squared and summed, least."""
    return _best(histogram, channel, _squared_error)


def entropy(histogram: Histogram, channel: int = 0) -> Range:
    """The clipping whose 8-bit distribution has the least Kullback-Leibler divergence from the seen one.

    After Migacz, "8-bit inference with TensorRT" (2017), on signed histograms.
    """
    return _best(histogram, channel, _divergence)


def _best(histogram: Histogram, channel: int, cost: Callable[[Float64, Float64, float, float], float]) -> Range:
    """The cheapest of the ranges cut off at ever smaller magnitudes."""
    low, high = min_max(histogram, channel)
    counts, centres = histogram.counts[channel].astype(np.float64), histogram.centres(channel)
    limits = max(abs(low), abs(high)) * _SHRINK ** np.arange(_CANDIDATES)
    ranges = [(max(low, -limit), min(high, limit)) for limit in limits]
    costs = [cost(counts, centres, a, b) if b > a else np.inf for a, b in ranges]
    return _inside(histogram, channel, *ranges[int(np.argmin(costs))])


def _squared_error(counts: Float64, centres: Float64, low: float, high: float) -> float:
    step = (high - low) / (_LEVELS - 1)
    clipped = np.clip(centres, low, high)
    return float((counts * (centres - clipped) ** 2).sum() + counts.sum() * step**2 / 12.0)


def _divergence(counts: Float64, centres: Float64, low: float, high: float) -> float:
    inside = (centres >= low) & (centres <= high)
    if inside.sum() < 2:
        return float(np.inf)
    p = counts[inside].copy()
    p[0] += counts[centres < low].sum()
    p[-1] += counts[centres > high].sum()
    # The coarse distribution: counts pooled in 256 levels, spread evenly over the bins that were not empty.
    level = np.minimum((np.arange(p.size) * _LEVELS) // p.size, _LEVELS - 1)
    pooled = np.bincount(level, weights=counts[inside], minlength=_LEVELS)
    occupied = np.bincount(level, weights=counts[inside] > 0, minlength=_LEVELS)
    q = np.where(counts[inside] > 0, pooled[level] / np.maximum(occupied[level], 1), 0.0)
    seen = (p > 0) & (q > 0)
    p, q = p / p.sum(), q / max(q.sum(), 1.0)
    lost = p[~seen].sum()
    return float((p[seen] * np.log(p[seen] / q[seen])).sum() + lost * 30.0)


def _inside(histogram: Histogram, channel: int, low: float, high: float) -> Range:
    seen_low, seen_high = min_max(histogram, channel)
    return max(float(low), seen_low), min(float(high), seen_high)


OBSERVERS: dict[str, Observer] = {
    "min-max": min_max,
    "percentile": percentile,
    "mse": mean_squared_error,
    "entropy": entropy,
}


def observer(name: str, kept: float = 99.99) -> Observer:
    """The observer of that name; ``kept`` is the percentage a percentile observer keeps."""
    if name not in OBSERVERS:
        raise CalibrationError(f"observer {name!r} is not known; choose one of {', '.join(OBSERVERS)}")
    if not 50.0 < kept <= 100.0:
        raise CalibrationError(f"percentile {kept} is outside 50..100; 99.99 is usual")
    if name == "percentile":
        return lambda histogram, channel: percentile(histogram, channel, kept)
    return OBSERVERS[name]
