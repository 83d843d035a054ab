"""The anomaly score: one arithmetic for learning, evaluating and streaming."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edge_lstm.datasets import Sequences
from edge_lstm.errors import InputError, ModelError
from edge_lstm.model import AnomalyRule, Interface, Scaling, Task
from edge_lstm.streaming.anomaly import AnomalyScorer, anomaly_scores, learn_threshold
from edge_lstm.training.anomaly_rule import whole_recordings

RULE = AnomalyRule(smoothing=0.25, threshold=0.4, quantile=0.99)


def interface(rule: AnomalyRule | None = RULE) -> Interface:
    task = Task("anomaly", ("b",), horizon=1, target_channels=(1,), anomaly=rule)
    return Interface(("a", "b"), Scaling([0, 10], [1, 2]), task, Scaling([10], [2]))


def test_the_score_is_the_smoothed_distance_from_the_forecast_made_before():
    """By hand: the sample 12 is 1 when scaled; foretold 0.5, then 3; smoothing 1/4 from a score of 0."""
    scorer = AnomalyScorer(interface())
    assert scorer.judge([7.0, 99.0], [0.5]) == {"score": None, "anomaly": None}
    assert scorer.judge([7.0, 12.0], [3.0]) == {"score": 0.125, "anomaly": False}
    assert scorer.judge([7.0, 12.0], [3.0]) == {"score": 0.125 + 0.25 * (2 - 0.125), "anomaly": True}


def test_a_recording_scores_as_its_steps_do():
    """The vectorised scores and a stream that is saved and restored at every step have the same bits."""
    rng = np.random.default_rng(0)
    series, outputs = rng.normal(10, 2, (50, 2)), rng.normal(0, 1, (50, 1))
    whole = anomaly_scores(interface(), series, outputs)
    state, steps = AnomalyScorer(interface()).state(), []
    for x, y in zip(series, outputs, strict=True):
        scorer = AnomalyScorer(interface())
        scorer.restore(json.loads(json.dumps(state)))
        steps.append(scorer.score(x, y))
        state = scorer.state()
    assert np.isnan(whole[0])
    assert steps[0] is None
    assert whole[1:].tolist() == steps[1:]


def test_reset_forgets_everything():
    """A scorer that was reset scores like a new one."""
    scorer = AnomalyScorer(interface())
    for _ in range(3):
        scorer.score([0.0, 0.0], [9.0])
    scorer.reset()
    assert scorer.state() == AnomalyScorer(interface()).state()


@pytest.mark.parametrize(
    "state", [None, {}, {"score": 1.0}, {"score": "x", "forecast": None}, {"score": 0, "forecast": [1, 2]}]
)
def test_a_state_that_is_none_is_refused(state):
    """The message says what to do; the scorer stays as it was."""
    scorer = AnomalyScorer(interface())
    with pytest.raises(InputError, match="reset the stream instead"):
        scorer.restore(state)
    assert scorer.state() == AnomalyScorer(interface()).state()


def test_a_model_without_a_rule_gives_no_scores():
    """A forecast model is not an anomaly model."""
    with pytest.raises(ModelError, match="without an anomaly rule"):
        AnomalyScorer(interface(rule=None))


def test_the_threshold_is_a_quantile_of_the_scores_there_are():
    """NaN, where nothing was foretold or nothing was normal, is left out."""
    scores = [np.array([np.nan, *range(50)]), np.array([np.nan, *range(50, 101)])]
    assert learn_threshold(scores, 0.99) == 99.0
    with pytest.raises(ModelError, match="no threshold can be learned"):
        learn_threshold([np.array([np.nan])], 0.99)


def test_chunks_become_recordings_again():
    """Chunks that follow each other are joined, whatever their order; a gap starts another piece."""
    inputs = np.arange(12.0).reshape(4, 3, 1)
    targets = np.array([[[0.0], [0], [np.nan]], [[0.0], [0], [0]], [[0.0], [0], [0]], [[0.0], [0], [0]]])
    # Rows 2 and 1 are recording 0 from step 0; row 3 is its step 9 on, after a gap; row 0 is recording 1, two steps.
    sequences = Sequences(inputs, [2, 3, 3, 3], targets, [1, 0, 0, 0], [0, 3, 0, 9])
    pieces = [(series[:, 0].tolist(), normal.tolist()) for series, normal in whole_recordings(sequences)]
    assert pieces == [
        ([6, 7, 8, 3, 4, 5], [False, True, True, True, True, True]),
        ([9, 10, 11], [False, True, True]),
        ([0, 1], [False, True]),
    ]
