"""Which operators a ``.tflite`` file holds, read without an interpreter: boards have no flatbuffers package."""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path

from edge_lstm.errors import BundleError
from edge_lstm.runtimes.base import read_tflite, where

NAMES = {
    0: "ADD",
    2: "CONCATENATION",
    9: "FULLY_CONNECTED",
    14: "LOGISTIC",
    18: "MUL",
    19: "RELU",
    28: "TANH",
    41: "SUB",
    65: "SLICE",
}
"""Of the codes in TFLite's schema, those that our explicit-state files use."""

_CUSTOM = 32
# Fields of the schema's tables, by their order there.
_MODEL_CODES, _MODEL_GRAPHS, _GRAPH_OPERATORS, _OPERATOR_CODE = 1, 2, 3, 0
_CODE_OLD, _CODE_CUSTOM, _CODE_NEW = 0, 1, 3


def operators(model: bytes | Path) -> Counter[str]:
    """How often each operator occurs; custom ones by the name they bear.

    Raises:
        BundleError: if the file cannot be read.
    """
    content = read_tflite(model)
    try:
        root = _Table(content, _offset(content, 0))
        names = [_name(code) for code in root.tables(_MODEL_CODES)]
        graphs = root.tables(_MODEL_GRAPHS)
        return Counter(
            names[each.number("<I", _OPERATOR_CODE)] for graph in graphs for each in graph.tables(_GRAPH_OPERATORS)
        )
    except (struct.error, IndexError) as error:
        raise BundleError(f"{where(model)}: ends too early or is damaged; export the bundle anew") from error


def _name(code: _Table) -> str:
    # Codes up to 127 were once a byte, and old readers still look there.
    number = max(code.number("<b", _CODE_OLD), code.number("<i", _CODE_NEW))
    return code.text(_CODE_CUSTOM) if number == _CUSTOM else NAMES.get(number, f"operator {number}")


class _Table:
    """A table of a flatbuffer: its fields lie where a second table, before or behind it, says."""

    def __init__(self, content: bytes, at: int) -> None:
        self._content, self._at = content, at
        self._fields = at - struct.unpack_from("<i", content, at)[0]

    def number(self, form: str, field: int) -> int:
        at = self._where(field)
        return 0 if at is None else int(struct.unpack_from(form, self._content, at)[0])

    def text(self, field: int) -> str:
        at = self._where(field)
        if at is None:
            return ""
        start = _offset(self._content, at)
        size = struct.unpack_from("<I", self._content, start)[0]
        return self._content[start + 4 : start + 4 + size].decode(errors="replace")

    def tables(self, field: int) -> list[_Table]:
        at = self._where(field)
        if at is None:
            return []
        start = _offset(self._content, at)
        count = struct.unpack_from("<I", self._content, start)[0]
        if start + 4 * count > len(self._content):
            raise IndexError
        return [_Table(self._content, _offset(self._content, start + 4 + 4 * k)) for k in range(count)]

    def _where(self, field: int) -> int | None:
        size = struct.unpack_from("<H", self._content, self._fields)[0]
        entry = 4 + 2 * field
        offset = struct.unpack_from("<H", self._content, self._fields + entry)[0] if entry < size else 0
        return self._at + offset if offset else None


def _offset(content: bytes, at: int) -> int:
    """Where the offset at a place leads to."""
    return at + int(struct.unpack_from("<I", content, at)[0])
