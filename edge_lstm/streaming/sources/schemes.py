"""``--from URL`` → a source: one row a scheme."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_lstm.errors import ProjectError
from edge_lstm.streaming.counts import Counts
from edge_lstm.streaming.sources.base import Source
from edge_lstm.streaming.sources.iio import RATE, IioSource
from edge_lstm.streaming.sources.mqtt import PASSWORD, PORTS, Broker, MqttSource
from edge_lstm.streaming.sources.serial_lines import BAUD, SerialSource
from edge_lstm.streaming.sources.stdin import StdinSource
from edge_lstm.streaming.sources.tail import TailSource
from edge_lstm.streaming.sources.tcp import TcpListenSource, TcpSource
from edge_lstm.streaming.sources.tls import FILES as TLS_FILES
from edge_lstm.streaming.sources.tls import Tls
from edge_lstm.streaming.sources.udp import UdpSource
from edge_lstm.streaming.urls import Address


@dataclass(frozen=True)
class Scheme:
    """A kind of source.

    Args:
        example: how its address is written.
        words: what it reads.
        open: its source, from an address, the model's channels and where to count.
        keys: the numbers that may stand behind its question mark.
        files: the files that may.
    """

    example: str
    words: str
    open: Callable[[Address, Sequence[str], Counts], Source]
    keys: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


SCHEMES: dict[str, Scheme] = {
    "-": Scheme("-", "standard input", lambda a, _channels, _counts: StdinSource(a.url, sys.stdin)),
    "file": Scheme("file:PATH", "a growing file", lambda a, _channels, _counts: TailSource(a.url, _path(a))),
    "tcp": Scheme(
        "tcp://HOST:PORT",
        "lines of a server",
        lambda a, _channels, _counts: TcpSource(a.url, *a.host_and_port()),
    ),
    "tcp-listen": Scheme(
        "tcp-listen://[HOST]:PORT",
        "lines of clients",
        lambda a, _channels, _counts: TcpListenSource(a.url, *a.host_and_port(any_host=True)),
    ),
    "udp": Scheme(
        "udp://[HOST]:PORT",
        "datagrams",
        lambda a, _channels, _counts: UdpSource(a.url, *a.host_and_port(any_host=True)),
    ),
    "mqtt": Scheme(
        "mqtt://[USER:PASSWORD@]HOST[:PORT]/TOPIC",
        "messages of a broker",
        lambda a, _channels, _counts: MqttSource(broker_of(a)),
    ),
    "mqtts": Scheme(
        "mqtts://[USER:PASSWORD@]HOST[:PORT]/TOPIC[?ca=FILE&cert=FILE&key=FILE]",
        "the same by TLS",
        lambda a, _channels, _counts: MqttSource(broker_of(a)),
        files=TLS_FILES,
    ),
    "serial": Scheme(
        "serial:PORT[?baud=115200]",
        "lines of a serial port",
        lambda a, _channels, _counts: SerialSource(a.url, _path(a), int(a.query.get("baud", BAUD))),
        ("baud",),
    ),
    "iio": Scheme(
        "iio:FOLDER[?rate=10]",
        "text files of a Linux sensor",
        lambda a, channels, counts: IioSource(a.url, _path(a), channels, counts, a.query.get("rate", RATE)),
        ("rate",),
    ),
}


def open_source(url: str, channels: Sequence[str], counts: Counts) -> Source:
    """The source at an address.

    Raises:
        ProjectError: if the address is not usable.
        LinkError: if there is nothing behind it.
        MissingDependencyError: if what it needs is not installed.
    """
    scheme = SCHEMES.get(url.partition(":")[0])
    known = ((), ()) if scheme is None else (scheme.keys, scheme.files)
    address = Address.parse(url, SCHEMES, *known)
    return SCHEMES[address.scheme].open(address, channels, counts)


def broker_of(address: Address) -> Broker:
    """The broker and topic in an address.

    Raises:
        ProjectError: if one is missing.
    """
    host, port = address.host_and_port(PORTS[address.scheme])
    user, password = address.user_and_password()
    if user is not None and password is None:
        password = os.environ.get(PASSWORD)
    tls = Tls(**address.files) if address.scheme == "mqtts" else None
    return Broker(address.public, host, port, address.path(), user, password, tls)


def _path(address: Address) -> str:
    if not address.where:
        raise ProjectError(f"{address.url}: what to open is missing; write {SCHEMES[address.scheme].example}")
    return address.where
