"""Samples checked at the edge: what passes here is (C,) finite numbers, and nothing behind it asks again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_lstm.errors import InputError
from edge_lstm.model import Float64


def check_sample(sample: Any, channels: Sequence[str], step: int) -> Float64:
    """(C,) physical values as float64. A model of one channel also takes a bare number.

    Raises:
        InputError: naming the step and the channel, if a value is missing, is not finite or is not a number.
    """
    return np.asarray(check_samples([sample], channels, step)[0])


def check_samples(samples: Any, channels: Sequence[str], step: int) -> Float64:
    """(T, C) physical values as float64; ``step`` is the index of the first.

    Raises:
        InputError: naming the first step and channel at fault.
    """
    try:
        array = np.asarray(samples)
        numeric = array.dtype.kind in "fiub"
    except ValueError:  # rows of unequal length
        numeric = False
    if numeric and array.ndim == 1 and len(channels) == 1:
        array = array[:, None]
    if numeric and array.shape == (len(array), len(channels)):
        array = array.astype(np.float64)
        if np.isfinite(array).all():
            return array
    elif not isinstance(samples, Sequence | np.ndarray):
        raise InputError(f"step {step}: {samples!r} is not a list of samples of {len(channels)} channels")
    elif not len(samples):
        return np.empty((0, len(channels)))
    for offset, sample in enumerate(samples):
        _explain(sample, channels, step + offset)
    raise InputError(f"step {step}: samples of shape {array.shape} given; expected (steps, {len(channels)})")


def _explain(sample: Any, channels: Sequence[str], step: int) -> None:
    """Raise what is wrong with one sample, if anything is."""
    values = list(sample) if isinstance(sample, Sequence | np.ndarray) and np.ndim(sample) > 0 else [sample]
    if len(values) != len(channels):
        found = f"{len(values)} values given" if values != [sample] else f"{sample!r} given"
        raise InputError(f"step {step}: {found}, the model takes {len(channels)} channels ({named(channels)})")
    for channel, value in zip(channels, values, strict=True):
        if not isinstance(value, int | float | np.number) or isinstance(value, np.complexfloating):
            raise InputError(f"step {step}, channel {channel}: {value!r} is not a number; push physical values")
        if not math.isfinite(value):
            raise InputError(f"step {step}, channel {channel}: {value} is not finite; repair or skip this sample")


def named(channels: Sequence[str], most: int = 8) -> str:
    """Names for a message, cut after ``most``."""
    return ", ".join(channels[:most]) + (", …" if len(channels) > most else "")
