"""Parting a data set into training, validation and test, without leakage.

Recordings that share a group, or any stretch of samples, always lie in one part. Windows are cut after the split,
inside a part, so no window can lie in two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edge_lstm.datasets.overlap import clusters_of, overlapping
from edge_lstm.datasets.recording import SPLITS, Dataset, Recording
from edge_lstm.datasets.spec import SplitBy, SplitSpec
from edge_lstm.errors import DataError


@dataclass(frozen=True, eq=False)
class Splits:
    """The parts; validation and test are None where none was asked for."""

    train: Dataset
    validation: Dataset | None
    test: Dataset | None
    by: str = "given"

    def parts(self) -> dict[str, Dataset]:
        """The parts that exist, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}


def split(
    dataset: Dataset,
    by: SplitBy = "auto",
    *,
    test: float = 0.2,
    validation: float = 0.15,
    seed: int = 0,
    context: int = 0,
) -> Splits:
    """Part the recordings as a ``SplitSpec`` of these arguments says.

    Raises:
        DataError: if the data do not support the split, or it would leak.
        ProjectError: if an argument is not usable.
    """
    return split_as(dataset, SplitSpec(by, test, validation, seed, context))


def split_as(dataset: Dataset, spec: SplitSpec) -> Splits:
    """Part the recordings as asked.

    ``given`` keeps the recordings' own split, and draws validation from its training part by group or recording when
    none came with it. ``group`` and ``file`` draw whole groups or recordings, label by label. ``time`` cuts
    every recording in order of time: train, then validation, then test.

    Raises:
        DataError: if the data do not support the split, or it would leak.
    """
    by = _chosen(dataset, spec) if spec.by == "auto" else spec.by
    parts = _SPLITS[by](dataset, spec)
    if not parts["train"]:
        raise DataError(f"the split by {by} leaves nothing to train on; lower test and validation")
    if by != "time":
        _refuse_leaks(parts)
    made = {name: dataset.having(recordings) for name, recordings in parts.items() if recordings}
    return Splits(made["train"], made.get("validation"), made.get("test"), by)


Parts = dict[str, list[Recording]]


def _chosen(dataset: Dataset, spec: SplitSpec) -> SplitBy:
    if all(r.split for r in dataset.recordings):
        return "given"
    if all(r.group for r in dataset.recordings) and len({r.group for r in dataset.recordings}) > 1:
        return "group"
    return "file" if len(dataset.recordings) >= sum(share > 0 for share in _shares(spec).values()) else "time"


def _given(dataset: Dataset, spec: SplitSpec) -> Parts:
    without = [r.name for r in dataset.recordings if r.split is None]
    if without:
        raise DataError(
            f"{without[0]}: it has no split of its own ({len(without)} such); choose by = 'group' or 'file'"
        )
    parts: Parts = {name: [r for r in dataset.recordings if r.split == name] for name in SPLITS}
    if parts["validation"] or not spec.validation or not parts["train"]:
        return parts
    drawn = _drawn(parts["train"], {"train": 1 - spec.validation, "validation": spec.validation}, spec.seed)
    return {**parts, **drawn}


def _by_group(dataset: Dataset, spec: SplitSpec) -> Parts:
    without = [r.name for r in dataset.recordings if r.group is None]
    if without:
        raise DataError(
            f"{without[0]}: it has no group ({len(without)} such); name the group column, "
            "or choose by = 'file' or 'time'"
        )
    return _drawn(dataset.recordings, _shares(spec), spec.seed)


def _by_file(dataset: Dataset, spec: SplitSpec) -> Parts:
    grouped = [r for r in dataset.recordings if r.group is not None]
    if grouped:
        raise DataError(
            f"{grouped[0].name}: it belongs to group {grouped[0].group!r}, which a split by file could put into two "
            "parts; choose by = 'group', or read the data without groups"
        )
    return _drawn(dataset.recordings, _shares(spec), spec.seed)


def _by_time(dataset: Dataset, spec: SplitSpec) -> Parts:
    for a, b in overlapping(dataset.recordings)[:1]:
        raise DataError(
            f"{dataset.recordings[a].name} and {dataset.recordings[b].name} hold the same samples, so the end "
            "of one would leak into the start of another; give the whole series, or choose by = 'file'"
        )
    shares = _shares(spec)
    parts: Parts = {name: [] for name in SPLITS}
    for recording in dataset.recordings:
        edges = [0, *(int(round(e, 9)) for e in np.cumsum([shares[name] for name in SPLITS]) * recording.steps)]
        for name, start, stop in zip(SPLITS, edges, edges[1:], strict=False):
            if not shares[name]:
                continue
            if stop <= start:
                raise DataError(
                    f"{recording.name}: {recording.steps} steps are too few to cut by time; choose by = 'file'"
                )
            parts[name].append(recording.piece(start, stop, spec.context))
    return parts


def _shares(spec: SplitSpec) -> dict[str, float]:
    return {"train": 1 - spec.validation - spec.test, "validation": spec.validation, "test": spec.test}


def _drawn(recordings: Sequence[Recording], shares: dict[str, float], seed: int) -> Parts:
    """Deal clusters of recordings out to the parts, each to the part that lacks its labels most."""
    asked = {name: share for name, share in shares.items() if share > 0}
    clusters = clusters_of(recordings)
    if len(clusters) < len(asked):
        raise DataError(
            f"{len(recordings)} recordings make {len(clusters)} independent groups (a shared group or shared samples "
            f"bind recordings together), but {len(asked)} parts are asked for; give groups, or split by = 'time'"
        )
    labels = sorted({r.label or "" for r in recordings})
    counts = np.array([[sum((recordings[i].label or "") == label for i in c) for label in labels] for c in clusters])
    order = np.random.default_rng(seed).permutation(len(clusters))
    order = order[np.argsort(-counts.sum(axis=1)[order], kind="stable")]  # large ones first, while there is room
    names = list(asked)
    lacking = np.array([asked[name] for name in names])[:, None] * counts.sum(axis=0)
    dealt: dict[str, list[int]] = {name: [] for name in names}
    for left, cluster in zip(range(len(order), 0, -1), order, strict=True):
        empty = [name for name in names if not dealt[name]]
        open_to = empty if len(empty) == left else names  # the last ones fill parts that have none
        rows = [names.index(name) for name in open_to]
        # Lacking samples of the labels it bears, as shares of each label, so that a rare label counts as much.
        wants = (lacking[rows] * counts[cluster] / counts.sum(axis=0)).sum(axis=1)
        part = open_to[int(np.argmax(wants))]
        dealt[part] += clusters[cluster]
        lacking[names.index(part)] -= counts[cluster]
    return {name: [recordings[i] for i in sorted(dealt.get(name, []))] for name in SPLITS if name in shares}


def _refuse_leaks(parts: Parts) -> None:
    named = [(name, r) for name in SPLITS for r in parts.get(name, [])]
    home: dict[str, tuple[str, Recording]] = {}
    for name, recording in named:
        if recording.group is None:
            continue
        first = home.setdefault(recording.group, (name, recording))
        if first[0] != name:
            raise DataError(
                f"group {recording.group!r} lies in two parts: {first[1].name} in {first[0]}, {recording.name} in "
                f"{name}; give each group to one part, or choose by = 'group'"
            )
    for a, b in overlapping([r for _, r in named]):
        if named[a][0] != named[b][0]:
            raise DataError(
                f"{named[a][1].name} ({named[a][0]}) and {named[b][1].name} ({named[b][0]}) hold the same samples"
                ", which would leak; remove one, or choose by = 'group' or 'file', which keep them together"
            )


_SPLITS: dict[str, Callable[[Dataset, SplitSpec], Parts]] = {
    "given": _given,
    "group": _by_group,
    "file": _by_file,
    "time": _by_time,
}
