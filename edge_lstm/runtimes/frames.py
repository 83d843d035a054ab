"""Frames over a wire that loses, adds and changes bytes: the host's half of ``firmware/project/el_frame.h``.

A frame is ``0xa5 | payload bytes, 2 | sequence | kind | payload | CRC, 2``, numbers little-endian; the CRC is
CRC-16/CCITT-FALSE of everything between the first byte and itself.
"""

from __future__ import annotations

import binascii
import struct
from dataclasses import dataclass

START = 0xA5
_HEAD = struct.Struct("<BHBB")
_CRC = struct.Struct("<H")
EXTRA = _HEAD.size + _CRC.size
"""Bytes around a payload."""


@dataclass(frozen=True)
class Frame:
    """One message. ``sequence`` and ``kind`` are bytes."""

    sequence: int
    kind: int
    payload: bytes = b""

    def encode(self) -> bytes:
        head = _HEAD.pack(START, len(self.payload), self.sequence, self.kind)
        return head + self.payload + _CRC.pack(_crc(head[1:] + self.payload))


class Receiver:
    """Bytes in, whole frames out. After a wrong CRC it looks for the next start in what it holds.

    Args:
        most: bytes of the longest payload; a longer one is damage.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = bytearray()

    def take(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` completes."""
        self._held += data
        found = []
        while (frame := self._next()) is not None:
            found.append(frame)
        return found

    def _next(self) -> Frame | None:
        while (start := self._held.find(START)) >= 0:
            del self._held[:start]
            if len(self._held) < _HEAD.size:
                return None
            _, count, sequence, kind = _HEAD.unpack_from(self._held)
            end = _HEAD.size + count
            if count <= self._most:
                if len(self._held) < end + _CRC.size:
                    return None
                if _CRC.unpack_from(self._held, end)[0] == _crc(self._held[1:end]):
                    frame = Frame(sequence, kind, bytes(self._held[_HEAD.size : end]))
                    del self._held[: end + _CRC.size]
                    return frame
            del self._held[:1]
        self._held.clear()
        return None


def _crc(data: bytes | bytearray) -> int:
    return binascii.crc_hqx(data, 0xFFFF)
