"""Scaling fitted on the training part alone, kept in the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edge_lstm.datasets.recording import Dataset, shortened
from edge_lstm.datasets.sequences import target_channels_of
from edge_lstm.datasets.settings import refuse_unknown
from edge_lstm.datasets.spec import TaskSpec
from edge_lstm.errors import DataError
from edge_lstm.model import Float64, Scaling

ScalingKind = Literal["standard", "min-max", "robust", "none"]

IQR_OF_NORMAL = 1.3489795003921634
"""Interquartile range of a normal distribution of unit variance: 2 · Φ⁻¹(3/4)."""


def fit_input_scaling(train: Dataset, kind: ScalingKind = "standard", *, allow_constant: bool = False) -> Scaling:
    """Scale the channels so that the training recordings' steps are centred and of unit spread.

    Args:
        train: the training part alone.
        kind: ``standard`` (mean 0, deviation 1), ``min-max`` (range [-1, 1]), ``robust`` (median 0,
            interquartile range that of a unit normal) or ``none``.
        allow_constant: give a constant channel scale 1 instead of refusing it.

    Raises:
        DataError: naming the constant channels.
    """
    values = np.concatenate([r.series for r in train.recordings])
    return fit(values, train.channels, kind, what="channel", allow_constant=allow_constant)


def fit_target_scaling(
    train: Dataset,
    spec: TaskSpec,
    outputs: Sequence[str],
    inputs: Scaling,
    kind: ScalingKind = "standard",
    *,
    allow_constant: bool = False,
) -> Scaling:
    """Scaling of the outputs: identity for labels, the input's own for forecasts, else fitted on the targets.

    Raises:
        DataError: naming the targets that are constant or always missing.
    """
    if spec.kind in ("classify", "tag"):
        return Scaling.identity(len(outputs))
    if spec.kind in ("forecast", "anomaly"):
        channels = list(target_channels_of(train, spec, outputs))
        return Scaling(inputs.offset[channels], inputs.scale[channels], inputs.kind)
    numbers = [r.step_numbers[r.context :] for r in train.recordings if r.step_numbers is not None]
    if not numbers:
        raise DataError("no training recording has a numeric target; name the target columns")
    values = np.concatenate(numbers)[:, [train.target_names.index(name) for name in outputs]]
    return fit(values, outputs, kind, what="target", allow_constant=allow_constant)


def fit(
    values: NDArray[Any], names: Sequence[str], kind: ScalingKind, *, what: str, allow_constant: bool = False
) -> Scaling:
    """Fit the columns of (N, C) values, NaN left out.

    Raises:
        DataError: if a column has no values, or is constant and that was not allowed.
    """
    refuse_unknown("scaling", kind, get_args(ScalingKind))
    values = np.asarray(values, np.float64)
    empty = [name for name, column in zip(names, values.T, strict=True) if np.isnan(column).all()]
    if empty:
        raise DataError(f"{what} {empty[0]!r} has no value in the training part; remove it or train on more")
    constant = constant_columns(values, names)
    if constant and not allow_constant and kind != "none":
        raise DataError(
            f"{what} {shortened(constant)} is constant in the training part, so no scale can be fitted; "
            "leave it out of the features, or allow constant channels to keep it with scale 1"
        )
    offset, scale = _FITS[kind](values)
    flat = ~(scale > 0)
    if flat.any() and kind == "robust":
        # More than half of the samples are equal: the quartiles say nothing, the deviation still does.
        scale = np.where(flat, np.nanstd(values, axis=0), scale)
    return Scaling(offset, np.where(scale > 0, scale, 1.0), kind)


def constant_columns(values: NDArray[Any], names: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns of (N, C) values that never change."""
    flat = np.nanmin(values, axis=0) == np.nanmax(values, axis=0)
    return tuple(name for name, is_flat in zip(names, flat, strict=True) if is_flat)


def constant_channels(dataset: Dataset) -> tuple[str, ...]:
    """Names of the channels that never change in any recording: they tell a model nothing."""
    return constant_columns(np.concatenate([r.series for r in dataset.recordings]), dataset.channels)


def _standard(values: Float64) -> tuple[Float64, Float64]:
    return np.nanmean(values, axis=0), np.nanstd(values, axis=0)


def _min_max(values: Float64) -> tuple[Float64, Float64]:
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    return (high + low) / 2, (high - low) / 2


def _robust(values: Float64) -> tuple[Float64, Float64]:
    lower, median, upper = np.nanpercentile(values, [25, 50, 75], axis=0)
    return median, (upper - lower) / IQR_OF_NORMAL


def _none(values: Float64) -> tuple[Float64, Float64]:
    return np.zeros(values.shape[1]), np.ones(values.shape[1])


_FITS: dict[str, Callable[[Float64], tuple[Float64, Float64]]] = {
    "standard": _standard,
    "min-max": _min_max,
    "robust": _robust,
    "none": _none,
}
