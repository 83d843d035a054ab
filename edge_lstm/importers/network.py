"""A chain as the one shape of network there is here: normalisation, LSTM layers, a head, what makes probabilities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.chain import Activation, Chain, Does, LastStep, Normalise, Part, Recurrent, dense_weights
from edge_lstm.model import CellWeights, DenseWeights, Scaling

Verdict = Literal["taken", "passed over", "in the way"]

_PLACES: dict[type, int] = {Normalise: 0, Recurrent: 1, DenseWeights: 2, Activation: 3}
"""Where each kind of part stands; only LSTM layers repeat. The last step may be picked before the head or after it."""


@dataclass(frozen=True)
class Row:
    """What becomes of one part of a file."""

    name: str
    kind: str
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True, eq=False)
class Found:
    """The network in a file, without what a file cannot say.

    Args:
        every_step: whether it speaks at every step or at the end of a sequence.
        probabilities: what the file makes of the head's outputs; ours are logits.
    """

    layers: tuple[CellWeights, ...]
    head: DenseWeights
    scaling: Scaling
    every_step: bool
    probabilities: Literal["softmax", "sigmoid"] | None


def lint(chain: Chain) -> list[Row]:
    """What becomes of each part."""
    return [_row(part) for part in _judged(chain)]


def _row(part: Part) -> Row:
    if part.obstacle:
        return Row(part.name, part.kind, "in the way", part.obstacle)
    return Row(part.name, part.kind, "passed over" if part.does is None else "taken", part.note)


def network_of(chain: Chain, path: Path) -> Found:
    """The network of a chain.

    Raises:
        ModelError: naming the first part that stands in the way.
    """
    bad = [row for row in lint(chain) if row.verdict == "in the way"]
    if bad:
        more = f" (and {len(bad) - 1} more: --check lists them)" if len(bad) > 1 else ""
        raise ModelError(f"{path}: {bad[0].name} ({bad[0].kind}): {bad[0].note}{more}")
    doing = [part.does for part in chain.parts if part.does is not None]
    layers = [does for does in doing if isinstance(does, Recurrent)]
    units, features = layers[-1].weights.units, layers[0].weights.features
    head = next((does for does in doing if isinstance(does, DenseWeights)), None)
    head = head or dense_weights(np.eye(units), np.zeros(units))
    normalise = next((does for does in doing if isinstance(does, Normalise)), None)
    probabilities = next((does.name for does in doing if isinstance(does, Activation)), None)
    return Found(
        tuple(layer.weights for layer in layers),
        _two_logits(head) if probabilities == "sigmoid" else head,
        Scaling(normalise.mean, normalise.deviation) if normalise else Scaling.identity(features),
        layers[-1].every_step and not any(isinstance(does, LastStep) for does in doing),
        probabilities,
    )


def _two_logits(head: DenseWeights) -> DenseWeights:
    """sigmoid(z) is the second of softmax((0, z))."""
    weights, bias = np.zeros((2, head.weights.shape[1])), np.zeros(2)
    weights[1], bias[1] = head.weights[0], head.bias[0]
    return dense_weights(weights, bias)


@dataclass
class _Walk:
    """What is known between two parts: how far the network is built, numbers a step, and whether there are steps."""

    place: int = -1
    width: int | None = None
    every_step: bool = True


def _judged(chain: Chain) -> Iterator[Part]:
    """The parts, with an obstacle where one does not fit those before it."""
    walk, recurrent = _Walk(), False
    for part in chain.parts:
        recurrent = recurrent or isinstance(part.does, Recurrent) or bool(part.obstacle)
        fault = _misplaced(part.does, walk) if part.does is not None else ""
        yield replace(part, obstacle=part.obstacle or fault)
        _advance(part, walk)
    if not recurrent:
        yield Part("file", chain.format, obstacle="holds no LSTM layer; import a network that has one")


def _misplaced(does: Does, walk: _Walk) -> str:
    if isinstance(does, LastStep):
        return "" if walk.every_step else "picks a step where one alone is left; remove it"
    place = _PLACES[type(does)]
    if place < walk.place or (place == walk.place and place != _PLACES[Recurrent]):
        return "a network here is one normalisation, LSTM layers, one dense head and one softmax; leave this layer out"
    takes = _takes(does)
    if takes is not None and walk.width is not None and takes != walk.width:
        return f"takes {takes} numbers a step but is given {walk.width}; save the model again"
    if isinstance(does, Recurrent) and not walk.every_step:
        return "takes a sequence but is given its last step; make the LSTM before it return sequences"
    if isinstance(does, Activation) and does.name == "sigmoid" and walk.width not in (1, None):
        return f"{walk.width} sigmoids are as many yes-or-no answers, one a stream is possible; train a softmax"
    return ""


def _takes(does: Does) -> int | None:
    if isinstance(does, Normalise):
        return len(does.mean)
    if isinstance(does, Recurrent):
        return does.weights.features
    return int(does.weights.shape[1]) if isinstance(does, DenseWeights) else None


def _advance(part: Part, walk: _Walk) -> None:
    does = part.does
    if part.obstacle:
        walk.width = None
    elif isinstance(does, LastStep):
        walk.every_step = False
    elif does is not None:
        walk.place = max(walk.place, _PLACES[type(does)])
    if isinstance(does, Normalise):
        walk.width = len(does.mean)
    if isinstance(does, Recurrent):
        walk.width, walk.every_step = does.weights.units, does.every_step
    if isinstance(does, DenseWeights):
        walk.width = does.outputs
