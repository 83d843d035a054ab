"""In which order the modules of a state dict compute: as they were made, or as their widths allow."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_lstm.errors import ModelError
from edge_lstm.importers.chain import Part

_MOST_MODULES, _MOST_TRIES = 32, 1000
"""Whose orders are looked through, and how many beginnings of one; beyond, the order counts as not told."""


Kind = Literal["recurrent", "linear", "normalisation", "embedding"]


@dataclass(frozen=True, eq=False)
class Module:
    """A module of a state dict.

    Args:
        parts: what it does.
        takes, gives: numbers a step; None where an obstacle hides them.
        otherwise: what else its tensors can be.
    """

    name: str
    parts: tuple[Part, ...]
    takes: int | None
    gives: int | None
    kind: Kind
    otherwise: Module | None = None


Row = Sequence[Module]


def in_order(modules: Row, path: Path, made: bool) -> list[Module]:
    """The modules from input to output, each as the one of two things it can be.

    Widths tell it; so do numbers in names that are one name else. A network that can end in a head does.

    Args:
        made: whether they are given as they were made, which counts where it fits. A ``.safetensors`` file sorts them.

    Raises:
        ModelError: if neither widths nor names tell.
    """
    by_name = sorted(modules, key=lambda module: _natural(module.name))
    plain = list(modules) if made else sorted(by_name, key=lambda module: module.kind != "recurrent")
    hidden = any(None in (module.takes, module.gives) for module in modules)
    if hidden or all(module.kind != "recurrent" for module in modules):
        return plain
    found = [row for row in _readings(modules) if _follow(row) and row[-1].kind != "recurrent"] if made else []
    found = found or _fitting(by_name)
    if len({frozenset(row) for row in found}) > 1:
        doubtful = next(module.name for row in found for module in row if module.kind == "embedding")
        raise ModelError(
            f"{path}: whether {doubtful} is nn.Linear without a bias or nn.Embedding cannot be told by its shape; "
            "export the model to ONNX"
        )
    if len(found) == 1:
        return found[0]
    if made or not found:
        return plain
    names = ", ".join(module.name for module in found[0][:_MOST_MODULES])
    raise ModelError(
        f"{path}: which of {names} comes first cannot be told, the file sorts them by name; "
        "save the state dict with torch.save, which keeps their order"
    )


def _fitting(by_name: Row) -> list[list[Module]]:
    """The orders that fit, as far as it matters whether they are several; only what is read otherwise need not end in a
    head.
    """
    as_they_are, *otherwise = _readings(by_name)
    found = _orders(as_they_are, head=True)
    for reading in otherwise:
        found += _orders(reading, head=True) or _orders(reading, head=False)
    return found or _orders(as_they_are, head=False)


def _readings(modules: Row) -> Iterator[list[Module]]:
    """The modules as they are, and with one of them, which only the first can be, as what it is otherwise."""
    yield list(modules)
    for k, module in enumerate(modules):
        if module.otherwise is not None:
            yield [*modules[:k], module.otherwise, *modules[k + 1 :]]


def _follow(row: Row) -> bool:
    return all(_follows(other, one) for one, other in itertools.pairwise(row))


def _follows(module: Module, before: Module) -> bool:
    return before.gives == module.takes and module.kind != "embedding"


def _orders(by_name: Row, head: bool) -> list[list[Module]]:
    """Two of the orders that widths and numbers in names allow, or all if there are fewer; twice one if they are many.

    Args:
        head: whether the last must be no recurrent one.
    """
    before: dict[int, int] = {}
    families: dict[str, int] = {}
    for k, module in enumerate(by_name):
        family = re.sub(r"\d+", "0", module.name)
        if family in families:
            before[k] = families[family]
        families[family] = k
    found: list[list[Module]] = []
    embeddings = [(k,) for k, module in enumerate(by_name) if module.kind == "embedding"]
    beginnings: list[tuple[int, ...]] = list(embeddings) or [()]
    for _ in range(_MOST_TRIES if len(by_name) <= _MOST_MODULES else 0):
        if not beginnings or len(found) == 2:
            return found
        row = beginnings.pop()
        if len(row) == len(by_name) and not (head and by_name[row[-1]].kind == "recurrent"):
            found.append([by_name[k] for k in row])
        beginnings += [
            (*row, k)
            for k in reversed(range(len(by_name)))
            if k not in row
            and (k not in before or before[k] in row)
            and (not row or _follows(by_name[k], by_name[row[-1]]))
        ]
    return [list(by_name)] * 2


def _natural(name: str) -> list[tuple[str, int]]:
    """``rnn10`` after ``rnn9``."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d{0,9})", name)]
