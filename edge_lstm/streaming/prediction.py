"""What a stream says: one prediction, in the user's words and units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from edge_lstm.model import Interface, TaskKind


class Prediction:
    """One prediction. Fields that a task does not have are None or empty.

    Args:
        step: index of the sample it was made at, from 0.
        time: seconds from the first sample, if the model knows its rate.
        label: the likeliest label.
        probability: of ``label``.
        probabilities: of every label.
        values: physical values by output name; of step ``for_step`` if that is given.
        for_step: the step that a forecast is about, or what a model says that looks ahead.
        score: smoothed residual of an anomaly model; None at the first step, which nothing foretold.
        anomaly: whether ``score`` is above the model's threshold.
    """

    __slots__ = ()
    step: int
    time: float | None
    label: str | None
    probability: float | None
    probabilities: Mapping[str, float]
    values: Mapping[str, float]
    for_step: int | None
    score: float | None
    anomaly: bool | None

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

    def __eq__(self, other: object) -> bool:
        return self._fields() == other._fields() if isinstance(other, Prediction) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # there are tables in it

    def __repr__(self) -> str:
        return (
            f"Prediction({', '.join(f'{name}={value!r}' for name, value in zip(FIELDS, self._fields(), strict=True))})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Told, self._fields()

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in FIELDS)


FIELDS = tuple(Prediction.__annotations__)


@dataclass(slots=True, eq=False, repr=False)
class Told(Prediction):
    """A prediction whose fields are known."""

    step: int
    time: float | None = None
    label: str | None = None
    probability: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    for_step: int | None = None
    score: float | None = None
    anomaly: bool | None = None


class Speaker(Protocol):
    """What turns what a stream said in C into words and units."""

    interface: Interface

    def told(self, said: bytes) -> tuple[int, list[float]]:
        """The step, and the network's output (O,), logits or scaled targets."""
        ...


class Untold(Prediction):
    """What a stream said in C; its fields are made when one is first asked for: many streams look at few of them."""

    __slots__ = ("_said", "_speaker")
    _said: bytes | Told
    _speaker: Speaker

    def __getattr__(self, name: str) -> Any:
        if name not in FIELDS:
            raise AttributeError(f"a prediction has no {name!r}")
        said = self._said
        if isinstance(said, bytes):
            step, output = self._speaker.told(said)
            said = self._said = prediction(self._speaker.interface, output, step)
        return getattr(said, name)


def untold(said: bytes, speaker: Speaker) -> Untold:
    """The prediction in what a stream said."""
    made = Untold()
    made._said, made._speaker = said, speaker
    return made


def _label(interface: Interface, logits: Sequence[float]) -> dict[str, Any]:
    names, probabilities = interface.task.outputs, softmax(logits)
    best = probabilities.index(max(probabilities))
    return {
        "label": names[best],
        "probability": probabilities[best],
        "probabilities": dict(zip(names, probabilities)),  # noqa: B905 - asking whether they are as many takes longer
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


def prediction(interface: Interface, output: Sequence[float], step: int, **more: Any) -> Told:
    """The prediction in the network's output (O,), logits or scaled targets, at a step."""
    ahead = interface.ahead
    return Told(
        step,
        time=None if interface.rate_hz is None else step / interface.rate_hz,
        for_step=step + ahead if ahead else None,
        **_SAY[interface.task.kind](interface, output),
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
