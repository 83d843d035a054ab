"""Splits never leak."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lstm.datasets import Dataset, Recording, split
from edge_lstm.datasets.overlap import clusters_of, overlapping
from edge_lstm.errors import DataError, ProjectError


def noise(seed: int, steps: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(steps, 2)).astype(np.float32)


def dataset_of(count: int, **fields: list) -> Dataset:
    """Recordings r0, r1, … of noise; each keyword gives a field's value a recording."""
    rows = [{name: values[i] for name, values in fields.items()} for i in range(count)]
    return Dataset(tuple(Recording(f"r{i}", noise(i), **row) for i, row in enumerate(rows)), ("x", "y"))


def windows(seed: int, count: int, steps: int = 32, stride: int = 16) -> list[Recording]:
    """Half-overlapping windows of one series."""
    series = noise(seed, steps + stride * (count - 1))
    return [Recording(f"w{seed}.{i}", series[i * stride : i * stride + steps]) for i in range(count)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 7), min_size=8, max_size=40), st.integers(0, 5))
def test_a_group_lies_in_one_part(groups: list[int], seed: int):
    """Whatever the sizes of the groups, none is shared, and no recording is lost."""
    groups = [*groups, 100, 101, 102]
    dataset = dataset_of(len(groups), group=[f"g{g}" for g in groups])
    parts = split(dataset, "group", seed=seed).parts()
    assert set(parts) == {"train", "validation", "test"}
    owned = [{r.group for r in part.recordings} for part in parts.values()]
    assert sum(map(len, owned)) == len(set.union(*owned))
    assert sum(len(part.recordings) for part in parts.values()) == len(groups)


def test_a_split_by_file_keeps_the_shares_of_every_label():
    """100 recordings of one label and 20 of another: a fifth of each is the test, to the recording."""
    labels = ["common"] * 100 + ["rare"] * 20
    parts = split(dataset_of(120, label=labels), "file", test=0.2, validation=0.1, seed=3)
    assert parts.test is not None
    assert parts.validation is not None
    assert parts.test.label_counts() == {"common": 20, "rare": 4}
    assert parts.validation.label_counts() == {"common": 10, "rare": 2}


def test_the_seed_decides_the_draw():
    """The same seed gives the same parts, another seed others."""
    dataset = dataset_of(30)

    def names(seed: int) -> list[str]:
        return [r.name for r in split(dataset, "file", seed=seed).train.recordings]

    assert names(1) == names(1)
    assert names(1) != names(2)


def test_a_given_split_is_kept_and_validation_drawn_from_its_training_part():
    """An official test set stays as it is."""
    parts = split(dataset_of(30, split=["train"] * 20 + ["test"] * 10), validation=0.2)
    assert parts.by == "given"
    assert parts.test is not None
    assert parts.validation is not None
    assert [r.name for r in parts.test.recordings] == [f"r{i}" for i in range(20, 30)]
    assert len(parts.validation.recordings) == 4
    assert len(parts.train.recordings) == 16


def test_a_given_split_that_shares_a_group_is_refused():
    """Somebody in both parts makes the test too easy."""
    dataset = dataset_of(4, split=["train", "train", "test", "test"], group=["a", "b", "b", "c"])
    with pytest.raises(
        DataError, match=r"group 'b' lies in two parts: r1 in .*, r2 in test; give each group to one part"
    ):
        split(dataset, "given", validation=0)


def test_a_copy_in_another_part_is_refused():
    """The same samples under two names leak as much as under one."""
    recordings = (Recording("a", noise(0), split="train"), Recording("b", noise(0), split="test"))
    with pytest.raises(
        DataError, match=r"a \(train\) and b \(test\) hold the same samples, which would leak; remove one"
    ):
        split(Dataset(recordings, ("x", "y")), "given", validation=0)


def test_overlapping_windows_stay_together():
    """Without groups, windows that share samples are one group by themselves."""
    series = [windows(seed, 3) for seed in range(12)]
    dataset = Dataset(tuple(w for group in series for w in group), ("x", "y"))
    assert clusters_of(dataset.recordings) == [[3 * i, 3 * i + 1, 3 * i + 2] for i in range(12)]
    parts = split(dataset, "file").parts()
    owned = [{r.name.split(".")[0] for r in part.recordings} for part in parts.values()]
    assert sum(map(len, owned)) == 12


def test_windows_of_one_series_cannot_be_parted():
    """When every window overlaps the next there is one group, and the split is refused."""
    dataset = Dataset(tuple(windows(0, 10)), ("x", "y"))
    with pytest.raises(
        DataError, match=r"10 recordings make 1 independent groups .* give groups, or split by = 'time'"
    ):
        split(dataset, "file")


def test_a_given_split_between_overlapping_windows_is_refused():
    """A split made after windowing leaks half a window."""
    first, second = windows(0, 2)
    recordings = [Recording("a", first.series, split="train"), Recording("b", second.series, split="test")]
    with pytest.raises(DataError, match="hold the same samples"):
        split(Dataset(tuple(recordings), ("x", "y")), "given", validation=0)


def test_overlapping_windows_cannot_be_cut_by_time():
    """The end of one window is the middle of the next."""
    dataset = Dataset(tuple(windows(0, 3)), ("x", "y"))
    with pytest.raises(DataError, match="the end of one would leak into the start of another"):
        split(dataset, "time")


def test_a_sensor_at_rest_is_not_an_overlap():
    """Constant and two-valued series repeat themselves by nature; only exact copies count."""
    still = [Recording(f"s{i}", np.full((20 + i, 1), 5.0)) for i in range(4)]
    rng = np.random.default_rng(0)
    binary = [Recording(f"b{i}", rng.integers(0, 2, (30 + i, 1)).astype(float)) for i in range(40)]
    assert overlapping(still + binary) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(9, 60), st.integers(1, 40), st.integers(0, 9))
def test_an_overlap_of_an_anchor_is_found_at_any_shift(steps: int, shift: int, seed: int):
    """Windows that share at least 8 moving steps are found, others are not."""
    series = noise(seed, steps + shift)
    pair = [Recording("a", series[:steps]), Recording("b", series[shift:])]
    assert overlapping(pair) == ([(0, 1)] if steps - shift >= 8 else [])


@settings(max_examples=60, deadline=None)
@given(st.integers(10, 500), st.floats(0.1, 0.4), st.floats(0, 0.3), st.integers(0, 5))
def test_a_split_by_time_is_in_order_and_loses_nothing(steps: int, test: float, validation: float, context: int):
    """Train comes before validation before test; history is taken from the part before and bears no target."""
    series = np.arange(steps, dtype=np.float32)[:, None]
    dataset = Dataset((Recording("r", series, targets=series),), ("x",), ("y",))
    if validation * steps < 2:
        validation = 0.0
    parts = split(dataset, "time", test=test, validation=validation, context=context).parts()
    own = [part.recordings[0].series[part.recordings[0].context :] for part in parts.values()]
    assert np.array_equal(np.concatenate(own), series)
    assert abs(len(own[-1]) - test * steps) <= 1
    for part in list(parts.values())[1:]:
        (recording,) = part.recordings
        assert recording.series[recording.context] - recording.series[0] == recording.context


def test_auto_cuts_by_time_when_there_are_fewer_recordings_than_parts():
    """A series with one gap is two recordings, which cannot fill three parts."""
    pair = dataset_of(2)
    assert split(pair).by == "time"
    assert split(pair, validation=0.0).by == "file"


def test_auto_takes_the_strictest_split_the_data_support():
    """The recordings' own split, then groups, then recordings, then time."""
    assert split(dataset_of(9, split=["train"] * 6 + ["test"] * 3)).by == "given"
    assert split(dataset_of(9, group=list("aabbccdde"))).by == "group"
    assert split(dataset_of(9)).by == "file"
    assert split(dataset_of(1)).by == "time"


@pytest.mark.parametrize(
    ("arguments", "fields", "phrase"),
    [
        ({"by": "given"}, {}, "r0: it has no split of its own"),
        ({"by": "group"}, {}, "r0: it has no group"),
        ({"by": "file"}, {"group": list("abcdef")}, "belongs to group 'a', which a split by file could put into two"),
        ({"by": "group"}, {"group": list("aaabbb")}, "make 2 independent groups"),
        ({"by": "given", "validation": 0.0}, {"split": ["test"] * 6}, "leaves nothing to train on"),
    ],
)
def test_a_split_the_data_do_not_support_is_refused(arguments: dict, fields: dict, phrase: str):
    """The message names a recording and another way."""
    with pytest.raises(DataError, match=phrase):
        split(dataset_of(6, **fields), **arguments)


def test_too_few_steps_for_a_split_by_time_are_refused():
    """A part of no steps is not a part."""
    with pytest.raises(DataError, match="3 steps are too few to cut by time"):
        split(Dataset((Recording("r", noise(0, 3)),), ("x", "y")), "time", test=0.1, validation=0.1)


def test_shares_that_leave_nothing_to_train_on_are_refused():
    """Test and validation must leave a rest."""
    with pytest.raises(ProjectError, match="leave nothing to train on"):
        split(dataset_of(6), test=0.6, validation=0.4)


def test_a_window_that_starts_at_rest_is_still_recognised():
    """The anchor is the first stretch that moves, wherever it lies."""
    series = np.concatenate([np.zeros((30, 2), np.float32), noise(1, 60)])
    pair = [Recording("a", series[:70]), Recording("b", series[10:])]
    assert overlapping(pair) == [(0, 1)]
