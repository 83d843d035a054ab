"""TensorFlow's checkpoints: a sorted table of names, a file of numbers beside it, and the graph of their owners.

``variables.index`` is a table as LevelDB keeps them (its doc/table_format.md): blocks of entries that share prefixes,
each with a checksum, an index of the blocks, and a footer. Its values say where in ``variables.data-…`` a tensor lies
(tensorflow/core/protobuf/tensor_bundle.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.chain import Array
from edge_lstm.importers.limits import Budget, refuse_large
from edge_lstm.importers.protobuf import Message, varint

LARGEST_INDEX = 2**20
"""Bytes of ``variables.index``: ten thousand names. Its checksums are computed here, in Python."""

_FOOTER, _MAGIC, _TRAILER = 48, 0xDB4775248B80FB57, 5
_NUMBERS = {1: "<f4", 2: "<f8", 19: "<f2"}
"""TensorFlow's number of a type → NumPy's name, for what a weight can be."""

_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_STRING = 7
_MOST_OBJECTS = 20_000
"""Of the graph of objects; a Keras layer makes some twenty."""


@dataclass(frozen=True, eq=False)
class _Entry:
    kind: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int


class Checkpoint:
    """The tensors of ``FOLDER/variables`` by the names of their keys.

    Raises:
        ModelError: if its index is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._stem, self._budget = folder / "variables", Budget()
        index = folder / "variables.index"
        refuse_large(index)
        if index.stat().st_size > LARGEST_INDEX:
            raise ModelError(f"{index}: is larger than {LARGEST_INDEX:,} B; import a network for a small device")
        try:
            entries = dict(_table(memoryview(index.read_bytes())))
            header = Message(entries.pop("", b""))
            self._shards = header.number(1)
            if header.number(2):
                raise ModelError("was saved on a big-endian machine")
            self._entries = {name: _entry(Message(value)) for name, value in entries.items()}
        except ModelError as error:
            raise ModelError(f"{index}: not a whole checkpoint ({error}); save the model again") from error

    def read(self, key: str, what: str) -> Array:
        """The numbers of a weight.

        Raises:
            ModelError: if there is none of this name, or it is none of floats.
        """
        entry = self._entries.get(key)
        if entry is None:
            raise ModelError(f"its {what} is not in the checkpoint; save the model with its weights")
        kind = _NUMBERS.get(entry.kind)
        if kind is None:
            raise ModelError(f"its {what} is of TensorFlow's type {entry.kind}, not of floats; save it as float32")
        numbers = np.dtype(kind)
        self._budget.take(entry.shape, numbers.itemsize, f"its {what}")
        if entry.size != int(np.prod(entry.shape, dtype=object)) * numbers.itemsize:
            raise ModelError(f"its {what} has {entry.size:,} B for shape {entry.shape}; save the model again")
        return np.frombuffer(self._content(entry, what), numbers).reshape(entry.shape)

    def _content(self, entry: _Entry, what: str) -> bytes:
        path = self._stem.with_name(f"variables.data-{entry.shard:05d}-of-{self._shards:05d}")
        refuse_large(path)
        size = path.stat().st_size
        if entry.offset < 0 or entry.size < 0 or entry.offset + entry.size > size:
            raise ModelError(
                f"its {what} takes bytes {entry.offset:,} and {entry.size:,} on of {path.name}, which has {size:,}; "
                "copy the whole folder"
            )
        with path.open("rb") as stream:
            stream.seek(entry.offset)
            return stream.read(entry.size)

    @cached_property
    def objects(self) -> list[Node]:
        """The graph of objects; the first is the root.

        Raises:
            ModelError: if it is not there, or damaged.
        """
        entry = self._entries.get(_OBJECTS)
        if entry is None or entry.kind != _STRING:
            raise ModelError(f"{self._stem}: names no objects; save the model with TensorFlow 2")
        self._budget.take((entry.size,), 1, "its graph of objects")
        content = memoryview(self._content(entry, "graph of objects"))
        size, at = varint(content, 0)
        # Behind the length of a string stands a checksum of the lengths.
        content = content[at + 4 :]
        if len(content) != size:
            raise ModelError("its graph of objects is cut; copy the whole folder")
        nodes = [_node(message) for message in Message(content).messages(1)]
        if not 0 < len(nodes) <= _MOST_OBJECTS:
            raise ModelError(f"has {len(nodes):,} objects, the limit is {_MOST_OBJECTS:,}; save a smaller model")
        return nodes

    def key_at(self, path: str) -> str:
        """Key of the variable that is found by the names of children, as in ``layer-1/cell/kernel``; empty if none."""
        nodes, at = self.objects, 0
        for name in path.split("/"):
            found = nodes[at].children.get(name, -1)
            if not 0 <= found < len(nodes):
                return ""
            at = found
        return next(iter(nodes[at].variables.values()), "")

    def keys_of(self, full_name: str) -> list[str]:
        """Keys of all variables of a name, such as ``lstm/lstm_cell/kernel``."""
        return self._by_name.get(full_name, [])

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for node in self.objects:
            for name, key in node.variables.items():
                found.setdefault(name, []).append(key)
        return found


@dataclass(frozen=True, eq=False)
class Node:
    """An object of the checkpoint.

    Args:
        children: local name → place among the objects.
        variables: full name → key of its tensor.
    """

    children: dict[str, int]
    variables: dict[str, str]


def _node(message: Message) -> Node:
    children = {child.text(2): child.number(1) for child in message.messages(1)}
    return Node(children, {entry.text(2): entry.text(3) for entry in message.messages(2)})


def _entry(message: Message) -> _Entry:
    shape = tuple(dimension.signed(1) for dimension in message.message(2).messages(2))
    if len(shape) > 8 or min(shape, default=0) < 0:
        raise ModelError(f"a tensor has shape {shape[:8]}")
    return _Entry(message.number(1), shape, message.number(3), message.signed(4), message.signed(5))


# ---- the table ----


def _table(content: memoryview) -> Iterator[tuple[str, memoryview]]:
    if len(content) < _FOOTER or struct.unpack("<Q", content[-8:])[0] != _MAGIC:
        raise ModelError("it does not end as a table")
    footer, at = content[-_FOOTER:], 0
    _, at = _handle(footer, at)
    (offset, size), _ = _handle(footer, at)
    taken = 0
    for _, value in _block(content, offset, size):
        (offset, size), _ = _handle(value, 0)
        taken += size
        if taken > len(content):
            raise ModelError("its blocks lie over each other")
        for name, entry in _block(content, offset, size):
            yield str(name, "utf-8", "replace"), entry


def _handle(content: memoryview, at: int) -> tuple[tuple[int, int], int]:
    offset, at = varint(content, at)
    size, at = varint(content, at)
    return (offset, size), at


def _block(content: memoryview, offset: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
    whole = content[offset : offset + size + _TRAILER]
    if len(whole) != size + _TRAILER or size < 4:
        raise ModelError("a block lies outside it")
    block, kind = whole[:size], whole[size]
    if kind:
        raise ModelError(f"a block is packed in way {kind}, which TensorFlow does not write")
    if _masked(_crc32c(bytes(whole[: size + 1]))) != struct.unpack("<I", whole[size + 1 :])[0]:
        raise ModelError("a block is not what was written, by its checksum")
    restarts = struct.unpack("<I", block[-4:])[0]
    end = size - 4 - 4 * restarts
    name, at = b"", 0
    while at < end:
        shared, at = varint(block, at)
        own, at = varint(block, at)
        length, at = varint(block, at)
        if shared > len(name) or at + own + length > end:
            raise ModelError("an entry leads beyond its block")
        name = name[:shared] + bytes(block[at : at + own])
        at += own
        yield name, block[at : at + length]
        at += length


@cache
def _crc_table() -> tuple[int, ...]:
    """CRC-32C (Castagnoli), bits reflected: RFC 3720, appendix B.4."""
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


def _crc32c(content: bytes) -> int:
    table, value = _crc_table(), 0xFFFFFFFF
    for byte in content:
        value = value >> 8 ^ table[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def _masked(crc: int) -> int:
    """A checksum of a string that holds checksums is stored rotated, with a constant added."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
