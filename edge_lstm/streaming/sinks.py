"""``--to URL``: where the lines of predictions go. One row a scheme."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TextIO

from edge_lstm.errors import LinkError
from edge_lstm.streaming.sources.base import reason
from edge_lstm.streaming.sources.mqtt import ANSWER_SECONDS, AT_LEAST_ONCE, Broker, connected
from edge_lstm.streaming.sources.schemes import SCHEMES, broker_of
from edge_lstm.streaming.sources.tcp import connect
from edge_lstm.streaming.sources.tls import FILES as TLS_FILES
from edge_lstm.streaming.urls import Address


class Sink(Protocol):
    """Takes lines."""

    def write(self, line: str) -> None:
        """Send a line, without its end; it has left when this returns.

        Raises:
            LinkError: if the other end is gone.
        """
        ...

    def close(self) -> None: ...


class TextSink:
    """Lines to an open text handle, which is not closed: it is the process's own."""

    def __init__(self, handle: TextIO) -> None:
        self._handle = handle

    def write(self, line: str) -> None:
        self._handle.write(line + "\n")
        self._handle.flush()

    def close(self) -> None:
        """Nothing is held."""


class FileSink:
    """Lines added to the end of a file, so that a restart goes on with it.

    Raises:
        LinkError: if it cannot be opened.
    """

    def __init__(self, url: str, path: str) -> None:
        self._url = url
        try:
            self._file = Path(path).open("ab", buffering=0)  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise LinkError(f"{url}: cannot be opened: {reason(error)}; check the path") from error

    def write(self, line: str) -> None:
        try:
            self._file.write(f"{line}\n".encode())
        except OSError as error:
            raise LinkError(f"{self._url}: cannot be written: {reason(error)}; check the space there") from error

    def close(self) -> None:
        self._file.close()


class TcpSink:
    """Lines to a server.

    Raises:
        LinkError: if nobody listens.
    """

    def __init__(self, url: str, host: str, port: int) -> None:
        self._url, self._socket = url, connect(url, host, port)
        self._socket.settimeout(None)

    def write(self, line: str) -> None:
        try:
            self._socket.sendall(f"{line}\n".encode())
        except OSError as error:
            raise LinkError(f"{self._url}: the receiver is gone: {reason(error)}; start again") from error

    def close(self) -> None:
        self._socket.close()


class MqttSink:
    """Lines published, each acknowledged by the broker before the next. The connection is made again when it is lost.

    Raises:
        MissingDependencyError, LinkError: as ``sources.mqtt.MqttSource``.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker, self._client = broker, connected(broker)
        self._client.loop_start()  # a thread of its own answers the broker while there is nothing to send

    def write(self, line: str) -> None:
        sent = self._client.publish(self._broker.topic, line.encode(), AT_LEAST_ONCE)
        try:
            sent.wait_for_publish(ANSWER_SECONDS)
        except (RuntimeError, ValueError) as error:  # what paho raises for a lost connection and a full queue
            raise self._broker.gone(error) from error
        if not sent.is_published():
            raise self._broker.gone(f"no answer in {ANSWER_SECONDS:.0f} s")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


SINKS: dict[str, tuple[str, Callable[[Address], Sink]]] = {
    "-": ("-", lambda _address: TextSink(sys.stdout)),
    "file": ("file:PATH", lambda a: FileSink(a.url, a.where)),
    "tcp": ("tcp://HOST:PORT", lambda a: TcpSink(a.url, *a.host_and_port())),
    "mqtt": (SCHEMES["mqtt"].example, lambda a: MqttSink(broker_of(a))),
    "mqtts": (SCHEMES["mqtts"].example, lambda a: MqttSink(broker_of(a))),
}
"""Scheme → how its address is written, and what opens it."""


def open_sink(url: str) -> Sink:
    """The destination at an address.

    Raises:
        ProjectError: if the address is not usable.
        LinkError: if there is nothing behind it.
        MissingDependencyError: if what it needs is not installed.
    """
    address = Address.parse(url, SINKS, files=TLS_FILES if url.startswith("mqtts:") else ())
    return SINKS[address.scheme][1](address)
