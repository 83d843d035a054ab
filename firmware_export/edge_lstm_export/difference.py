"""Where an artefact first leaves the reference: recording, step, layer, tensor, unit, and the gate to look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.runtimes.worker import Trace, calls

Array = NDArray[Any]

GATE_OF = {"h": "o", "y": "head"}
"""Gates that follow from the tensor alone: with equal cells only the output gate can make hidden states differ."""


@dataclass(frozen=True)
class Difference:
    """One code that is not what it should be.

    Args:
        gate: i, f, g or o where it is known; "i, f or g" where a runtime shows only its state; "head" for outputs.
    """

    recording: int
    step: int
    layer: int
    tensor: str
    unit: int
    expected: float
    found: float
    gate: str

    def blaming(self, gate: str) -> Difference:
        return replace(self, gate=gate)

    def __str__(self) -> str:
        where = "output" if self.tensor == "y" else f"layer {self.layer}, {self.tensor}"
        return (
            f"recording {self.recording}, step {self.step}, {where}[{self.unit}], gate {self.gate}: "
            f"{self.found} instead of {self.expected}"
        )


@dataclass(frozen=True)
class Comparison:
    """How much was compared and what differed."""

    steps: int
    bytes: int
    mismatches: int
    first: Difference | None


def compare(
    expected: Sequence[Trace],
    found: Sequence[Trace],
    chunk: int = 1,
    window: int | None = None,
    tolerance: float | None = None,
) -> Comparison:
    """Every output of every step, and the states after every call, code by code.

    Args:
        expected: the reference's traces, with the state after each step.
        found: what ran, in calls of ``chunk`` steps that end where a ``window`` does.
        tolerance: None for integers, which must be equal; else the share of a tensor's largest value that floats may
            be apart.
    """
    counted, differing = 0, 0
    first: Difference | None = None
    for k, (want, got) in enumerate(zip(expected, found, strict=True)):
        for step, layer, tensor, wanted, seen in _pairs(want, got, chunk, window):
            counted += wanted.nbytes
            unequal = np.argwhere(_apart(wanted, seen, tolerance))
            differing += len(unequal)
            if len(unequal):
                at, unit = (int(v) for v in unequal[0])
                gate = GATE_OF.get(tensor, "i, f or g")
                here = Difference(
                    k, int(step[at]), layer, tensor, unit, wanted[at, unit].item(), seen[at, unit].item(), gate
                )
                first = _earlier(first, here)
    return Comparison(sum(len(t.outputs) for t in found), counted, differing, first)


def _apart(wanted: Array, seen: Array, tolerance: float | None) -> Array:
    if tolerance is None:
        return np.asarray(wanted != seen)
    bound = tolerance * max(1.0, float(np.abs(wanted).max(initial=0.0)))
    return np.asarray(~(np.abs(wanted.astype(np.float64) - seen) <= bound))  # a NaN is apart from everything


def _pairs(want: Trace, got: Trace, chunk: int, window: int | None) -> Iterator[tuple[Array, int, str, Array, Array]]:
    """(steps, layer, tensor, expected, found) of everything a trace holds, in the order it is computed."""
    steps = np.arange(len(want.outputs))
    ends = np.array([stop - 1 for _, stop in calls(len(steps), chunk, window)])
    for layer, ((h, c), (found_h, found_c)) in enumerate(zip(want.states, got.states, strict=True)):
        yield ends, layer, "c", c[ends], found_c
        yield ends, layer, "h", h[ends], found_h
    yield steps, len(want.states), "y", want.outputs, got.outputs


def _earlier(a: Difference | None, b: Difference) -> Difference:
    """The one computed first: by recording, step, layer; the cell before the hidden state."""
    if a is None:
        return b
    order = {"c": 0, "h": 1, "y": 2}
    return min(a, b, key=lambda d: (d.recording, d.step, d.layer, order[d.tensor]))
