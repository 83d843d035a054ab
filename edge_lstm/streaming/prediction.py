"""What a stream says: one prediction, in the user's words and units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from edge_lstm.model import Interface, TaskKind


class Speaker(Protocol):
    """What turns the codes of an output into words and units."""

    interface: Interface

    def decode_bytes(self, codes: bytearray) -> list[float]:
        """(O,) int16 codes in memory → (O,) logits or scaled targets."""
        ...


class _Untold:
    """Where a prediction's fields are taken from when one is first asked for: many streams look at few of them."""

    __slots__ = ("_codes", "_speaker")
    step: int
    _codes: bytearray
    _speaker: Speaker

    def __getattr__(self, name: str) -> Any:
        # Called for what is not set.
        if name not in Prediction.__dataclass_fields__:
            raise AttributeError(f"a prediction has no {name!r}")
        made = prediction(self._speaker.interface, self._speaker.decode_bytes(self._codes), self.step)
        for each in Prediction.__dataclass_fields__:
            setattr(self, each, getattr(made, each))
        return object.__getattribute__(self, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return Prediction, tuple(getattr(self, name) for name in Prediction.__dataclass_fields__)


@dataclass(slots=True)
class Prediction(_Untold):
    """One prediction. Fields that a task does not have are None or empty.

    Args:
        step: index of the sample it was made at, from 0.
        time: seconds from the first sample, if the model knows its rate.
        label: the likeliest label.
        probability: of ``label``.
        probabilities: of every label.
        values: physical values by output name; of step ``for_step`` if that is given.
        for_step: the step that a forecast is about.
        score: smoothed residual of an anomaly model; None at the first step, which nothing foretold.
        anomaly: whether ``score`` is above the model's threshold.
    """

    step: int
    time: float | None = None
    label: str | None = None
    probability: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    for_step: int | None = None
    score: float | None = None
    anomaly: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values, without the fields this task does not have."""
        fields: dict[str, Any] = {
            "step": self.step,
            "time": None if self.time is None else _significant(self.time),
            "label": self.label,
            "probability": None if self.probability is None else round(self.probability, 6),
            "probabilities": {name: round(p, 6) for name, p in self.probabilities.items()},
            "values": {name: _significant(value) for name, value in self.values.items()},
            "for_step": self.for_step,
            "score": None if self.score is None else _significant(self.score),
            "anomaly": self.anomaly,
        }
        return {name: value for name, value in fields.items() if value is not None and value != {}}

    def to_text(self) -> str:
        """One line for people."""
        parts = [f"step {self.step}"]
        if self.time is not None:
            parts.append(f"{self.time:.3f} s")
        if self.label is not None:
            parts.append(f"{self.label} {100 * (self.probability or 0):.1f} %")
        if self.for_step is not None:
            parts.append(f"for step {self.for_step}")
        parts += [f"{name} {value:.6g}" for name, value in self.values.items()]
        if self.score is not None:
            parts.append(f"score {self.score:.4g}")
        if self.anomaly:
            parts.append("ANOMALY")
        return "  ".join(parts)


def _label(interface: Interface, logits: Sequence[float]) -> dict[str, Any]:
    names, probabilities = interface.task.outputs, softmax(logits)
    best = max(range(len(names)), key=probabilities.__getitem__)
    return {
        "label": names[best],
        "probability": probabilities[best],
        "probabilities": dict(zip(names, probabilities, strict=True)),
    }


def _values(interface: Interface, scaled: Sequence[float]) -> dict[str, Any]:
    return {"values": dict(zip(interface.task.outputs, interface.target_scaling.undo(scaled).tolist(), strict=True))}


_SAY: dict[TaskKind, Callable[[Interface, Sequence[float]], dict[str, Any]]] = {
    "classify": _label,
    "tag": _label,
    "regress": _values,
    "forecast": _values,
    "anomaly": _values,
}


def untold(speaker: Speaker, codes: bytearray, step: int) -> Prediction:
    """The prediction in the codes (O,) of an output at a step; they are decoded when somebody asks."""
    made = _new(Prediction)
    made.step = step
    made._codes, made._speaker = codes, speaker  # type: ignore[misc]  # slots of its base, which mypy does not see
    return made


_new = object.__new__


def prediction(interface: Interface, output: Sequence[float], step: int, **more: Any) -> Prediction:
    """The prediction in the network's output (O,), logits or scaled targets, at a step."""
    task = interface.task
    return Prediction(
        step,
        time=None if interface.rate_hz is None else step / interface.rate_hz,
        for_step=step + task.horizon if task.predicts_ahead else None,
        **_SAY[task.kind](interface, output),
        **more,
    )


def softmax(logits: Sequence[float]) -> list[float]:
    """Probabilities in float64, one operation at a time, so that equal codes print equal lines on every back end."""
    top = max(logits)
    powers = [math.exp(logit - top) for logit in logits]
    total = math.fsum(powers)
    return [power / total for power in powers]


def _significant(value: float) -> float:
    """Nine digits: every float32 keeps its own."""
    return float(f"{value:.9g}")
