"""A TCP proxy that cuts the connection after so many bytes, or stops passing them on."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["up", "down"]
"""To the board, and from it."""


@dataclass
class CutProxy:
    """One that listens.

    Args:
        to: port that it leads to.
        direction: whose bytes are counted for the cut; None never cuts.
        after: bytes of all connections together.
        stall: keep the connection and pass nothing on any more, instead of cutting it.
    """

    to: int
    direction: Direction | None = None
    after: int = 0
    stall: bool = False
    passed: dict[str, int] = field(default_factory=lambda: {"up": 0, "down": 0})
    port: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sockets: list[socket.socket] = field(default_factory=list)
    _dead: bool = False

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.to))
            self._sockets += [near, far]
            for source, sink, direction in ((near, far, "up"), (far, near, "down")):
                threading.Thread(target=self._pass, args=(source, sink, direction), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, direction: Direction) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                data = self._allowed(data, direction)
                if data:
                    sink.sendall(data)
                if self._dead and not self.stall:
                    self.cut()
        if not self.stall:
            for each in (source, sink):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _allowed(self, data: bytes, direction: Direction) -> bytes:
        with self._lock:
            if self._dead:
                return b""
            left = self.after - self.passed[direction]
            if direction == self.direction and len(data) >= left:
                self._dead = True
                data = data[:left]
            self.passed[direction] += len(data)
            return data

    def cut(self) -> None:
        """At once, in both directions, as a router that lost its power and found it again."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextlib.contextmanager
def cut_proxy(to: int, direction: Direction | None = None, after: int = 0, stall: bool = False) -> Iterator[CutProxy]:
    """Listen until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = CutProxy(to, direction, after, stall)
        proxy.port = listener.getsockname()[1]
        server = threading.Thread(target=proxy.serve, args=(listener,))
        server.start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            server.join()
            proxy.cut()
