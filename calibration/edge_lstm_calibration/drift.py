"""What a bundle says of the data it was made from, so that a device can tell when its own inputs have left it.

For each channel: edges between bins of equal shares, the shares, and two figures of its habits. *memory* is how many
samples in a row tell as much as one drawn at random: samples of a time series resemble their neighbours, so n of them
are worth n / memory, and a test that takes them for n sees drift everywhere. *still* is the longest run of equal
values, by which a sensor at rest is told from a stuck one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.model import Float64

BINS = 10
"""Deciles, for which the usual limits of the population stability index were found."""

BLOCKS = 4
"""Fewest blocks whose means still tell how much means scatter."""


def drift_table(recordings: Sequence[NDArray[Any]]) -> dict[str, Any]:
    """The manifest's table ``drift``: ``steps``, and of each channel ``edges``, ``shares``, ``memory`` and ``still``.

    Edges are in physical units; bin k holds ``edges[k - 1] <= x < edges[k]``, the first and the last are open. A
    channel with few values has fewer bins; a constant one has three, of which the middle holds everything.

    Args:
        recordings: (T, C) physical, in the order of their recording and none left out: what lasts over several of them
            is memory, too.
    """
    # One channel at a time: in float64, all of them may be more than the computer holds.
    channels = (np.concatenate([r[:, k] for r in recordings], dtype=np.float64) for k in range(recordings[0].shape[1]))
    return {"steps": sum(map(len, recordings)), "channels": [_channel(values) for values in channels]}


def _channel(values: Float64) -> dict[str, Any]:
    edges = _edges(values)
    bins = np.searchsorted(edges, values, side="right")
    # Counted against the edges as they are written, so that rounding them moves no value to the neighbouring bin.
    shares = np.bincount(bins, minlength=len(edges) + 1) / len(values)
    return {
        "edges": edges,
        "shares": [round(float(share), 5) for share in shares],
        "memory": round(_memory(bins, shares), 1),
        "still": _longest_run(values),
    }


def _edges(values: Float64) -> list[float]:
    """Edges that cut ``values`` into bins of shares as equal as their ties allow."""
    distinct, counts = np.unique(values, return_counts=True)
    below = np.cumsum(counts)[:-1] / len(values)
    if not len(below):
        margin = max(abs(float(distinct[0])) * 1e-6, 1e-12)  # more than float32 and a decimal text differ by
        return [float(distinct[0]) - margin, float(distinct[0]) + margin]
    wanted = np.arange(1, BINS) / BINS
    chosen = np.unique(np.abs(below[None] - wanted[:, None]).argmin(axis=1))
    # Half-way between two values: a sensor's quantum never lies on an edge, whichever way it was rounded.
    return sorted({_short(distinct[k], distinct[k + 1]) for k in chosen})


def _short(low: float, high: float) -> float:
    """The number of fewest digits, at least 4, that lies between two; the upper one if none does."""
    middle = (low + high) / 2
    shorter = (float(f"{middle:.{digits}g}") for digits in range(4, 18))
    return next((number for number in shorter if low < number <= high), high)


def _memory(bins: Any, shares: Float64) -> float:
    """How much more the means of blocks scatter than they would of independent samples: the largest factor found.

    Of ranks, which see a level that lasts, and of their distance from the middle, which sees a loudness that lasts.
    """
    ranks = (np.cumsum(shares) - shares / 2)[bins]
    return max(_scatter(values - values.mean()) for values in (ranks, np.abs(ranks - 0.5)))


def _scatter(centred: Float64) -> float:
    spread, factor, length = float(np.mean(centred**2)), 1.0, 2
    while spread > 1e-12 and len(centred) >= BLOCKS * length:
        means = centred[: len(centred) // length * length].reshape(-1, length).mean(axis=1)
        factor = max(factor, length * float(np.mean(means**2)) / spread)
        length *= 2
    return factor


def _longest_run(values: Float64) -> int:
    """Most equal values in a row."""
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1], [True]]))
    return int(np.diff(starts).max())
