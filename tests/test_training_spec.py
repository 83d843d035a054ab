"""What the [model] and [training] tables may say."""

from __future__ import annotations

import pytest

from edge_lstm.errors import ProjectError
from edge_lstm.training import TrainingSpec

WHERE = "edge-lstm.toml"


def test_an_empty_project_gives_the_defaults():
    """Every key is optional."""
    assert TrainingSpec.from_table({}, WHERE) == TrainingSpec()


def test_the_defaults_lie_in_the_usual_range():
    """Batch 32-128, learning rate 1e-4 to 1e-2, clipping at 5, dropout at most 0.5."""
    spec = TrainingSpec()
    assert 32 <= spec.batch <= 128
    assert 1e-4 <= spec.learning_rate <= 1e-2
    assert spec.clip_norm == 5.0
    assert spec.dropout <= 0.5


def test_a_spec_survives_its_json():
    """What is written into a model's provenance can be trained from again."""
    tables = {"model": {"units": [8, 4]}, "training": {"class_weights": {"a": 2, "b": 0.5}, "seed": 3, "loss": "mse"}}
    spec = TrainingSpec.from_table(tables, WHERE)
    assert spec.units == (8, 4)
    assert TrainingSpec.from_table(spec.as_json(), WHERE) == spec


def test_cells_are_named_for_all_layers_or_one_by_one():
    """One name is of every layer; a list of equal names is the same spec; mixed stacks survive their JSON."""
    assert TrainingSpec(units=(8, 4)).cells == ("lstm", "lstm")
    assert TrainingSpec(cell="gru", units=(8, 4)).cells == ("gru", "gru")
    assert TrainingSpec(cell=["gru", "gru"], units=(8, 4)) == TrainingSpec(cell="gru", units=(8, 4))
    mixed = TrainingSpec.from_table({"model": {"cell": ["rnn", "fastgrnn"], "units": [8, 4]}}, WHERE)
    assert mixed.cells == ("rnn", "fastgrnn")
    assert TrainingSpec.from_table(mixed.as_json(), WHERE) == mixed


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"training": {"epoch": 3}}, ["edge-lstm.toml [training]", "'epoch'", "did you mean 'epochs'"]),
        ({"model": {"unit": 3}}, ["edge-lstm.toml [model]", "'unit'", "did you mean 'units'"]),
        ({"training": {"units": 3}}, ["belongs to the table [model]"]),
        ({"model": {"seed": 3}}, ["belongs to the table [training]"]),
        ({"training": {"optimiser": "adm"}}, ["'adm'", "did you mean 'adam'"]),
        ({"training": {"schedule": 3}}, ["schedule 3"]),
        ({"training": {"loss": "crossentropy"}}, ["did you mean 'cross-entropy'"]),
        ({"training": {"learning_rate": 3}}, ["learning_rate is 3", "1e-06 to 0.1"]),
        ({"training": {"learning_rate": float("nan")}}, ["learning_rate is nan", "1e-06 to 0.1"]),
        ({"training": {"batch": 0}}, ["batch is 0", "1 to 4096"]),
        ({"training": {"batch": 1.5}}, ["batch is 1.5", "a whole number"]),
        ({"training": {"batch": True}}, ["batch is True", "a whole number"]),
        ({"training": {"epochs": "many"}}, ["epochs is 'many'", "a whole number"]),
        ({"model": {"dropout": 1.0}}, ["dropout is 1.0", "0 to 0.9"]),
        ({"training": {"clip_norm": -1}}, ["clip_norm is -1"]),
        ({"model": {"units": []}}, ["units is []", "1 to 8"]),
        ({"model": {"units": [32, 0]}}, ["units is [32, 0]", "1 to 1024"]),
        ({"model": {"units": "32"}}, ["units is '32'"]),
        ({"model": {"cell": "gur"}}, ["edge-lstm.toml [model]", "cell 'gur'", "did you mean 'gru'"]),
        ({"model": {"cell": ["gru", "LSTM"], "units": [4, 4]}}, ["cell 'LSTM'", "did you mean 'lstm'"]),
        ({"model": {"cell": []}}, ["cell is []", "lstm, gru, rnn, rnn-relu, fastgrnn"]),
        (
            {"model": {"cell": ["dense"]}},
            ["edge-lstm.toml [model]", "at least one of lstm, gru, rnn, rnn-relu, fastgrnn"],
        ),
        ({"model": {"cell": 3}}, ["cell is 3", "a list of one a layer"]),
        ({"model": {"cell": [["gru"]]}}, ["cell ['gru'] is not known"]),
        ({"model": {"cell": ["gru", "rnn"]}}, ["edge-lstm.toml [model]", "cell names 2 layers, units 1"]),
        ({"training": {"cell": "gru"}}, ["belongs to the table [model]"]),
        ({"training": {"class_weights": {"a": -1}}}, ["label 'a'", "-1"]),
        ({"training": {"class_weights": "balance"}}, ["did you mean 'balanced'"]),
        ({"training": {"class_weights": 3}}, ["class_weights is 3"]),
        ({"training": 3}, ["training is 3", "[training]"]),
    ],
)
def test_a_table_that_is_wrong_is_refused_in_one_line(tables, words):
    """The message names the place, the value, the limit and what to write instead."""
    with pytest.raises(ProjectError) as caught:
        TrainingSpec.from_table(tables, WHERE)
    message = str(caught.value)
    assert message.startswith(WHERE)
    assert "\n" not in message
    for word in words:
        assert word in message
