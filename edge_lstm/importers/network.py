"""A chain as the one shape of network there is: normalisation, recurrent layers, a head, what makes probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers import look_ahead
from edge_lstm.importers.chain import (
    Activation,
    Array,
    BothWays,
    Chain,
    Convolution,
    DenseLayer,
    Does,
    Largest,
    LastStep,
    Normalise,
    Part,
    Recurrent,
    Stretch,
    dense_weights,
)
from edge_lstm.importers.dense_layers import affine, with_dense_layers
from edge_lstm.importers.scales import with_scales_taken_in
from edge_lstm.model import CellWeights, ConvWeights, DenseLayerWeights, DenseWeights, Scaling

Verdict = Literal["taken", "passed over", "in the way"]

_PLACES: dict[type, int] = {
    **{Normalise: 0, Recurrent: 1, BothWays: 1, DenseLayer: 1, DenseWeights: 2, Stretch: 3, Activation: 4, Largest: 5}
}
"""Where each kind of part stands. The last step may be picked before the head or after it."""

_PROBABILITIES = ("softmax", "sigmoid")

_REPEATED = (Normalise, Recurrent, DenseLayer, Stretch)


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
        target_scaling: of the head's outputs, which ``undo`` makes those of the file; the identity where a file scales
            nothing, or in a way that the head's weights take in.
        every_step: whether it speaks at every step or at the end of a sequence.
        probabilities: what the file makes of the head's outputs, ``softmax`` or ``sigmoid``; ours are logits.
        squashed: the activation that the outputs went through each by itself, in a layer that stands in for the head.
        label: whether the file gives the place of the largest output alone.
    """

    layers: tuple[CellWeights, ...]
    head: DenseWeights
    scaling: Scaling
    target_scaling: Scaling
    every_step: bool
    probabilities: str | None
    squashed: str = ""
    label: bool = False


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
    parts = list(_judged(chain))
    bad = [row for row in map(_row, parts) if row.verdict == "in the way"]
    if bad:
        more = f" (and {len(bad) - 1} more: --check lists them)" if len(bad) > 1 else ""
        raise ModelError(f"{path}: {bad[0].name} ({bad[0].kind}): {bad[0].note}{more}")
    doing = [part.does for part in parts if part.does is not None]
    layers = [does for does in doing if isinstance(does, Recurrent | DenseLayer)]
    units, features = layers[-1].weights.units, layers[0].weights.features
    head = next((does for does in doing if isinstance(does, DenseWeights)), None)
    last = layers[-1].weights
    squashed = last.activation if head is None and isinstance(last, DenseLayerWeights | ConvWeights) else "linear"
    head = head or dense_weights(np.eye(units), np.zeros(units))
    probabilities = next((d.name for d in doing if isinstance(d, Activation) and d.name in _PROBABILITIES), None)
    head, target_scaling = _stretched(head, (does for does in doing if isinstance(does, Stretch)))
    if probabilities:
        head, target_scaling = folded(head, target_scaling)
    return Found(
        tuple(layer.weights for layer in layers),
        _two_logits(head) if probabilities == "sigmoid" else head,
        _scaling((does for does in doing if isinstance(does, Normalise)), features),
        Scaling.identity(2) if probabilities == "sigmoid" else target_scaling,
        not any(isinstance(d, LastStep) or (isinstance(d, Recurrent) and not d.every_step) for d in doing),
        probabilities,
        "" if squashed == "linear" else squashed,
        any(isinstance(does, Largest) for does in doing),
    )


def _scaling(normalised: Iterable[Normalise], features: int) -> Scaling:
    """(x - a) / b, and of that (· - c) / d, is (x - (a + b·c)) / (b·d)."""
    offset, scale = np.zeros(features), np.ones(features)
    for each in normalised:
        offset, scale = offset + scale * each.mean, scale * each.deviation
    return _named(offset, scale)


def _named(offset: Array, scale: Array) -> Scaling:
    nothing = not offset.any() and bool((scale == 1).all())
    return Scaling.identity(len(offset)) if nothing else Scaling(offset, scale)


def _stretched(head: DenseWeights, stretches: Iterable[Stretch]) -> tuple[DenseWeights, Scaling]:
    """The head, and the scaling of its targets; a shift alone, and what is no scaling, go into the head."""
    offset, scale = np.zeros(head.outputs), np.ones(head.outputs)
    for each in stretches:
        offset, scale = offset * each.scale + each.offset, scale * each.scale
    if (scale == 1).all() or not (scale > 0).all():
        return affine(head, Stretch(scale, offset)), Scaling.identity(head.outputs)
    return head, _named(offset, scale)


def folded(head: DenseWeights, target_scaling: Scaling) -> tuple[DenseWeights, Scaling]:
    """The head that gives what ``target_scaling.undo`` made of its outputs, and the identity."""
    stretch = Stretch(target_scaling.scale, target_scaling.offset)
    return affine(head, stretch), Scaling.identity(head.outputs)


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
    for k, part in enumerate(with_dense_layers(with_scales_taken_in(chain.parts))):
        recurrent = recurrent or isinstance(part.does, Recurrent | BothWays) or bool(part.obstacle)
        fault = _misplaced(part.does, walk) if part.does is not None else chain.untold.get(k, "")
        yield replace(part, obstacle=part.obstacle or fault)
        _advance(part, walk)
    if not recurrent:
        yield Part(
            "file", chain.format, obstacle="holds no recurrent layer; import a network of LSTM, GRU or simple RNN"
        )


def _misplaced(does: Does, walk: _Walk) -> str:
    if isinstance(does, LastStep):
        return "" if walk.every_step else "picks a step where one alone is left; remove it"
    if isinstance(does, BothWays):
        return look_ahead.WANTED
    if isinstance(does, Convolution):
        return ""  # in the way of which something else is
    place = _PLACES[type(does)]
    if isinstance(does, Stretch) and walk.place < _PLACES[DenseWeights]:
        return "scales hidden states; only an input or the outputs of a head can be scaled, put it there"
    if place < walk.place or (place == walk.place and not isinstance(does, _REPEATED)):
        return "a network here is one normalisation, layers, one dense head and one softmax; leave this out"
    takes = _takes(does)
    if takes is not None and walk.width is not None and takes != walk.width:
        return f"takes {takes} numbers a step but is given {walk.width}; save the model again"
    sequence = isinstance(does, Recurrent) or (isinstance(does, DenseLayer) and does.weights.span > 1)
    if sequence and not walk.every_step:
        return "takes a sequence but is given its last step; make the layer before it return sequences"
    if isinstance(does, Activation) and does.name not in _PROBABILITIES:
        return f"is {does.name} of hidden states at the end; put a dense layer before it"
    if isinstance(does, Activation) and does.name == "sigmoid" and walk.width not in (1, None):
        return f"is {walk.width} sigmoids of hidden states; put a dense layer before them"
    if isinstance(does, Largest) and walk.width == 1:
        return "is always 0 of one output; leave it out"
    return ""


def _takes(does: Does) -> int | None:
    if isinstance(does, Normalise | Stretch):
        return _channels(does)
    if isinstance(does, Recurrent | DenseLayer):
        return does.weights.features
    if isinstance(does, BothWays):
        return does.forward.features
    return int(does.weights.shape[1]) if isinstance(does, DenseWeights) else None


def _channels(does: Normalise | Stretch) -> int | None:
    """None where one number serves all."""
    arrays = (does.mean, does.deviation) if isinstance(does, Normalise) else (does.scale, does.offset)
    return next((array.size for array in arrays if array.size != 1), None)


def _advance(part: Part, walk: _Walk) -> None:
    does = part.does
    if part.obstacle:
        walk.width = None
    elif isinstance(does, LastStep):
        walk.every_step = False
    elif does is not None and not isinstance(does, Convolution):
        walk.place = max(walk.place, _PLACES[type(does)])
    if isinstance(does, Normalise):
        walk.width = _channels(does) or walk.width
    if isinstance(does, Recurrent):
        walk.width, walk.every_step = does.weights.units, does.every_step
    if isinstance(does, DenseLayer):
        walk.width = does.weights.units
    if isinstance(does, BothWays):
        walk.width = 2 * does.forward.units
    if isinstance(does, DenseWeights):
        walk.width = does.outputs
