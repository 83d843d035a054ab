"""The wire format of protocol buffers, for the few fields of TensorFlow's files that say where a weight is.

TensorFlow's own classes come with TensorFlow alone. The format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from edge_lstm.errors import ModelError

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_LONGEST_VARINT = 10


class Message:
    """One message, its fields by number; what is nested is read when it is asked for.

    Raises:
        ModelError: if a field leads beyond the end.
    """

    def __init__(self, content: bytes | memoryview = b"") -> None:
        self._fields: dict[int, list[int | memoryview]] = {}
        for number, value in _walk(memoryview(content)):
            self._fields.setdefault(number, []).append(value)

    def numbers(self, field: int) -> list[int]:
        """A repeated varint, packed or not."""
        found: list[int] = []
        for value in self._fields.get(field, ()):
            if isinstance(value, int):
                found.append(value)
                continue
            at = 0
            while at < len(value):
                number, at = varint(value, at)
                found.append(number)
        return found

    def number(self, field: int) -> int:
        """A varint or fixed number; 0 if it is not there."""
        value = self._fields.get(field, [0])[-1]
        return value if isinstance(value, int) else 0

    def signed(self, field: int) -> int:
        """An int64: negative ones are written as 64 bits."""
        value = self.number(field)
        return value - 2**64 if value >= 2**63 else value

    def bytes(self, field: int) -> memoryview:
        return next((v for v in reversed(self._fields.get(field, [])) if isinstance(v, memoryview)), memoryview(b""))

    def text(self, field: int) -> str:
        return str(self.bytes(field), "utf-8", "replace")

    def texts(self, field: int) -> list[str]:
        return [str(v, "utf-8", "replace") for v in self._fields.get(field, ()) if isinstance(v, memoryview)]

    def message(self, field: int) -> Message:
        return Message(self.bytes(field))

    def messages(self, field: int) -> Iterator[Message]:
        return (Message(v) for v in self._fields.get(field, ()) if isinstance(v, memoryview))

    def __contains__(self, field: int) -> bool:
        return field in self._fields


def varint(content: memoryview, at: int) -> tuple[int, int]:
    """A varint and where it ends.

    Raises:
        ModelError: if it does not end.
    """
    value = 0
    for k in range(_LONGEST_VARINT):
        if at + k >= len(content):
            break
        byte = content[at + k]
        value |= (byte & 0x7F) << (7 * k)
        if byte < 0x80:
            return value, at + k + 1
    raise ModelError("a number in it does not end")


def _walk(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(content):
        key, at = varint(content, at)
        kind = key & 7
        value: int | memoryview
        if kind == _VARINT:
            value, at = varint(content, at)
        else:
            if kind == _BYTES:
                size, at = varint(content, at)
            else:
                size = {_EIGHT: 8, _FOUR: 4}.get(kind, -1)
            if size < 0 or at + size > len(content):
                raise ModelError("a field in it is longer than the file, or of no known kind")
            piece = content[at : at + size]
            at += size
            value = piece if kind == _BYTES else struct.unpack("<q" if kind == _EIGHT else "<I", piece)[0]
        yield key >> 3, value
