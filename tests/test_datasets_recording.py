"""Recordings and data sets are checked once and frozen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge_lstm.datasets import Dataset, Recording
from edge_lstm.errors import DataError

ONE = Recording("a", np.arange(6.0).reshape(3, 2), 50.0, "walk")


def test_the_arrays_of_a_recording_cannot_be_changed():
    """Neither through the recording nor through the array it was made of."""
    source = np.zeros((3, 1), np.float32)
    recording = Recording("r", source, targets=np.zeros((3, 1)))
    source[:] = 1
    assert not recording.series.any()
    assert recording.targets is not None
    for array in (recording.series, recording.targets):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_the_fingerprint_is_of_the_content():
    """Any change of a sample, a label, a group or the order changes it; a name does not."""
    base = Dataset((ONE, replace(ONE, name="b", label="run")), ("x", "y"))
    same = Dataset((replace(ONE, name="z"), replace(ONE, name="b", label="run")), ("x", "y"))
    assert base.fingerprint() == same.fingerprint()
    touched = ONE.series.copy()
    touched[2, 1] += 1e-6
    others = [
        base.having(base.recordings[::-1]),
        base.having([replace(ONE, series=touched), base.recordings[1]]),
        base.having([replace(ONE, label="walks"), base.recordings[1]]),
        base.having([replace(ONE, group="g"), base.recordings[1]]),
        base.having([replace(ONE, targets=np.array(["a", "b", "c"])), base.recordings[1]]),
        replace(base, channels=("x", "z")),
    ]
    prints = {base.fingerprint(), *(other.fingerprint() for other in others)}
    assert len(prints) == len(others) + 1


def test_labels_come_in_natural_order():
    """2 before 10."""
    recordings = [replace(ONE, name=n, label=n) for n in ("take10", "take2", "1")]
    assert Dataset(tuple(recordings), ("x", "y")).labels() == ("1", "take2", "take10")


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"series": np.zeros(3)}, r"series has shape \(3,\); expected \(steps, channels\)"),
        ({"series": np.zeros((0, 2))}, r"series has shape \(0, 2\)"),
        ({"series": np.array([[1.0, np.nan]])}, "step 0 of channel 1 is nan; fill or remove it"),
        ({"series": np.array([[1.0, 1e39]])}, "step 0 of channel 1 is 1e[+]39"),
        ({"rate_hz": 0.0}, "rate is 0.0 Hz"),
        ({"rate_hz": float("nan")}, "rate is nan Hz"),
        ({"split": "tset"}, "split is 'tset'; expected one of train, validation, test"),
        ({"targets": np.zeros(2)}, r"targets have shape \(2,\)"),
        ({"targets": np.full(3, np.inf)}, "step 0 has an infinite target"),
        ({"context": 3}, "3 steps of context leave none of 3"),
    ],
)
def test_a_recording_without_sense_is_refused(changes: dict, phrase: str):
    """The message begins with its name."""
    with pytest.raises(DataError, match=f"a: .*{phrase}"):
        replace(ONE, **changes)


@pytest.mark.parametrize(
    ("recordings", "channels", "phrase"),
    [
        ((), ("x",), "needs at least one recording"),
        ((ONE, ONE), ("x", "y"), "recording 'a' appears twice"),
        ((ONE,), ("x", "x"), "channel 'x' appears twice"),
        ((ONE,), ("x",), r"a: 2 channels, but the data set has 1 \(x\)"),
        ((ONE,), ("x", "y\tz"), r"channel 'y\\tz' is empty, begins or ends with a blank, or holds a control"),
        ((replace(ONE, label="\udcff"),), ("x", "y"), r"label '\\udcff' is empty"),
        ((ONE, replace(ONE, name="b", rate_hz=None)), ("x", "y"), "b: rate is unknown, but a has 50 Hz"),
        ((ONE, replace(ONE, name="b", rate_hz=52.0)), ("x", "y"), "b: rate is 52 Hz, but a has 50 Hz"),
        ((replace(ONE, targets=np.zeros((3, 2))),), ("x", "y"), "2 targets a step, but the data set names 0"),
    ],
)
def test_recordings_that_do_not_fit_together_are_refused(recordings: tuple, channels: tuple, phrase: str):
    """The message names the recording that is odd."""
    with pytest.raises(DataError, match=phrase):
        Dataset(recordings, channels)
