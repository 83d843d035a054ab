"""What a file holds, format by format the same: parts in a row from its input to its output.

Shapes use F = features of a layer's input, H = units, O = outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_lstm.errors import ModelError
from edge_lstm.model import CellWeights, DenseWeights, LstmWeights

Array = NDArray[Any]

BATCH_FIRST, TIME_FIRST = ("batch", "time", "features"), ("time", "batch", "features")


@dataclass(frozen=True, eq=False)
class Normalise:
    """``(x - mean) / deviation``, each (F,)."""

    mean: Array
    deviation: Array


@dataclass(frozen=True, eq=False)
class Recurrent:
    """An LSTM layer; ``every_step`` says whether it hands on all of its hidden states or the last alone."""

    weights: CellWeights
    every_step: bool


@dataclass(frozen=True)
class LastStep:
    """Of all steps the last."""


@dataclass(frozen=True)
class Activation:
    """After the head: makes probabilities of logits."""

    name: Literal["softmax", "sigmoid"]


Does = Normalise | Recurrent | LastStep | DenseWeights | Activation


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
        rounded: whether the original computes with quantised numbers, so that the import can only be near it.
        grid: of its input, where that is quantised.
    """

    format: str
    parts: tuple[Part, ...]
    steps: int | None = None
    batch: int | None = None
    notes: tuple[str, ...] = ()
    input_axes: tuple[str, ...] = BATCH_FIRST
    output_axes: tuple[str, ...] | None = None
    rounded: bool = False
    grid: Grid | None = None


def part(name: str, kind: str, build: Callable[[], Does | None], note: str = "") -> Part:
    """A part, or an obstacle that says why ``build`` raised ModelError."""
    try:
        return Part(name, kind, build(), note)
    except ModelError as error:
        return Part(name, kind, obstacle=str(error))


def lstm_weights(kernel: Array, recurrent: Array, bias: Array, order: tuple[int, ...] = (0, 1, 2, 3)) -> LstmWeights:
    """Of gates above each other: (4H, F), (4H, H) and (4H,), where ``order`` finds i, f, g, o among them."""
    gates, units = list(order), len(recurrent) // 4
    return LstmWeights(
        _single(kernel).reshape(4, units, -1)[gates],
        _single(recurrent).reshape(4, units, units)[gates],
        _single(bias).reshape(4, units)[gates],
    )


def dense_weights(weights: Array, bias: Array) -> DenseWeights:
    """Of (O, H) and (O,) in any floating type."""
    return DenseWeights(_single(weights), _single(bias))


def _single(values: Array) -> NDArray[np.float32]:
    """What is too large for float32 becomes infinite, which the model's own check refuses."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32)
