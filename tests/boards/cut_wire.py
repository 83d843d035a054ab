"""A wire to a board that breaks after so many bytes, as a network does in the middle of a copy."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from boards.secure_shell import HOST

BLOCK = 4096
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER for a close that resets the connection."""


@dataclass
class CutWire:
    """Carries connections to ``target`` until ``after`` bytes have gone there in all; then resets them and later ones.

    ``sent`` counts them, so that one whole run tells where there is to cut.
    """

    target: int
    after: float
    sent: int = 0
    listener: socket.socket = field(default_factory=socket.socket)
    _ends: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def is_cut(self) -> bool:
        return self.sent >= self.after

    def serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection((HOST, self.target))
                self._ends += [near, far]
                threading.Thread(target=self._carry, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._carry, args=(far, near, False), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):  # reset by the other direction, or by a peer
            while block := source.recv(BLOCK):
                target.sendall(self._count(block) if counted else block)
                if self.is_cut:
                    break
        if self.is_cut:
            for end in (source, target):
                self._reset(end)
        else:
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_WR)

    def _count(self, block: bytes) -> bytes:
        """As much of it as the wire still carries."""
        with self._lock:
            left = self.after - self.sent
            carried = block if left >= len(block) else block[: int(left)]
            self.sent += len(carried)
        return carried

    @staticmethod
    def _reset(end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        for end in (self.listener, *self._ends):
            self._reset(end)
            end.close()


@contextlib.contextmanager
def cut_wire(target: int, after: float = float("inf")) -> Iterator[CutWire]:
    """A wire to a port of this machine, for ``board.client("cut", Port=wire.port)``."""
    wire = CutWire(target, after)
    wire.listener.bind((HOST, 0))
    wire.listener.listen()
    thread = threading.Thread(target=wire.serve, daemon=True)
    thread.start()
    try:
        yield wire
    finally:
        wire.close()
        thread.join()
