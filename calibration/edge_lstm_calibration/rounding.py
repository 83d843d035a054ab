"""From real weights to int8: round to nearest, or round so that each error is made good by the weights after it."""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_lstm.errors import QuantisationError
from edge_lstm.model import Float64

LARGEST = 127
ROUNDINGS = ("compensated", "nearest")
_DAMPING = 0.01


def compensates(rounding: str) -> bool:
    """Whether ``rounding``, by name, makes errors good."""
    if rounding not in ROUNDINGS:
        raise QuantisationError(f"rounding {rounding!r} is not known; choose one of {', '.join(ROUNDINGS)}")
    return rounding == "compensated"


def round_to_nearest(weights: Float64, scale: Any) -> Float64:
    """(R, N) weights in units of ``scale``, rounded and clipped to ±127."""
    return np.asarray(np.clip(np.rint(weights / scale), -LARGEST, LARGEST))


def round_with_compensation(weights: Float64, scale: Any, covariance: Float64) -> Float64:
    """(R, N) weights in units of ``scale``, so that ``(W - scale·Q) v`` has little variance, not W - scale·Q itself.

    Columns are rounded one by one, and each error is spread over the columns not yet rounded in proportion to how
    the inputs v move together: Optimal Brain Surgeon with rounding as the surgery (Hassibi & Stork 1993; Frantar et
    al., "GPTQ", 2022). Inputs with the largest variance go first.

    Args:
        weights: (R, N).
        scale: (R, 1) or (R, N), the value of one step.
        covariance: (N, N) of the inputs v.
    """
    scale = np.broadcast_to(scale, weights.shape)
    order = np.argsort(-np.diag(covariance), kind="stable")
    upper = _inverse_factor(covariance[np.ix_(order, order)])
    left = weights[:, order].copy()
    step = scale[:, order]
    rounded = np.empty_like(left)
    for column in range(left.shape[1]):
        rounded[:, column] = round_to_nearest(left[:, column], step[:, column])
        error = (left[:, column] - rounded[:, column] * step[:, column]) / upper[column, column]
        left[:, column + 1 :] -= np.outer(error, upper[column, column + 1 :])
    result = np.empty_like(rounded)
    result[:, order] = rounded
    return result


def _inverse_factor(covariance: Float64) -> Float64:
    """Upper U with ``inverse(covariance + damping) = Uᵀ U``; damping keeps silent inputs from absorbing everything."""
    size = len(covariance)
    mean = max(float(np.trace(covariance)) / size, 1e-12)
    damped = covariance + np.eye(size) * mean * _DAMPING
    return np.asarray(np.linalg.cholesky(np.linalg.inv(damped)).T)
