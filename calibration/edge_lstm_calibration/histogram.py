"""Counts of what a tensor held, with a range that grows as it is seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.model import Float64

BINS = 4096
_SMALLEST_EXPONENT = -40


class Histogram:
    """One histogram a channel, over (-2**e, 2**e) with its own e, in ``BINS`` equal bins.

    When a value falls outside, e grows and neighbouring bins merge, so counts stay exact whatever the order of the
    data. Minimum, maximum and moments are exact.
    """

    def __init__(self, channels: int = 1) -> None:
        self.channels = channels
        self.counts: NDArray[np.int64] = np.zeros((channels, BINS), np.int64)
        self.exponent: NDArray[np.int64] = np.full(channels, _SMALLEST_EXPONENT)
        self.low: Float64 = np.full(channels, np.inf)
        self.high: Float64 = np.full(channels, -np.inf)

    def add(self, values: NDArray[np.floating[Any]]) -> None:
        """Count (..., channels) values; with one channel, any shape."""
        flat = np.asarray(values, np.float64).reshape(-1, self.channels)
        if not flat.size:
            return
        self.low = np.minimum(self.low, flat.min(axis=0))
        self.high = np.maximum(self.high, flat.max(axis=0))
        self._grow(np.maximum(np.abs(self.low), np.abs(self.high)))
        half = 2.0 ** self.exponent.astype(np.float64)
        bins = ((flat / half + 1.0) * (BINS / 2)).astype(np.int64)
        np.minimum(bins, BINS - 1, out=bins)
        bins += np.arange(self.channels) * BINS
        self.counts += np.bincount(bins.reshape(-1), minlength=self.channels * BINS).reshape(self.channels, BINS)

    def _grow(self, largest: Float64) -> None:
        needed = np.frexp(largest)[1].astype(np.int64)  # largest < 2**needed
        needed[largest == 0] = _SMALLEST_EXPONENT  # frexp gives zero the exponent of one
        for channel in np.nonzero(needed > self.exponent)[0]:
            steps = int(needed[channel] - self.exponent[channel])
            if self.counts[channel].any():
                self.counts[channel] = _merge(self.counts[channel], steps)
            self.exponent[channel] = needed[channel]

    def centres(self, channel: int = 0) -> Float64:
        """(BINS,) middle of each bin."""
        half = 2.0 ** float(self.exponent[channel])
        return np.asarray((np.arange(BINS) + 0.5) * (2.0 * half / BINS) - half)


def _merge(counts: NDArray[np.int64], steps: int) -> NDArray[np.int64]:
    """The same counts over a range ``2**steps`` times as wide."""
    width = min(1 << min(steps, 30), BINS)
    if width == BINS:  # everything falls into the two bins around zero
        merged = np.zeros(BINS, np.int64)
        merged[BINS // 2 - 1], merged[BINS // 2] = counts[: BINS // 2].sum(), counts[BINS // 2 :].sum()
        return merged
    # Merge outwards from zero, which stays a bin edge.
    merged = np.zeros(BINS, np.int64)
    kept = BINS // width
    merged[(BINS - kept) // 2 : (BINS + kept) // 2] = counts.reshape(kept, width).sum(axis=1)
    return merged
