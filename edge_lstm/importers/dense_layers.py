"""Which dense parts of a file are layers and which is the head: the last one, if nothing recurrent follows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edge_lstm.importers.chain import (
    Activation,
    Convolution,
    DenseLayer,
    Largest,
    LastStep,
    Part,
    Recurrent,
    Stretch,
    dense_weights,
)
from edge_lstm.model import ConvWeights, DenseLayerWeights, DenseWeights


def with_dense_layers(parts: Sequence[Part]) -> list[Part]:
    """The parts, where dense ones before the head are layers that have taken their scaling and activation in, and all
    convolutions.
    """
    made = list(parts)
    weighty = [k for k, part in enumerate(parts) if isinstance(part.does, DenseWeights | Convolution | Recurrent)]
    for k in weighty:
        does = made[k].does
        if isinstance(does, Convolution) or (isinstance(does, DenseWeights) and k != weighty[-1]):
            _take_in(made, k, does)
    if weighty and isinstance(made[weighty[-1]].does, DenseWeights):
        _squashed_head(made, weighty[-1])
    return made


def _squashed_head(parts: list[Part], place: int) -> None:
    """A head whose outputs are squashed each by itself is a layer; before a label, what changes no order is nothing.

    One sigmoid alone stays: it is the probability of the second of two labels.
    """
    head = parts[place].does
    behind = range(place + 1, len(parts))
    k = next((k for k in behind if not isinstance(parts[k].does, LastStep | Stretch | None)), place)
    squash = parts[k].does
    if not isinstance(squash, Activation) or squash.name not in _SQUASHING or not isinstance(head, DenseWeights):
        return
    if squash.name in _RISING and any(isinstance(part.does, Largest) for part in parts):
        parts[k] = replace(parts[k], does=None, note="changes nothing in which output is the largest")
    elif squash.name != "sigmoid" or head.outputs > 1:
        _take_in(parts, place, head)


def _take_in(parts: list[Part], place: int, rows: DenseWeights | Convolution) -> None:
    """Replace the rows at ``place`` by a layer, and what belongs to them by nothing."""
    taps = rows.taps if isinstance(rows, Convolution) else 1
    weights, activation = rows.rows if isinstance(rows, Convolution) else rows, "linear"
    for k in range(place + 1, len(parts)):
        does = parts[k].does
        if parts[k].obstacle or not (does is None or isinstance(does, LastStep | Stretch | Activation)):
            break
        if isinstance(does, Stretch):
            weights = affine(weights, does)
            parts[k] = replace(parts[k], does=None, note="in the weights of the layer before it")
        if isinstance(does, Activation):
            if does.name not in _SQUASHING:
                parts[k] = replace(parts[k], obstacle=f"is a {does.name} between layers; {_BETWEEN}")
                break
            activation = does.name
            parts[k] = replace(parts[k], does=None, note="of the layer before it")
            break
    arrays: tuple[Any, Any, Any] = weights.weights[None], weights.bias[None], activation
    if taps > 1:
        parts[place] = replace(parts[place], does=DenseLayer(ConvWeights(*arrays, taps=taps)))
    else:
        note = f"{weights.outputs} units, a dense layer"
        parts[place] = replace(parts[place], does=DenseLayer(DenseLayerWeights(*arrays)), note=note)


_SQUASHING, _RISING = ("relu", "tanh", "sigmoid"), ("tanh", "sigmoid")
_BETWEEN = f"only {', '.join(_SQUASHING)} can be there"


def affine(head: DenseWeights, stretch: Stretch) -> DenseWeights:
    """The dense part whose outputs are those of ``head``, stretched."""
    scale, offset = (np.broadcast_to(values, (head.outputs,)) for values in (stretch.scale, stretch.offset))
    return dense_weights(scale[:, None] * head.weights, scale * head.bias + offset)
