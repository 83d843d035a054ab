"""What a live stream does with values that are missing or out of range, and with lines that are no samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from edge_lstm.errors import InputError, ProjectError
from edge_lstm.model import Float64
from edge_lstm.streaming.counts import Counts
from edge_lstm.streaming.facts import Facts

Missing = Literal["refuse", "hold", "skip"]
Range = Literal["clamp", "refuse"]
Malformed = Literal["refuse", "skip"]

NEXT_MOVE = "repair it, or choose --missing hold or --missing skip"


@dataclass(frozen=True)
class Policy:
    """The rules of one stream.

    Args:
        missing: ``refuse`` a sample with a missing value, ``hold`` the channel's last one, or ``skip`` the sample.
        max_hold: most samples in a row that a channel's last value stands in for; longer, they are skipped.
        range: ``clamp`` values beyond the calibrated range as the input codes do, or ``refuse`` them.
        range_factor: how many times half the calibrated range a value may lie from its middle before it is refused.
        malformed: ``refuse`` a line that is no sample, or ``skip`` it.

    Raises:
        ProjectError: for a value outside its choices.
    """

    missing: Missing = "refuse"
    max_hold: int = 10
    range: Range = "clamp"
    range_factor: float = 1.0
    malformed: Malformed = "refuse"

    def __post_init__(self) -> None:
        for key, choices in (("missing", Missing), ("range", Range), ("malformed", Malformed)):
            if getattr(self, key) not in get_args(choices):
                raise ProjectError(f"{key} {getattr(self, key)!r} is not known; choose from {_named(choices)}")
        if not 1 <= self.range_factor < math.inf:
            raise ProjectError(f"range_factor is {self.range_factor:g}; give 1 or more: the codes hold that much")

    @classmethod
    def asked(cls, facts: Facts, missing: str | None = None, **others: Any) -> Policy:
        """What was asked for; where nothing was, missing values are held if the training data held them."""
        # What was interpolated looked ahead, which a stream cannot; the user has to choose.
        fallback = "hold" if facts.missing == "hold" else "refuse"
        return cls(missing or fallback, facts.max_gap, **others)  # type: ignore[arg-type]  # checked above


def _named(choices: Any) -> str:
    return ", ".join(get_args(choices))


@dataclass
class Admission:
    """Samples as they come → samples the model may have.

    Args:
        limits: (C,) lowest and highest physical values that the input codes hold; None for a float model.

    Raises:
        ProjectError: if values out of range are to be refused by a model that has no range.
    """

    policy: Policy
    channels: Sequence[str]
    limits: tuple[Float64, Float64] | None
    counts: Counts
    held: list[float] = field(init=False)
    """(C,) last good value of each channel, NaN before the first."""

    def __post_init__(self) -> None:
        if self.policy.range == "refuse" and self.limits is None:
            raise ProjectError("range 'refuse' needs a quantised model, a float model has no calibrated range")
        self._low, self._high = ([], []) if self.limits is None else (limit.tolist() for limit in self.limits)
        self.forget()

    def forget(self) -> None:
        """Hold nothing from before."""
        self.held = [math.nan] * len(self.channels)
        self._missed = [0] * len(self.channels)

    def admit(self, values: Sequence[float], where: str) -> list[float] | None:
        """The sample (C,) to push, or None if it is left out.

        Args:
            values: (C,) physical, NaN where missing.
            where: the sample's place, for messages.

        Raises:
            InputError: naming the channel of what the policy refuses.
        """
        sample = list(values)
        gone = [k for k, value in enumerate(sample) if not math.isfinite(value)]
        if gone and self.policy.missing == "refuse":
            raise InputError(f"{where}, channel {self.channels[gone[0]]}: {sample[gone[0]]} is not finite; {NEXT_MOVE}")
        for k, value in enumerate(sample):
            if math.isfinite(value):
                self.held[k], self._missed[k] = value, 0
            else:
                self._missed[k] += 1
        if gone and not self._filled(sample, gone):
            self.counts.skipped += 1
            return None
        for k, (low, high) in enumerate(zip(self._low, self._high, strict=True)):
            if not low <= sample[k] <= high:
                self._beyond(k, sample[k], where)
        return sample

    def _filled(self, sample: list[float], gone: list[int]) -> bool:
        """Put the held values where values are gone; whether that gives a sample."""
        if self.policy.missing == "skip" or any(self._missed[k] > self.policy.max_hold for k in gone):
            return False
        for k in gone:
            sample[k] = self.held[k]
        whole = all(map(math.isfinite, sample))
        self.counts.held += len(gone) if whole else 0
        return whole

    def _beyond(self, k: int, value: float, where: str) -> None:
        low, high = self._low[k], self._high[k]
        allowed = self.policy.range_factor * (high - low) / 2
        if self.policy.range == "refuse" and abs(value - (low + high) / 2) > allowed:
            raise InputError(
                f"{where}, channel {self.channels[k]}: {value:g} is out of the calibrated range {low:g} to {high:g} "
                f"(factor {self.policy.range_factor:g}); check the sensor and its unit, or choose --range clamp"
            )
        self.counts.clamped += 1
