"""The tables of a project file are parsed once, and every key and value is checked."""

from __future__ import annotations

from dataclasses import fields

import pytest

from edge_lstm.datasets import DataSpec, FrontEnd, SplitSpec, TaskSpec
from edge_lstm.errors import ProjectError

WHERE = "edge-lstm.toml [data]"


def test_a_table_becomes_a_frozen_spec():
    """Lists become tuples, one text counts as a list of one, a table inside becomes its own type."""
    spec = DataSpec.from_table(
        {"path": "data", "features": ["ax", "ay"], "timestamp": "t", "rate_hz": 50, "front_end": {"bins": 40}}, WHERE
    )
    assert spec == DataSpec("data", features=("ax", "ay"), timestamp=("t",), rate_hz=50.0, front_end=FrontEnd(bins=40))


@pytest.mark.parametrize(
    ("kind", "table", "message"),
    [
        (DataSpec, {"lable": "class"}, f"{WHERE}: key 'lable' is not known; did you mean 'label'?"),
        (DataSpec, {"format": "cvs"}, f"{WHERE}: format 'cvs' is not known; did you mean 'csv'?"),
        (DataSpec, {"missing": "drop"}, "missing 'drop' is not known; choose from refuse, hold, interpolate"),
        (DataSpec, {"max_gap": 1.5}, f"{WHERE} max_gap: 1.5 is not a whole number; correct it"),
        (DataSpec, {"max_gap": -1}, "max_gap is -1 steps; give 0 or more"),
        (DataSpec, {"rate_hz": True}, "rate_hz: True is not a number"),
        (DataSpec, {"rate_hz": 0}, "rate_hz is 0.0; give a positive number"),
        (DataSpec, {"label": ["a"]}, "label: ['a'] is not a text"),
        (DataSpec, {"features": 3}, "features: 3 is not a text or a list of texts"),
        (DataSpec, {"features": ["a", 3]}, "features: ['a', 3] is not a text or a list of texts"),
        (DataSpec, {"separator": ",,"}, "separator is ',,'; give one character"),
        (DataSpec, {"label_pattern": "(a"}, "is not a regular expression"),
        (DataSpec, {"label_pattern": "a"}, "has no group; put parentheses around"),
        (DataSpec, {"label": "y", "target": "y"}, "column 'y' is asked to be the target and something else"),
        (DataSpec, {"front_end": 3}, "front_end: 3 is not a table"),
        (DataSpec, {"front_end": {"bin": 3}}, f"{WHERE} front_end: key 'bin' is not known; did you mean 'bins'?"),
        (TaskSpec, {}, "key 'kind' is missing; add it"),
        (TaskSpec, {"kind": "clasify"}, "kind 'clasify' is not known; did you mean 'classify'?"),
        (TaskSpec, {"kind": "classify", "window": 0}, "window is 0; give at least 1 step"),
        (TaskSpec, {"kind": "tag", "window": 8}, "kind = 'tag' predicts at every step and takes no window"),
        (TaskSpec, {"kind": "classify", "stride": 8}, "stride is given without a window"),
        (TaskSpec, {"kind": "classify", "at": "end"}, "at belongs to a regress task"),
        (TaskSpec, {"kind": "regress", "at": "step", "window": 8}, "a window is predicted at its end"),
        (TaskSpec, {"kind": "anomaly", "horizon": 2}, "horizon is 2, but kind = 'anomaly' has none to choose"),
        (TaskSpec, {"kind": "tag", "normal": "ok"}, "normal belongs to an anomaly task"),
        (TaskSpec, {"kind": "anomaly", "quantile": 1}, "quantile is 1.0; give a number in (0, 1)"),
        (TaskSpec, {"kind": "anomaly", "smoothing": 0}, "smoothing is 0.0; give a number in (0, 1]"),
        (SplitSpec, {"by": "subject"}, "by 'subject' is not known; choose from auto, given, group, file, time"),
        (SplitSpec, {"test": 1.0}, "test is 1.0; give a share"),
        (SplitSpec, {"seed": -1}, "seed is -1"),
    ],
)
def test_a_table_that_is_wrong_is_refused_with_its_place(kind: type, table: dict, message: str):
    """One line: the table, the key, what is expected."""
    with pytest.raises(ProjectError) as caught:
        kind.from_table(table, WHERE)
    assert message in str(caught.value)
    assert str(caught.value).startswith(WHERE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [DataSpec, TaskSpec, SplitSpec, FrontEnd])
def test_every_key_is_documented(kind: type):
    """The docstring is the reference of the table."""
    assert kind.__doc__ is not None
    for field in fields(kind):
        assert f"        {field.name}: " in kind.__doc__
