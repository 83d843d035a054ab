"""Sequences bear the targets their task asks for, and never cross a recording."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lstm.datasets import Dataset, Recording, TaskSpec, make_sequences, outputs_of, target_channels_of, task_of
from edge_lstm.errors import DataError
from edge_lstm.model import Task


def ramp(steps: int, start: float = 0.0) -> np.ndarray:
    """(T, 2): the step's number, and its negative."""
    series = np.arange(start, start + steps, dtype=np.float32)
    return np.stack([series, -series], axis=1)


LABELLED = Dataset(
    (Recording("a", ramp(5), label="walk"), Recording("b", ramp(9, 100), label="run")),
    ("x", "y"),
)


def test_a_whole_recording_bears_its_label_at_its_last_step():
    """Without a window a recording is one sequence, padded with zeros to the longest."""
    spec = TaskSpec("classify")
    outputs = outputs_of(LABELLED, spec)
    sequences = make_sequences(LABELLED, spec, outputs)
    assert outputs == ("run", "walk")
    assert sequences.inputs.shape == (2, 9, 2)
    assert sequences.lengths.tolist() == [5, 9]
    assert not sequences.inputs[0, 5:].any()
    assert np.argwhere(sequences.targets >= 0).tolist() == [[0, 4], [1, 8]]
    assert sequences.targets[[0, 1], [4, 8]].tolist() == [1, 0]
    assert sequences.class_counts(outputs) == {"run": 1, "walk": 1}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 12), st.integers(1, 12))
def test_windows_are_contiguous_and_stay_inside_their_recording(lengths: list[int], window: int, stride: int):
    """Every window is `window` consecutive steps of one recording, and every possible start is there."""
    recordings = tuple(Recording(f"r{i}", ramp(length, 1000 * i), label=str(i % 2)) for i, length in enumerate(lengths))
    expected = [(i, s) for i, n in enumerate(lengths) for s in range(0, n - window + 1, stride)]
    spec = TaskSpec("classify", window=window, stride=stride)
    dataset = Dataset(recordings, ("x", "y"))
    if not expected:
        with pytest.raises(DataError, match="no sequence can be cut"):
            make_sequences(dataset, spec, ("0", "1"))
        return
    sequences = make_sequences(dataset, spec, ("0", "1"))
    assert list(zip(sequences.recording.tolist(), sequences.start.tolist(), strict=True)) == expected
    for row, (recording, start) in enumerate(expected):
        assert np.array_equal(sequences.inputs[row, :, 0], 1000 * recording + start + np.arange(window))
        assert sequences.targets[row].tolist() == [-1] * (window - 1) + [recording % 2]
    assert set(sequences.skipped) == {f"r{i}" for i, n in enumerate(lengths) if n < window}


def test_a_window_over_changing_labels_bears_the_label_at_its_end():
    """It is what the device has just seen when it speaks; a window that ends without a label is left out."""
    labels = np.array(["a", "a", "b", "b", "", "a"])
    dataset = Dataset((Recording("r", ramp(6), targets=labels),), ("x", "y"))
    sequences = make_sequences(dataset, TaskSpec("classify", window=2, stride=1), ("a", "b"))
    assert sequences.start.tolist() == [0, 1, 2, 4]
    assert sequences.targets[:, -1].tolist() == [0, 1, 1, 0]


def test_tags_are_borne_by_every_step_and_long_recordings_are_cut_into_chunks():
    """Chunks follow one another without overlap; a step without a label bears -1."""
    labels = np.array(["a", "b", "", "b", "a"])
    dataset = Dataset((Recording("r", ramp(5), targets=labels), Recording("s", ramp(2), label="b")), ("x", "y"))
    sequences = make_sequences(dataset, TaskSpec("tag", chunk=3), ("a", "b"))
    assert sequences.targets.tolist() == [[0, 1, -1], [1, 0, -1], [1, 1, -1]]
    assert sequences.lengths.tolist() == [3, 2, 2]
    assert sequences.start.tolist() == [0, 3, 0]


def test_regression_bears_numbers_where_there_are_some():
    """NaN is no target; at the end only the last step bears one; context bears none."""
    numbers = np.array([[1.0], [np.nan], [3.0], [4.0]])
    dataset = Dataset((Recording("r", ramp(4), targets=numbers),), ("x", "y"), ("co",))
    assert outputs_of(dataset, TaskSpec("regress")) == ("co",)
    every = make_sequences(dataset, TaskSpec("regress"), ("co",))
    assert np.array_equal(every.targets[0, :, 0], [1, np.nan, 3, 4], equal_nan=True)
    last = make_sequences(dataset, TaskSpec("regress", at="end"), ("co",))
    assert np.array_equal(last.targets[0, :, 0], [np.nan, np.nan, np.nan, 4], equal_nan=True)
    later = dataset.having([dataset.recordings[0].piece(2, 4, context=2)])
    sequences = make_sequences(later, TaskSpec("regress"), ("co",))
    assert np.array_equal(sequences.targets[0, :, 0], [np.nan, np.nan, 3, 4], equal_nan=True)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.integers(1, 5), st.integers(1, 9))
def test_a_forecast_target_is_the_sample_ahead(steps: int, horizon: int, chunk: int):
    """Across chunks too, but never across the recording's end."""
    dataset = Dataset((Recording("r", ramp(steps)),), ("x", "y"))
    spec = TaskSpec("forecast", horizon=horizon, chunk=chunk, outputs=("y",))
    outputs = outputs_of(dataset, spec)
    assert target_channels_of(dataset, spec, outputs) == (1,)
    if horizon >= steps:
        with pytest.raises(DataError, match="no sequence can be cut"):
            make_sequences(dataset, spec, outputs)
        return
    sequences = make_sequences(dataset, spec, outputs)
    for row in range(len(sequences)):
        now = sequences.start[row] + np.arange(sequences.lengths[row])
        ahead = np.where(now + horizon < steps, -(now + horizon), np.nan)
        assert np.array_equal(sequences.targets[row, : sequences.lengths[row], 0], ahead, equal_nan=True)


def test_an_anomaly_task_learns_from_normal_steps_alone():
    """A forecast of a sample that is not normal bears no target; the input still passes."""
    labels = np.array(["normal", "normal", "odd", "normal", "normal"])
    dataset = Dataset((Recording("r", ramp(5), targets=labels),), ("x", "y"))
    spec = TaskSpec("anomaly", normal=("normal",), outputs=("x",))
    sequences = make_sequences(dataset, spec, ("x",))
    assert np.array_equal(sequences.targets[0, :, 0], [1, np.nan, 3, 4, np.nan], equal_nan=True)
    assert sequences.inputs[0, :, 0].tolist() == [0, 1, 2, 3, 4]


def test_the_task_of_a_model_follows_from_the_wish():
    """Horizon and channels belong to tasks that look ahead, the window to those that have one."""
    forecast = TaskSpec("forecast", window=24, horizon=3, outputs=("y",))
    assert task_of(LABELLED, forecast, ("y",)) == Task("forecast", ("y",), 24, 3, (1,))
    assert task_of(LABELLED, TaskSpec("classify"), ("run", "walk")) == Task("classify", ("run", "walk"))


@pytest.mark.parametrize(
    ("dataset", "spec", "phrase"),
    [
        (LABELLED, TaskSpec("regress"), "no recording has a numeric target; name the target columns"),
        (LABELLED, TaskSpec("classify", outputs=("walk", "fly")), "output 'fly' is not in the data"),
        (LABELLED, TaskSpec("classify", outputs=("walk",)), "label 'run' is in the data but not among"),
        (LABELLED, TaskSpec("forecast", outputs=("z",)), "output 'z' is not in the data; choose from x, y"),
        (LABELLED, TaskSpec("anomaly", normal=("walk", "rum")), "normal label 'rum' is not in the data; did you mean"),
        (LABELLED.having(LABELLED.recordings[:1]), TaskSpec("classify"), "all recordings bear the label 'walk'"),
    ],
)
def test_outputs_the_data_do_not_have_are_refused(dataset: Dataset, spec: TaskSpec, phrase: str):
    """The task is checked against the data before anything is trained."""
    with pytest.raises(DataError, match=phrase):
        outputs_of(dataset, spec)


def test_a_horizon_beyond_every_recording_is_named():
    """What was asked for stands beside the longest recording."""
    spec = TaskSpec("forecast", horizon=50)
    with pytest.raises(DataError, match="the longest recording has 9 steps, the window is not set, the horizon 50"):
        make_sequences(LABELLED, spec, ("x", "y"))


@pytest.mark.parametrize(
    ("recording", "spec", "phrase"),
    [
        (Recording("r", ramp(3)), TaskSpec("classify"), "r: it has no label"),
        (Recording("r", ramp(3), label="c"), TaskSpec("classify"), "r: label 'c' is not one of the outputs"),
        (
            Recording("r", ramp(2), targets=np.array(["a", "b"])),
            TaskSpec("classify"),
            "r: its steps bear several labels",
        ),
        (Recording("r", ramp(3)), TaskSpec("regress"), "r: it has no numeric target"),
        (Recording("r", ramp(3)), TaskSpec("anomaly", normal=("ok",)), "r: it has no label, so normal"),
    ],
)
def test_a_recording_that_does_not_suit_the_task_is_named(recording: Recording, spec: TaskSpec, phrase: str):
    """The message begins with the recording."""
    with pytest.raises(DataError, match=phrase):
        make_sequences(Dataset((recording,), ("a", "b")), spec, ("a", "b"))
