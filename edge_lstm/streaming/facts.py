"""What the training data meant by a number, so that a live stream means the same: the manifest's ``stream`` table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

from edge_lstm.errors import BundleError


class _Spec(Protocol):
    """The keys of the ``[data]`` table that a stream shares with the training data."""

    @property
    def missing(self) -> str: ...
    @property
    def missing_value(self) -> float | None: ...
    @property
    def max_gap(self) -> int: ...
    @property
    def decimal(self) -> str: ...
    @property
    def timestamp(self) -> tuple[str, ...]: ...
    @property
    def time_format(self) -> str | None: ...
    @property
    def time_unit(self) -> str: ...


@dataclass(frozen=True)
class Facts:
    """How the training data was read; the fields are keys of ``[data]``, the defaults those of a bundle without facts.

    Args:
        missing: ``refuse``, ``hold`` or ``interpolate``.
        missing_value: the number that stands for a missing value.
        max_gap: most steps in a row that were filled.
        decimal: decimal sign.
        timestamp: columns of the time.
        time_format: strptime format of the times; None for ISO 8601 or a number.
        time_unit: of numeric times.
    """

    missing: str = "refuse"
    missing_value: float | None = None
    max_gap: int = 10
    decimal: str = "."
    timestamp: tuple[str, ...] = ()
    time_format: str | None = None
    time_unit: str = "ms"

    @classmethod
    def of_data(cls, spec: _Spec) -> Facts:
        """The facts in a project's ``[data]`` table."""
        return cls(**{field.name: getattr(spec, field.name) for field in fields(cls)})

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> Facts:
        """The facts in a bundle's manifest; the defaults where it has none.

        Raises:
            BundleError: if its table ``stream`` holds something else.
        """
        table = manifest.get("stream", {})
        known = {field.name for field in fields(cls)}
        if not isinstance(table, Mapping) or set(table) - known or not all(_KINDS[k](v) for k, v in table.items()):
            raise BundleError("manifest.json: its table 'stream' was changed; export the bundle again")
        values: dict[str, Any] = {key: tuple(v) if key == "timestamp" else v for key, v in table.items()}
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "timestamp": list(self.timestamp)}


def _is(*kinds: type) -> Any:
    return lambda value: isinstance(value, kinds) and not isinstance(value, bool)


_KINDS: dict[str, Any] = {
    "missing": _is(str),
    "missing_value": _is(int, float, type(None)),
    "max_gap": _is(int),
    "decimal": lambda value: value in (".", ","),
    "timestamp": lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
    "time_format": _is(str, type(None)),
    "time_unit": lambda value: value in ("s", "ms", "us", "ns"),
}
