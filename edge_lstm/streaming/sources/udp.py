"""``udp://[HOST]:PORT``: datagrams, each with one line or several."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from edge_lstm.errors import LinkError
from edge_lstm.streaming.sources.base import POLL, Wire, reason, text_of

LARGEST = 65_535
"""Bytes of a datagram."""


class UdpSource(Wire):
    """Whatever is sent to a port.

    Raises:
        LinkError: if the port is taken.
    """

    def __init__(self, url: str, host: str, port: int) -> None:
        super().__init__(url)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.bind((host, port))
        except (OSError, OverflowError) as error:
            self._socket.close()
            words = reason(error) if isinstance(error, OSError) else str(error)
            raise LinkError(f"{url}: cannot listen there: {words}; free the port or choose another") from error
        self._socket.settimeout(POLL)

    def lines(self) -> Iterator[str]:
        while not self._closed.is_set():
            try:
                data = self._socket.recv(LARGEST)
            except TimeoutError:
                continue
            except OSError as error:
                if self._closed.is_set():
                    return
                raise self.gone(reason(error), "start again") from error
            # A datagram is whole, whether or not its last line has an end.
            yield from (f"{line}\n" for line in text_of(data).splitlines())

    def close(self) -> None:
        super().close()
        self._socket.close()
