"""What a file holds, format by format the same: parts in a row from its input to its output.

Shapes use F = features of a layer's input, O = outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_lstm.errors import ModelError
from edge_lstm.importers.given import NOTHING, Given
from edge_lstm.model import BidirectionalWeights, DenseLayerWeights, DenseWeights, RecurrentWeights

Array = NDArray[Any]

BATCH_FIRST, TIME_FIRST = ("batch", "time", "features"), ("time", "batch", "features")


@dataclass(frozen=True, eq=False)
class Normalise:
    """``(x - mean) / deviation``, each (F,) or (1,) for all channels. Several in a row are one."""

    mean: Array
    deviation: Array


@dataclass(frozen=True, eq=False)
class Recurrent:
    """A recurrent layer; ``every_step`` says whether it hands on all of its hidden states or the last alone."""

    weights: RecurrentWeights | BidirectionalWeights
    every_step: bool


@dataclass(frozen=True, eq=False)
class BothWays:
    """A bidirectional layer, its hidden states side by side at every step."""

    forward: RecurrentWeights
    backward: RecurrentWeights


@dataclass(frozen=True, eq=False)
class DenseLayer:
    """A dense layer before the head, at every step there is, or a convolution."""

    weights: DenseLayerWeights


@dataclass(frozen=True, eq=False)
class Convolution:
    """A causal convolution over ``taps`` steps before what squashes it: rows (H, taps·F), the oldest step first."""

    rows: DenseWeights
    taps: int


@dataclass(frozen=True)
class LastStep:
    """Of all steps the last."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """After the head: ``y · scale + offset``, each (O,) or (1,) for all outputs. Several in a row are one."""

    scale: Array
    offset: Array


@dataclass(frozen=True)
class Activation:
    """After the head: makes probabilities of logits. After a dense layer: what squashes."""

    name: Literal["softmax", "sigmoid", "relu", "tanh"]


@dataclass(frozen=True)
class Largest:
    """At the end: which output is the largest, a label. A stream tells it anyway, so the model keeps the outputs."""


Does = (
    Normalise
    | Recurrent
    | BothWays
    | DenseLayer
    | Convolution
    | LastStep
    | DenseWeights
    | Stretch
    | Activation
    | Largest
)


@dataclass(frozen=True, eq=False)
class Part:
    """One layer or node of a file.

    Args:
        kind: its class or operator, as the file's format calls it.
        does: what it computes; None if that is nothing at inference, or nothing we have.
        note: what to know about it.
        obstacle: why it cannot be taken, and the nearest change; empty if it can.
    """

    name: str
    kind: str
    does: Does | None = None
    note: str = ""
    obstacle: str = ""


@dataclass(frozen=True)
class Grid:
    """The numbers a quantised input can be: ``(code - zero) · scale`` for codes of ``lowest`` to ``highest``."""

    scale: float
    zero: int
    lowest: int
    highest: int


@dataclass(frozen=True, eq=False)
class Chain:
    """A file's parts in the order of computation.

    Args:
        format: the program it came from.
        steps: of a sequence, where the file fixes them.
        batch: likewise.
        notes: what the file cannot say and was supposed, a sentence each.
        input_axes: of the file's input: ``batch``, ``time``, ``features`` in its order.
        output_axes: of its output, where ``one`` is an axis of one place; None are those of the input.
        carried: whether the file's layers carry their state from one call to the next, as a stream does.
        states: further inputs by name, which are zero where a stream begins; None in a shape is the batch.
        handed: of a state that is taken at every call and given anew: its place among the inputs, and that among the
            outputs.
        said: what the file says of itself.
        rounded: whether the original computes with quantised numbers, so that the import can only be near it.
        grid: of its input, where that is quantised.
        tokens: of a file whose input is whole numbers below this; None if it is samples. Ours are one-hot rows then.
        untold: place of a part that stands for an activation which the file does not say → what to do about it.
    """

    format: str
    parts: tuple[Part, ...]
    steps: int | None = None
    batch: int | None = None
    notes: tuple[str, ...] = ()
    input_axes: tuple[str, ...] = BATCH_FIRST
    output_axes: tuple[str, ...] | None = None
    carried: bool = False
    states: tuple[tuple[str, tuple[int | None, ...]], ...] = ()
    handed: tuple[tuple[int, int], ...] = ()
    said: Given = NOTHING
    rounded: bool = False
    grid: Grid | None = None
    tokens: int | None = None
    untold: Mapping[int, str] = field(default_factory=dict)


def part(name: str, kind: str, build: Callable[[], Does | None], note: str = "") -> Part:
    """A part, or an obstacle that says why ``build`` raised ModelError."""
    try:
        with quiet():
            return Part(name, kind, build(), note)
    except ModelError as error:
        return Part(name, kind, obstacle=str(error))


def quiet() -> Any:
    """Numbers that are none may come of numbers in a file; the model's own check refuses them."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


def dense_weights(weights: Array, bias: Array) -> DenseWeights:
    """Of (O, H) and (O,) in any floating type."""
    return DenseWeights(single(weights), single(bias))


def single(values: Array) -> NDArray[np.float32]:
    """As float32. What is too large for it becomes infinite, which the model's own check refuses."""
    with quiet():
        return np.asarray(values, np.float32)
