"""When a live stream begins anew: never, after a gap in the samples' times, or every so many steps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from edge_lstm.errors import ProjectError


@dataclass(frozen=True)
class ResetRule:
    """One of ``never``, ``gap > MS`` and ``every N``.

    Args:
        kind: which.
        amount: milliseconds of a gap, or steps.
    """

    kind: Literal["never", "gap", "every"] = "never"
    amount: float = 0.0

    @classmethod
    def parse(cls, text: str) -> ResetRule:
        """Read ``never``, ``gap > 500`` (milliseconds) or ``every 1000`` (steps).

        Raises:
            ProjectError: if it is none of them.
        """
        if text.strip() == "never":
            return cls()
        gap = re.fullmatch(r"\s*gap\s*>\s*(\d+(?:\.\d+)?)(?:\s*ms)?\s*", text)
        if gap:
            return cls("gap", float(gap[1]))
        every = re.fullmatch(r"\s*every\s+([1-9]\d*)\s*", text)
        if every:
            return cls("every", float(every[1]))
        raise ProjectError(f"reset {text!r} is not known; give 'never', 'gap > 500' (milliseconds) or 'every 1000'")


@dataclass
class Gaps:
    """Watches one stream.

    Args:
        last: time of the last sample that the model took, seconds; None before the first.
    """

    rule: ResetRule
    last: float | None = None

    def due(self, time: float | None, step: int) -> bool:
        """Whether the stream begins anew at a sample.

        Args:
            time: of the sample, seconds. A clock that went back is a gap too: how long it was, nobody knows.
            step: steps taken since the last reset.
        """
        if self.rule.kind == "every":
            return step >= self.rule.amount
        if self.rule.kind == "never" or time is None or self.last is None:
            return False
        # A thousandth of a millisecond for times that a decimal fraction cannot hold.
        return time < self.last or (time - self.last) * 1000 > self.rule.amount + 1e-3

    def passed(self, time: float | None) -> None:
        """Remember the time of a sample that the model took."""
        self.last = time
