"""Frozen dataclasses read from the tables of a TOML file, each key known and each value of its type."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, Self

from edge_lstm.errors import ProjectError


class Table:
    """A dataclass whose fields are the keys of a TOML table."""

    @classmethod
    def from_table(cls, table: Mapping[str, Any], where: str) -> Self:
        """Build it from a parsed table.

        Args:
            table: the keys and values as TOML gives them.
            where: the table's place for messages, ``edge-lstm.toml [data]``.

        Raises:
            ProjectError: for a key that is unknown or a value that is not usable.
        """
        known: dict[str, Field[Any]] = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]  # a dataclass
        for key in table:
            if key not in known:
                raise ProjectError(f"{where}: key {key!r} is not known; {suggestion(key, known)}")
        missing = [name for name, field in known.items() if name not in table and _is_required(field)]
        if missing:
            raise ProjectError(f"{where}: key {missing[0]!r} is missing; add it")
        values = {key: _converted(value, known[key], f"{where} {key}") for key, value in table.items()}
        try:
            return cls(**values)
        except ProjectError as error:
            raise ProjectError(f"{where}: {error}") from error


def suggestion(name: str, known: Iterable[str]) -> str:
    """The next move after an unknown name: the nearest known one, or all of them."""
    known = tuple(known)
    spelt = {k.lower(): k for k in known}
    near = difflib.get_close_matches(name.lower(), spelt, n=1)
    return f"did you mean {spelt[near[0]]!r}?" if near else f"choose from {', '.join(known)}"


def refuse_unknown(key: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raise ProjectError unless the value is one of the choices."""
    if value not in choices:
        raise ProjectError(f"{key} {value!r} is not known; {suggestion(str(value), (str(c) for c in choices if c))}")


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(_text(v) for v in value)


_KINDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "float": (_number, "a number"),
    "int": (_integer, "a whole number"),
    "bool": (_boolean, "true or false"),
    "tuple[str, ...]": (_texts, "a text or a list of texts"),
}


def _converted(value: Any, field: Field[Any], where: str) -> Any:
    inner: type[Table] | None = field.metadata.get("table")
    if inner is not None:
        if not isinstance(value, Mapping):
            raise ProjectError(f"{where}: {value!r} is not a table; write it as a table of its own")
        return inner.from_table(value, where)
    convert, words = _KINDS.get(str(field.type).removesuffix(" | None"), (_text, "a text"))
    try:
        return convert(value)
    except TypeError:
        raise ProjectError(f"{where}: {value!r} is not {words}; correct it") from None
