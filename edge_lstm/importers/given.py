"""What is said of a network besides its weights: by the user, or by the file itself."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from edge_lstm.model import AnomalyRule, TaskKind


@dataclass(frozen=True)
class Given:
    """What somebody says of a file; None is left to ``interface.float_model``.

    Args:
        channels: names of the inputs, in the order of the file.
        labels: names of the outputs; of a forecast the channels it tells.
        task: what the outputs mean.
        window: steps after which the state is zeroed; 0 carries it for ever.
        horizon: steps a forecast looks ahead.
        rate_hz: of the samples.
        anomaly: when a residual is one; only a file of ours says so.
        front_end: of audio; only a file of ours says so.
    """

    channels: tuple[str, ...] | None = None
    labels: tuple[str, ...] | None = None
    task: TaskKind | None = None
    window: int | None = None
    horizon: int | None = None
    rate_hz: float | None = None
    anomaly: AnomalyRule | None = None
    front_end: dict[str, Any] | None = None

    def over(self, other: Given) -> Given:
        """The same, with what ``other`` says where this says nothing."""
        return Given(
            **{
                f.name: getattr(other, f.name) if getattr(self, f.name) is None else getattr(self, f.name)
                for f in fields(Given)
            }
        )


NOTHING = Given()
