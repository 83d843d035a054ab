"""Scaling is fitted on what it is given, and a constant channel is never scaled in silence."""

from __future__ import annotations

import numpy as np
import pytest

from edge_lstm.datasets import Dataset, Recording, TaskSpec, constant_channels, fit_input_scaling, fit_target_scaling
from edge_lstm.errors import DataError, ProjectError

RNG = np.random.default_rng(0)
SERIES = (RNG.normal(size=(4000, 2)) * [3.0, 0.01] + [100.0, -5.0]).astype(np.float32)
DATASET = Dataset((Recording("a", SERIES[:1500]), Recording("b", SERIES[1500:])), ("x", "y"))


def test_standard_scaling_centres_and_gives_unit_deviation():
    """Mean 0 and deviation 1 over all steps of all recordings."""
    scaled = fit_input_scaling(DATASET, "standard").apply(SERIES)
    assert np.abs(scaled.mean(axis=0)).max() < 1e-9  # rounding of float64 sums
    assert np.abs(scaled.std(axis=0) - 1).max() < 1e-9


def test_min_max_scaling_spans_minus_one_to_one():
    """The extremes of the training part become -1 and 1."""
    scaled = fit_input_scaling(DATASET, "min-max").apply(SERIES)
    assert np.allclose([scaled.min(axis=0), scaled.max(axis=0)], [[-1, -1], [1, 1]], atol=1e-9)  # float64 rounding


def test_robust_scaling_ignores_a_few_wild_samples():
    """A hundredth of the samples at a thousand deviations moves it by under 2 %; normal data get deviation 1."""
    wild = SERIES.copy()
    wild[::100] += 3000
    calm, shaken = (fit_input_scaling(Dataset((Recording("r", s),), ("x", "y")), "robust") for s in (SERIES, wild))
    assert np.allclose(shaken.scale, calm.scale, rtol=0.02)
    assert np.allclose(calm.scale, SERIES.std(axis=0), rtol=0.05)  # sampling error of quartiles of 4,000


def test_robust_scaling_of_a_mostly_resting_channel_falls_back_to_the_deviation():
    """When the quartiles are equal the deviation is still positive."""
    pulses = np.zeros((100, 1), np.float32)
    pulses[::10] = 4
    assert fit_input_scaling(Dataset((Recording("r", pulses),), ("x",)), "robust").scale[0] == pytest.approx(1.2)


def test_none_leaves_values_as_they_are():
    """Offset 0, scale 1, constant channels or not."""
    flat = Dataset((Recording("r", np.ones((5, 2))),), ("x", "y"))
    assert fit_input_scaling(flat, "none").apply([[2.0, 3.0]]).tolist() == [[2.0, 3.0]]


def test_a_constant_channel_is_refused_by_name_unless_allowed():
    """It carries nothing, and a scale of zero would blow it up."""
    dead = Dataset((Recording("r", np.stack([np.arange(5.0), np.full(5, 7.0)], axis=1)),), ("live", "dead"))
    assert constant_channels(dead) == ("dead",)
    with pytest.raises(DataError, match="channel dead is constant in the training part"):
        fit_input_scaling(dead)
    assert fit_input_scaling(dead, allow_constant=True).scale[1] == 1
    assert fit_input_scaling(dead, allow_constant=True).apply([[2.0, 7.0]]).tolist() == [[0.0, 0.0]]


def test_targets_are_scaled_by_their_kind():
    """Labels not at all, forecasts like the channel they foretell, numbers by their own spread without NaN."""
    inputs = fit_input_scaling(DATASET)
    assert fit_target_scaling(DATASET, TaskSpec("classify"), ("a", "b"), inputs).kind == "none"
    ahead = fit_target_scaling(DATASET, TaskSpec("forecast"), ("y",), inputs)
    assert (ahead.offset[0], ahead.scale[0]) == (inputs.offset[1], inputs.scale[1])
    numbers = np.array([[1.0], [np.nan], [3.0]])
    dataset = Dataset((Recording("r", SERIES[:3], targets=numbers),), ("x", "y"), ("co",))
    own = fit_target_scaling(dataset, TaskSpec("regress"), ("co",), inputs)
    assert (own.offset[0], own.scale[0]) == (2.0, 1.0)


def test_history_is_not_counted_among_the_targets():
    """Context steps belong to another part."""
    numbers = np.array([[1000.0], [1.0], [3.0]])
    dataset = Dataset((Recording("r", SERIES[:3], targets=numbers, context=1),), ("x", "y"), ("co",))
    assert fit_target_scaling(dataset, TaskSpec("regress"), ("co",), fit_input_scaling(DATASET)).offset[0] == 2.0


def test_a_target_without_a_value_is_refused():
    """There is nothing to fit, and nothing to learn."""
    dataset = Dataset((Recording("r", SERIES[:3], targets=np.full((3, 1), np.nan)),), ("x", "y"), ("co",))
    with pytest.raises(DataError, match="target 'co' has no value in the training part"):
        fit_target_scaling(dataset, TaskSpec("regress"), ("co",), fit_input_scaling(DATASET))


def test_an_unknown_kind_is_refused():
    """With the nearest known one."""
    with pytest.raises(ProjectError, match="scaling 'standart' is not known; did you mean 'standard'"):
        fit_input_scaling(DATASET, "standart")  # type: ignore[arg-type]
