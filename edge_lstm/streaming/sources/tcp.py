"""``tcp://HOST:PORT`` asks a sender for lines, ``tcp-listen://[HOST]:PORT`` waits for senders, one at a time."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from edge_lstm.errors import LinkError
from edge_lstm.streaming.sources.base import POLL, LineCutter, Wire, reason

CONNECT_SECONDS = 10.0
CHUNK = 65_536


class TcpSource(Wire):
    """The lines of one connection, to its orderly end.

    Raises:
        LinkError: if there is nobody at the other end.
    """

    live = False  # the sender is made to wait

    def __init__(self, url: str, host: str, port: int) -> None:
        super().__init__(url)
        self._socket = connect(url, host, port)

    def lines(self) -> Iterator[str]:
        yield from self._lines_of(self._socket)

    def close(self) -> None:
        super().close()
        self._socket.close()

    def _lines_of(self, connection: socket.socket) -> Iterator[str]:
        cutter = LineCutter()
        connection.settimeout(POLL)
        while not self._closed.is_set():
            try:
                data = connection.recv(CHUNK)
            except TimeoutError:
                continue
            except OSError as error:
                if self._closed.is_set():
                    return
                raise self.gone(reason(error), "check the sender and the network, and start again") from error
            yield from cutter.cut(data) if data else cutter.rest()
            if not data:
                return


class TcpListenSource(TcpSource):
    """The lines of whoever connects, one after the other; the next is taken when one has left.

    Raises:
        LinkError: if the port is taken.
    """

    def __init__(self, url: str, host: str, port: int) -> None:
        Wire.__init__(self, url)
        try:
            self._socket = socket.create_server((host, port))
        except (OSError, OverflowError) as error:
            raise LinkError(f"{url}: cannot listen there: {error}; free the port or choose another") from error

    def lines(self) -> Iterator[str]:
        self._socket.settimeout(POLL)
        while not self._closed.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            except OSError as error:
                if self._closed.is_set():
                    return
                raise self.gone(reason(error), "start again") from error
            with connection:
                yield from self._lines_of(connection)


def connect(url: str, host: str, port: int) -> socket.socket:
    """A connection.

    Raises:
        LinkError: if there is nobody at the other end.
    """
    try:
        return socket.create_connection((host, port), CONNECT_SECONDS)
    except (OSError, OverflowError) as error:
        words = reason(error) if isinstance(error, OSError) else str(error)
        raise LinkError(f"{url}: cannot be reached: {words}; check host, port and network") from error
