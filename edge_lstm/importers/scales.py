"""Scalings between layers, such as batch normalisation: the weights of the layer behind take them in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.chain import (
    Array,
    Convolution,
    LastStep,
    Normalise,
    Part,
    Recurrent,
    Stretch,
    dense_weights,
    quiet,
    single,
)
from edge_lstm.model import BidirectionalWeights, DenseWeights


def normalising(gain: Array, offset: Array, mean: Array, variance: Array, epsilon: float) -> Stretch:
    """A batch normalisation at inference (Ioffe & Szegedy, 2015), of numbers (F,) or (1,).

    Raises:
        ModelError: if it scales by what is no number.
    """
    with quiet():
        scale = np.asarray(gain / np.sqrt(np.asarray(variance, np.float64) + epsilon))
        shift = np.asarray(offset - mean * scale)
    if not (np.isfinite(scale).all() and np.isfinite(shift).all()):
        raise ModelError("its mean or variance is not finite, or negative; train it again")
    return Stretch(scale, shift)


def with_scales_taken_in(parts: Sequence[Part]) -> list[Part]:
    """The parts without scalings that a layer or a head behind can take in.

    One right behind a dense part or a convolution is left to it, and one behind the head scales outputs. Before a
    convolution that comes first, it scales the channels.
    """
    made = list(parts)
    for k, part in enumerate(made):
        if isinstance(part.does, Stretch) and not _behind_dense(made[:k]):
            at = _next(made, k + 1)
            if at is not None and isinstance(made[at].does, Convolution) and _first(made[:k]):
                made[k] = _of_channels(part, part.does)
            elif at is not None:
                made[at] = _taken_in(made[at], part.does)
                made[k] = replace(part, does=None, note="in the weights of the layer behind it")
    return made


def _behind_dense(before: Sequence[Part]) -> bool:
    nearest = next((p.does for p in reversed(before) if not isinstance(p.does, LastStep | Stretch | None)), None)
    return isinstance(nearest, DenseWeights | Convolution)


def _first(before: Sequence[Part]) -> bool:
    return all(isinstance(p.does, Normalise | None) and not p.obstacle for p in before)


def _of_channels(part: Part, scale: Stretch) -> Part:
    """``x · s + o`` is ``(x + o / s) / (1 / s)``; zeros before the first step are zeros of what it gives."""
    if not (scale.scale > 0).all():
        return replace(
            part, does=None, obstacle="turns the sign of a channel, which a scaling here does not; train again"
        )
    offset, by = np.broadcast_arrays(scale.offset, scale.scale)
    return replace(part, does=Normalise(-offset / by, 1 / by), note="becomes the scaling of the channels")


def _next(parts: Sequence[Part], start: int) -> int | None:
    """The layer or head that is given what was scaled; None if there is something else before it."""
    for k in range(start, len(parts)):
        if isinstance(parts[k].does, Recurrent | DenseWeights | Convolution):
            return k
        if parts[k].obstacle or not isinstance(parts[k].does, LastStep | Stretch | None):
            return None
    return None


def _taken_in(part: Part, scale: Stretch) -> Part:
    """``W (x · s + o) + b`` is ``(W · s) x + (b + W o)``."""
    does: Any = part.does
    try:
        if isinstance(does, Recurrent):
            return replace(part, does=replace(does, weights=_recurrent(does.weights, scale)))
        if isinstance(does, Convolution):
            return replace(part, does=_convolution(does, scale))
        columns = _columns(scale, does.weights.shape[1])
        return replace(part, does=dense_weights(does.weights * columns[0], does.bias + does.weights @ columns[1]))
    except ModelError as error:
        return replace(part, does=None, obstacle=str(error))


def _recurrent(weights: Any, scale: Stretch) -> Any:
    if isinstance(weights, BidirectionalWeights):
        forward, backward = (_recurrent(half, scale) for half in (weights.forward, weights.backward))
        return replace(weights, forward=forward, backward=backward)
    by, offset = _columns(scale, weights.features)
    kernel = weights.kernel.astype(np.float64)
    return replace(weights, kernel=single(kernel * by), bias=single(weights.bias + kernel @ offset))


def _convolution(does: Convolution, scale: Stretch) -> Convolution:
    rows = does.rows.weights
    by, offset = _columns(scale, rows.shape[1] // does.taps)
    if offset.any():
        raise ModelError("is given what was shifted, but zeros before the first step; put the normalisation behind it")
    return replace(does, rows=dense_weights(rows * np.tile(by, does.taps), does.rows.bias))


def _columns(scale: Stretch, width: int) -> tuple[Array, Array]:
    sizes = {array.size for array in (scale.scale, scale.offset)} - {1, width}
    if sizes:
        raise ModelError(f"takes {width} numbers a step, the scaling before it {sizes.pop()}; save the model again")
    return np.broadcast_to(scale.scale, (width,)), np.broadcast_to(scale.offset, (width,))
