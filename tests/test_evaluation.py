"""Metrics are those of the stream: what evaluation counts is what a device would have said."""

from __future__ import annotations

import numpy as np
import pytest

from edge_lstm.bundle import Bundle
from edge_lstm.datasets import Dataset, Recording, TaskSpec
from edge_lstm.errors import DataError
from edge_lstm.evaluation import evaluate
from edge_lstm.streaming import Stream

CHANNELS = ("ax", "ay", "az")
LABELS = ("circle", "rest", "shake")
SPECS = {
    "classify": TaskSpec("classify", window=5, stride=2),
    "tag": TaskSpec("tag", chunk=8),
    "regress": TaskSpec("regress", window=4),
    "forecast": TaskSpec("forecast", horizon=3),
    "anomaly": TaskSpec("anomaly"),
}


@pytest.fixture(scope="module")
def dataset():
    """Nine recordings of 21 to 37 steps with a label, a label a step and three numbers a step."""
    random = np.random.default_rng(3)

    def recordings(targets_of):
        for k in range(9):
            steps = 21 + 2 * k
            series = np.array([1.0, -20.0, 300.0]) + random.normal(0, 1, (steps, 3)) * [0.5, 10.0, 40.0]
            yield Recording(f"r{k}", series, 50.0, label=LABELS[k % 3], targets=targets_of(steps))

    numbers = Dataset(recordings(lambda n: random.normal(0, 20, (n, 3))), CHANNELS, ("speed", "tilt", "force"))
    tags = Dataset(recordings(lambda n: random.choice(LABELS, n)), CHANNELS)
    return {"classify": numbers, "tag": tags, "regress": numbers, "forecast": numbers, "anomaly": numbers}


def said(bundle, arithmetic, recording):
    """The predictions of a stream over one recording."""
    return Stream(bundle, "reference", arithmetic).push_many(recording.series)


@pytest.mark.parametrize("arithmetic", ["native", "tflite", "tflm", "float"])
@pytest.mark.parametrize("kind", ["classify", "tag"])
def test_accuracy_is_the_share_of_right_labels_in_the_stream(bundles, dataset, kind, arithmetic):
    """Windows without overlap, or every step, from the start of each recording."""
    model = Bundle.open(bundles(kind)).model(arithmetic)
    metrics = evaluate(model, dataset[kind], SPECS[kind], "tflm" if arithmetic == "tflm" else None)
    right, confusion = [], np.zeros((3, 3), int)
    for recording in dataset[kind].recordings:
        for made in said(bundles(kind), arithmetic, recording):
            truth = recording.label if kind == "classify" else recording.step_labels[made.step]
            right.append(made.label == truth)
            confusion[LABELS.index(truth), LABELS.index(made.label)] += 1
    assert metrics["accuracy"] == np.mean(right)
    assert metrics["confusion"] == confusion.tolist()
    assert metrics["count"] == len(right)
    assert metrics["recall"]["rest"] == confusion[1, 1] / confusion[1].sum()


@pytest.mark.parametrize("arithmetic", ["native", "step", "float"])
def test_what_looks_ahead_is_judged_by_the_step_it_speaks_of(unfused_bundles, dataset, arithmetic):
    """Not by the newest; and the last steps of a recording, of which it never speaks, do not count."""
    bundle = unfused_bundles["tag"]
    metrics = evaluate(Bundle.open(bundle).model(arithmetic), dataset["tag"], SPECS["tag"])
    right = [
        made.label == recording.step_labels[made.for_step]
        for recording in dataset["tag"].recordings
        for made in said(bundle, arithmetic, recording)
        if made.for_step >= 0
    ]
    assert metrics["count"] == len(right) == sum(r.steps - 3 for r in dataset["tag"].recordings)
    assert metrics["accuracy"] == np.mean(right)


@pytest.mark.parametrize("kind", ["regress", "forecast", "anomaly"])
def test_errors_are_those_of_the_stream_in_physical_units(bundles, dataset, kind):
    """Every target that a prediction can be compared with, and no other."""
    metrics = evaluate(Bundle.open(bundles(kind)).model("native"), dataset[kind], SPECS[kind])
    errors, raised = [], []
    for recording in dataset[kind].recordings:
        for made in said(bundles(kind), "native", recording):
            at = made.step if made.for_step is None else made.for_step
            raised.append(bool(made.anomaly))
            if at < recording.steps:
                truth = recording.step_numbers if kind == "regress" else recording.series
                errors.append(np.abs(list(made.values.values()) - truth[at].astype(float)))
    assert metrics["count"] == len(errors)
    assert metrics["mae"] == pytest.approx(np.mean(errors), rel=1e-12)  # summed in another order
    assert metrics["outputs"].keys() == dict.fromkeys(Bundle.open(bundles(kind)).interface.task.outputs).keys()
    assert metrics.get("alarm_fraction") == (np.mean(raised) if kind == "anomaly" else None)


def test_recordings_of_another_sensor_are_refused(bundles, dataset):
    """Channels in another order would be a wrong number with exit code 0."""
    numbers = dataset["forecast"]
    other = Dataset(numbers.recordings, ("az", "ay", "ax"), numbers.target_names)
    with pytest.raises(DataError, match="have the channels az, ay, ax, the model takes ax, ay, az"):
        evaluate(Bundle.open(bundles("forecast")).model("native"), other, SPECS["forecast"])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (TaskSpec("anomaly"), "trained for kind forecast, .* asks for anomaly"),
        (TaskSpec("forecast", horizon=2), "trained for horizon 3, .* asks for 2"),
        (TaskSpec("forecast", horizon=3, window=9), "trained for window None, .* asks for 9"),
    ],
)
def test_a_model_of_another_task_is_refused(bundles, dataset, spec, message):
    """Metrics of a question the model was never asked would mean nothing."""
    with pytest.raises(DataError, match=message):
        evaluate(Bundle.open(bundles("forecast")).model("float"), dataset["forecast"], spec)
