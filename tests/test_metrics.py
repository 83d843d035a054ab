"""Metrics: known answers on small outputs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edge_lstm.datasets import Sequences
from edge_lstm.errors import DataError
from edge_lstm.metrics import agreement, evaluate, signal_to_noise
from edge_lstm.model import AnomalyRule, Interface, Scaling, Task

LABELS = ("a", "b", "c")


def interface(task: Task, targets: Scaling | None = None, channels: int = 1) -> Interface:
    names = tuple(f"x{k}" for k in range(channels))
    return Interface(names, Scaling.identity(channels), task, targets or Scaling.identity(len(task.outputs)))


def sequences(inputs, targets, lengths=None) -> Sequences:
    inputs, targets = np.asarray(inputs, np.float64), np.asarray(targets)
    count, steps = inputs.shape[:2]
    return Sequences(inputs, lengths or [steps] * count, targets, np.arange(count), np.zeros(count))


def logits(labels) -> np.ndarray:
    return np.eye(3)[labels] * 4.0


def test_labels_are_judged_where_there_is_one():
    """Accuracy, recall, F1 and confusion by hand (truth abbc, found abcc); other steps and padding are ignored."""
    data = sequences(np.zeros((2, 3, 1)), [[0, -1, 1], [1, 2, -1]], lengths=[3, 2])
    metrics = evaluate([logits([0, 2, 1]), logits([2, 2])], data, interface(Task("tag", LABELS)))
    assert metrics["count"] == 4
    assert metrics["accuracy"] == 0.75
    assert metrics["confusion"] == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
    assert metrics["recall"] == {"a": 1.0, "b": 0.5, "c": 1.0}
    assert metrics["macro_f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3, rel=1e-15)  # rounding of a mean in float64


def test_a_label_that_never_occurs_and_is_never_found_does_not_lower_the_f1():
    """Macro-F1 is over the labels that were seen."""
    data = sequences(np.zeros((1, 2, 1)), [[0, 1]])
    metrics = evaluate([logits([0, 1])], data, interface(Task("tag", LABELS)))
    assert metrics["macro_f1"] == 1.0
    assert set(metrics["recall"]) == {"a", "b"}


def test_numbers_are_judged_in_physical_units():
    """Outputs are scaled back before the error is taken; a missing target is left out of its output alone."""
    targets = [[[10.0, 1.0], [30.0, np.nan]]]
    scaling = Scaling([20.0, 0.0], [10.0, 1.0])
    task = Task("regress", ("u", "v"))
    metrics = evaluate(
        [np.array([[-1.0, 3.0], [0.0, 9.0]])], sequences(np.zeros((1, 2, 1)), targets), interface(task, scaling)
    )
    assert metrics["outputs"]["u"]["mae"] == 5.0
    assert metrics["outputs"]["u"]["rmse"] == pytest.approx(50**0.5, rel=1e-15)  # rounding of a square root
    assert metrics["outputs"]["u"]["r2"] == 0.5
    assert metrics["outputs"]["v"]["mae"] == 2.0
    assert metrics["mae"] == 3.5
    assert metrics["outputs"]["u"]["naive"] == {"mae": 10.0, "rmse": 10.0, "r2": 0.0}


def test_a_forecast_is_compared_with_persistence():
    """The naive guess is the last value of the target's own channel."""
    inputs = [[[9.0, 1.0], [9.0, 2.0], [9.0, 4.0]]]
    task = Task("forecast", ("x1",), horizon=1, target_channels=(1,))
    data = sequences(inputs, [[[2.0], [4.0], [np.nan]]])
    metrics = evaluate([np.array([[2.0], [4.0], [0.0]])], data, interface(task, channels=2))
    assert metrics["mae"] == 0.0
    assert metrics["naive"]["mae"] == 1.5


def test_alarms_are_counted_inside_and_outside_the_labelled_windows():
    """A window is hit when any of its steps alarms; the fraction outside counts the quiet steps alone."""
    task = Task("anomaly", ("x0",), horizon=1, target_channels=(0,), anomaly=AnomalyRule(1.0, 0.5, 0.9))
    inputs = np.zeros((1, 8, 1))
    inputs[0, [3, 6]] = 1.0
    data = sequences(inputs, np.append(inputs[:, 1:], [[[np.nan]]], axis=1))
    windows = [[(3, 4), (4, 6)]]
    metrics = evaluate([np.zeros((8, 1))], data, interface(task), windows)
    assert metrics["alarm_fraction"] == 2 / 8
    assert (metrics["windows"], metrics["windows_hit"]) == (2, 1)
    assert metrics["alarm_fraction_outside"] == 1 / 5


def test_metrics_are_json():
    """Every value can be printed for machines as it is, and none is NaN."""
    data = sequences(np.zeros((1, 2, 1)), [[[1.0], [1.0]]])
    metrics = evaluate([np.ones((2, 1))], data, interface(Task("regress", ("u",))))
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_outputs_of_other_sequences_are_refused():
    """A wrong shape, a missing sequence and data without a target each give one line."""
    data, tag = sequences(np.zeros((1, 2, 1)), [[0, 1]]), interface(Task("tag", LABELS))
    with pytest.raises(DataError, match=r"sequence 0 has outputs \(3, 3\), expected \(2, 3\)"):
        evaluate([logits([0, 1, 2])], data, tag)
    with pytest.raises(DataError, match="0 outputs are given for 1 sequences"):
        evaluate([], data, tag)
    with pytest.raises(DataError, match="no step of the sequences bears a target"):
        evaluate([logits([0, 1])], sequences(np.zeros((1, 2, 1)), [[-1, -1]]), tag)


def test_agreement_is_the_share_of_steps_with_the_same_label():
    """Scale and offset of the logits do not matter."""
    a, b = logits([0, 1, 2, 0]), logits([0, 1, 1, 0]) * 0.1 - 3
    assert agreement([a[:2], a[2:]], [b[:2], b[2:]]) == 0.75


def test_signal_to_noise_is_in_decibels():
    """Noise of a hundredth of the signal's variance is 20 dB; recordings count alike in the median."""
    signal = np.array([[1.0], [-1.0]] * 50)
    near, far = signal + 0.1, signal + 1.0
    # float64 rounding of the squares of 0.1.
    assert signal_to_noise([signal], [near])["pooled"] == pytest.approx(20.0, abs=1e-3)
    result = signal_to_noise([signal, signal, signal], [near, near, far])
    assert result["median"] == pytest.approx(20.0, abs=1e-3)
    assert result["p5"] == pytest.approx(0.0, abs=1e-3)
    assert signal_to_noise([signal], [signal]) == {"pooled": None, "median": None, "p5": None}
