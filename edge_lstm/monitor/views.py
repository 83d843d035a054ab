"""``--monitor ADDRESS``: where reports go. One row a scheme."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Protocol

from edge_lstm.errors import ProjectError
from edge_lstm.files import write_atomically
from edge_lstm.monitor.monitor import Monitor, Report
from edge_lstm.monitor.prometheus import exposition
from edge_lstm.monitor.terminal import open_terminal
from edge_lstm.streaming.sinks import SINKS, FileSink, Sink, TextSink
from edge_lstm.streaming.urls import Address


class View(Protocol):
    """Takes reports, in one thread."""

    def show(self, report: Report) -> None:
        """Say a report.

        Raises:
            EdgeLstmError, OSError: if it did not get out.
        """
        ...

    def close(self) -> None: ...


class JsonLines:
    """A JSON object a report."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def show(self, report: Report) -> None:
        self._sink.write(json.dumps(report.values, ensure_ascii=False))

    def close(self) -> None:
        self._sink.close()


class TextFile:
    """A file of metrics for node_exporter's textfile collector, replaced as a whole.

    Raises:
        ExportError: if it cannot be written.
    """

    def __init__(self, path: str, first: Report) -> None:
        self._path = path
        self.show(first)

    def show(self, report: Report) -> None:
        write_atomically(self._path, exposition(report).encode())

    def close(self) -> None:
        """What was said last stays."""


class Asked:
    """Answers whoever asks, so there is nothing to say in between."""

    def __init__(self, address: Address, monitor: Monitor) -> None:
        from edge_lstm.monitor.scrape import Scraped

        host, port = address.host_and_port(any_host=True)
        self._server = Scraped(address.public, host, port, lambda: exposition(monitor.report()))

    def show(self, report: Report) -> None:
        """It is asked for."""

    def close(self) -> None:
        self._server.close()


def _prometheus(address: Address, monitor: Monitor) -> View:
    if address.where.startswith("//"):
        return Asked(address, monitor)
    return TextFile(address.where, monitor.report())


VIEWS: dict[str, tuple[str, Callable[[Address, Monitor], View]]] = {
    "-": ("-", lambda _address, _monitor: JsonLines(TextSink(sys.stderr))),
    "term": ("term", lambda _address, monitor: open_terminal(monitor)),
    "jsonl": ("jsonl:FILE", lambda a, _monitor: JsonLines(FileSink(a.url, a.where))),
    **{
        scheme: (words, lambda a, _monitor: JsonLines(SINKS[a.scheme][1](a)))
        for scheme, (words, _) in SINKS.items()
        if scheme.startswith("mqtt")
    },
    "prometheus": ("prometheus:FILE or prometheus://[HOST]:PORT", _prometheus),
}
"""Scheme → how its address is written, and what opens it. Predictions have stdout, so reports have stderr."""


def open_view(url: str, monitor: Monitor) -> tuple[str, View]:
    """The view at an address, and the address as it may be said.

    Raises:
        ProjectError: if the address is not usable.
        LinkError, ExportError: if there is nothing behind it, or it cannot be written.
        MissingDependencyError: if what it needs is not installed.
    """
    if url == "term":
        url = "term:"
    address = Address.parse(url, VIEWS)
    if address.scheme in ("jsonl", "prometheus") and not address.where:
        raise ProjectError(f"{url!r}: the file is missing; write {VIEWS[address.scheme][0]}")
    return address.public, VIEWS[address.scheme][1](address, monitor)
