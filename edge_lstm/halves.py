"""What a layer that looks ahead is in every family of numbers: two layers over one input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from edge_lstm.errors import ModelError

MOST_LOOK_AHEAD = 64
"""Every step of it is one more step of the backward half for each step of a stream."""

HALVES = ("forward", "backward")

OF_HALVES = {f"bi{cell}": cell for cell in ("lstm", "gru", "rnn")}
"""Variant of a layer that looks ahead → that of its halves, whose hidden states all lie within ±1."""


def widths(cells: Sequence[str], units: Sequence[int]) -> tuple[int, ...]:
    """(layers,) outputs of layers of these variants and of so many units, each way of those that look ahead."""
    return tuple(n * (len(HALVES) if cell in OF_HALVES else 1) for cell, n in zip(cells, units, strict=True))


def steps_late(cells: Sequence[str], look_ahead: int) -> int:
    """By which a stack of these variants speaks late, where each that looks ahead does so by ``look_ahead`` steps."""
    return look_ahead * sum(cell in OF_HALVES for cell in cells)


@dataclass(frozen=True, eq=False)
class Halves:
    """Two recurrent layers over one input, one of which looks ahead by N steps: what a stream can do of a bidirectional
    layer (Schuster & Paliwal, 1997). It speaks of step t - N at step t::

        h'(t) = [f(t - N) | b(t - N)]

    f is the hidden state of ``forward``, and zero before the first step; b is that of ``backward`` after the steps t,
    t - 1, … t - N, from a zero state at every step. Where a sequence ends at t, that is what the whole layer gives.
    What it carries: c of ``forward`` if it has one, then x and f of the last N steps, the oldest first.

    Args:
        forward, backward: alike in all but their numbers.
        look_ahead: N, 1 to ``MOST_LOOK_AHEAD``.

    Raises:
        ModelError: if the halves do not fit together.
    """

    forward: Any
    backward: Any
    look_ahead: int

    cell: ClassVar[str] = "bidirectional"
    alike: ClassVar[tuple[str, ...]]
    """What both halves must have in common."""

    def __post_init__(self) -> None:
        one, other = (tuple(getattr(half, name) for name in self.alike) for half in (self.forward, self.backward))
        if one != other:
            what = ", ".join(self.alike)
            raise ModelError(f"BIDIRECTIONAL halves have {what} {one} and {other}; expected two alike")
        if not 1 <= self.look_ahead <= MOST_LOOK_AHEAD:
            raise ModelError(f"BIDIRECTIONAL look_ahead is {self.look_ahead}; expected 1 to {MOST_LOOK_AHEAD} steps")

    @property
    def named_halves(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in HALVES}

    @property
    def features(self) -> int:
        return int(self.forward.features)

    @property
    def units(self) -> int:
        return 2 * int(self.forward.units)
