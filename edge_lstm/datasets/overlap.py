"""Recordings that share samples: copies of each other, and windows cut from one series with overlap.

Two recordings overlap when the last steps of one are the first steps of the other, bit for bit. Sensors at rest
repeat themselves, so a stretch counts only where it moves: its first eight steps that hold eight distinct values are
its anchor, and the overlap must contain it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from edge_lstm.datasets.recording import Recording

RUN = 8
"""Steps of an anchor."""

DISTINCT = 8
"""Distinct values an anchor holds at least."""

SEARCHED = 4096
"""Steps at the start of a recording among which its anchor is looked for."""


def overlapping(recordings: Sequence[Recording]) -> list[tuple[int, int]]:
    """Pairs of indices of recordings that are equal or overlap. A set of equal recordings is given as a chain."""
    if len(recordings) < 2:
        return []
    copies = _copies(recordings)
    seen = set(copies)
    anchors = [_anchor(r.series) for r in recordings]
    hashes = [_run_hashes(r.series) for r in recordings]
    anchored: dict[int, list[int]] = {}
    for index, anchor in enumerate(anchors):
        if anchor is not None:
            anchored.setdefault(int(hashes[index][anchor]), []).append(index)
    wanted = np.sort(np.fromiter(anchored, np.uint64, len(anchored)))
    pairs = []
    for earlier, runs in enumerate(hashes):
        for step in np.flatnonzero(_among(runs, wanted)):
            for later in anchored[int(runs[step])]:
                shift = step - (anchors[later] or 0)
                if later == earlier or shift < 0 or (earlier, later) in seen:
                    continue
                if _begins_alike(recordings[earlier].series[shift:], recordings[later].series):
                    seen |= {(earlier, later), (later, earlier)}
                    pairs.append((earlier, later))
    return copies + pairs


def clusters_of(recordings: Sequence[Recording]) -> list[list[int]]:
    """Indices of recordings that must stay together: those that share a group or samples. In order of first member."""
    parent = list(range(len(recordings)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first_of: dict[str, int] = {}
    links = overlapping(recordings)
    links += [(first_of.setdefault(r.group, i), i) for i, r in enumerate(recordings) if r.group is not None]
    for a, b in links:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    clusters: dict[int, list[int]] = {}
    for index in range(len(recordings)):
        clusters.setdefault(root(index), []).append(index)
    return list(clusters.values())


def _copies(recordings: Sequence[Recording]) -> list[tuple[int, int]]:
    last_of: dict[bytes, int] = {}
    chain = []
    for index, recording in enumerate(recordings):
        content = recording.series.tobytes()
        if content in last_of:
            chain.append((last_of[content], index))
        last_of[content] = index
    return chain


def _anchor(series: NDArray[np.float32]) -> int | None:
    """The first step of the first run with enough distinct values."""
    runs = min(len(series) - RUN + 1, SEARCHED)
    for first, stop in ((0, 1), (1, runs)):  # it is nearly always the very first
        if first < min(stop, runs):
            seen = np.lib.stride_tricks.sliding_window_view(series[first : stop + RUN - 1], RUN, axis=0)
            ordered = np.sort(seen.reshape(len(seen), -1), axis=1)
            moves = 1 + np.count_nonzero(np.diff(ordered, axis=1), axis=1) >= DISTINCT
            if moves.any():
                return first + int(np.argmax(moves))
    return None


@cache
def _odd_numbers(channels: int) -> NDArray[np.uint64]:
    """(RUN, C) random odd numbers, always the same."""
    drawn = np.random.default_rng(0).integers(1, 2**63, (RUN, channels), dtype=np.uint64)
    return drawn * np.uint64(2) + np.uint64(1)


def _run_hashes(series: NDArray[np.float32]) -> NDArray[np.uint64]:
    """(T, C) → (T - RUN + 1,) a hash of every run of RUN steps; collisions are sorted out by comparison."""
    count = max(0, len(series) - RUN + 1)
    words = series.view(np.uint32).astype(np.uint64)
    hashes = np.zeros(count, np.uint64)
    for offset, weights in enumerate(_odd_numbers(words.shape[1])):
        mixed = words[offset : offset + count] * weights
        hashes += (mixed ^ (mixed >> np.uint64(29))).sum(axis=1, dtype=np.uint64)
    return hashes


def _among(values: NDArray[np.uint64], ordered: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of ``values`` occur in ``ordered``, without sorting it anew for every recording as np.isin would."""
    if not len(ordered):
        return np.zeros(len(values), np.bool_)
    places = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return np.asarray(ordered[places] == values)


def _begins_alike(tail: NDArray[np.float32], head: NDArray[np.float32]) -> bool:
    shared = min(len(tail), len(head))
    return np.array_equal(tail[:shared], head[:shared])
