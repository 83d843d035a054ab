"""What an ONNX file of our own says of itself: its metadata properties, JSON values."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from edge_lstm.errors import ModelError
from edge_lstm.importers.given import Given
from edge_lstm.model import AnomalyRule, TaskKind

PRODUCER = "edge-lstm"
_LARGEST = 2**20
"""Characters of a property: thousands of names."""

_NO_RULE = "the file does not hold the anomaly rule, so the model is a forecast; train it as anomaly to have one again"


def said_in(model: Any, path: Path) -> tuple[Given, tuple[str, ...]]:
    """What a file says of itself, and what to know about it; nothing if it is of another producer.

    Raises:
        ModelError: if a property is not what we write.
    """
    if model.producer_name != PRODUCER:
        return Given(), ()
    held = {entry.key: entry.value for entry in model.metadata_props if entry.key in _READ}
    fields = {_READ[key][0]: _value(key, text, path) for key, text in held.items()}
    if "window" in held and fields["window"] is None:
        fields["window"] = 0
    if fields.get("task") == "anomaly" and fields.get("anomaly") is None:
        return Given(**{**fields, "task": "forecast"}), (_NO_RULE,)
    return Given(**fields), ()


def _value(key: str, text: str, path: Path) -> Any:
    try:
        if len(text) > _LARGEST:
            raise ValueError(f"it has {len(text):,} characters")
        value = json.loads(text)
        return None if value is None else _READ[key][1](value)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{path}: property {key!r} is not what edge-lstm writes ({error}); export the model again"
        ) from error


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("expected a list of names")
    return tuple(value)


def _kind(value: Any) -> TaskKind:
    if value not in get_args(TaskKind):
        raise ValueError(f"expected one of {', '.join(get_args(TaskKind))}")
    return value  # type: ignore[no-any-return]


def _steps(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("expected a number of steps")
    return value


def _rate(value: Any) -> float:
    if isinstance(value, bool) or not 0 < value < float("inf"):
        raise ValueError("expected a rate in Hz")
    return float(value)


def _rule(value: Any) -> AnomalyRule:
    return AnomalyRule(*(float(value[key]) for key in ("smoothing", "threshold", "quantile")))


def _front_end(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("expected the parameters of a front end")
    return value


_READ: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "channels": ("channels", _names),
    "outputs": ("labels", _names),
    "task": ("task", _kind),
    "window": ("window", _steps),
    "horizon": ("horizon", _steps),
    "rate_hz": ("rate_hz", _rate),
    "anomaly": ("anomaly", _rule),
    "front_end": ("front_end", _front_end),
}
"""Property → field of ``Given``, and how it is read."""
