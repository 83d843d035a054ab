"""Which back end runs a model, and why no faster one does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_lstm.runtimes.base import Runtime


@dataclass(frozen=True)
class PassedOver:
    """A back end that ``auto`` would have preferred.

    Args:
        reason: a phrase.
        move: what would make it run here; empty if nothing does.
    """

    backend: str
    reason: str
    move: str = ""


@dataclass(frozen=True, eq=False)
class Choice:
    """What was opened.

    Args:
        runtime: in its zero state.
        arithmetic: what it computes.
        backend: its name in the table.
        automatic: whether ``auto`` chose it.
        passed_over: those that come before it, in their order; empty where it was asked for by name.
        caution: what nobody has checked of it; empty if all was.
        instead: why it computes another arithmetic than it does of most bundles; empty if it does not.
    """

    runtime: Runtime
    arithmetic: str
    backend: str
    automatic: bool = False
    passed_over: tuple[PassedOver, ...] = ()
    caution: str = ""
    instead: str = ""

    @property
    def slow(self) -> bool:
        """Whether the reference had to serve although a fast back end can be had: worth saying unasked."""
        return self.automatic and self.backend == "reference" and self._move != ""

    @property
    def _move(self) -> str:
        """What would make the fastest run that can be made to."""
        return next((f"{each.backend}, {each.move}" for each in self.passed_over if each.move), "")

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.backend,
            "arithmetic": self.arithmetic,
            "automatic": self.automatic,
            "passed_over": {each.backend: each.reason for each in self.passed_over},
            "unchecked": self.caution,
            "instead": self.instead,
        }

    def to_text(self) -> str:
        """One line."""
        passed = ", ".join(f"{each.backend} ({each.reason})" for each in self.passed_over)
        said = [
            f"back end {self.backend}, arithmetic {self.arithmetic}",
            f"passed over: {passed}" if passed else "the fastest" if self.automatic else "",
            f"this one is slow: for {self._move}" if self.slow else "",
            self.instead,
            self.caution,
        ]
        return "; ".join(part for part in said if part)
