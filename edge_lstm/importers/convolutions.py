"""Convolutions over time of other programs as ours: causal, of stride 1, where dilation is taps of noughts between."""

from __future__ import annotations

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.chain import Array, Convolution, Does, dense_weights
from edge_lstm.importers.limits import MOST_TAPS, Budget


def convolution(by_tap: Array, bias: Array, dilation: int = 1) -> Does:
    """The layer of a kernel (H, K, F), the oldest step first, and a bias (H,); a dense one where K is 1.

    Raises:
        ModelError: if it spans more steps than there is room for.
    """
    units, size, features = by_tap.shape
    taps = span(size, dilation)
    Budget().take((units, taps, features), 4, "its kernel, dilated,")
    rows = np.zeros((units, taps, features), np.float32)
    rows[:, ::dilation] = by_tap
    weights = dense_weights(rows.reshape(units, -1), bias)
    return weights if taps == 1 else Convolution(weights, taps)


def span(size: int, dilation: int) -> int:
    """Steps from the oldest that a kernel sees to the newest.

    Raises:
        ModelError: if those are more than there is room for.
    """
    taps = (size - 1) * dilation + 1
    if size < 1 or dilation < 1 or taps > MOST_TAPS:
        raise ModelError(f"spans {taps:,} steps, the limit is {MOST_TAPS}; train a shorter kernel")
    return taps


STRIDES = "gives fewer steps than it takes, so that a stream would pause; train with a stride of 1"
GROUPS = "has a kernel a group of channels; train with one group"
VALID = "leaves out the first steps of a sequence; set its padding to causal, its weights may stay"
AHEAD = "reads steps that a stream does not know yet; set its padding to causal and train again"


def described(units: int, taps: int) -> str:
    """What to know of one, in a few words."""
    return f"{units} units over {taps} steps"
