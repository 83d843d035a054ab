"""``prometheus://[HOST]:PORT``: /metrics over HTTP, from a thread of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from edge_lstm.errors import LinkError
from edge_lstm.monitor.prometheus import CONTENT_TYPE
from edge_lstm.streaming.sources.base import reason

SILENCE = 10.0
"""Seconds after which a client that says nothing is left."""


class Scraped:
    """Answers GET /metrics with the text of ``render``.

    Raises:
        LinkError: if the port cannot be had.
    """

    def __init__(self, url: str, host: str, port: int, render: Callable[[], str]) -> None:
        try:
            self._server = _server(host)((host, port), _handler(render))
        except OSError as error:
            raise LinkError(f"{url}: cannot listen there: {reason(error)}; choose another port or host") from error
        threading.Thread(target=self._server.serve_forever, name="edge-lstm metrics", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _server(host: str) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        daemon_threads = True
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hangs up is no news."""

    return Server


def _handler(render: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout, server_version, sys_version = SILENCE, "edge-lstm", ""

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404, "only /metrics is here")
                return
            content = render().encode()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words: Any) -> None:
            """Scrapes are no news."""

    return Handler
