"""The service manager is told that a stream is ready, alive and what it has done: systemd's protocol of notifications.

A notification is a datagram of lines ``KEY=VALUE`` to the socket that ``$NOTIFY_SOCKET`` names. The watchdog asks
whether the stream lives, and a thread that is merely alive itself must not answer for it: the thread here speaks only
while the stream waits for a sample, or has gone on since it spoke last. A stream that hangs inside a step or before a
destination that takes nothing does neither, so the manager restarts it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")

STATUS_SECONDS = 10.0
"""Between two statuses, where no watchdog sets the pace."""

_SEND_SECONDS = 1.0
"""A manager whose socket is full must not stop the stream."""


class Notifier:
    """Speaks for one stream, in a ``with`` block that says at its end that it stops.

    Args:
        address: of the socket, a leading ``@`` being a name without a file; empty if nobody listens. Nothing is done
            then, and nothing stands between the stream and its samples.
        watchdog: seconds within which the manager wants to hear something; None if it does not.
        status: what to say of the stream.
    """

    def __init__(self, address: str, watchdog: float | None, status: Callable[[], str]) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._alive, self._pace = ("WATCHDOG=1\n", watchdog / 2) if watchdog else ("", STATUS_SECONDS)
        self._status = status
        self._waiting, self._passed = False, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._speak, name="edge-lstm notify", daemon=True)

    @classmethod
    def asked(cls, status: Callable[[], str], environment: Mapping[str, str] = os.environ) -> Notifier:
        """What the service manager asked of this process, by its environment."""
        address = environment.get("NOTIFY_SOCKET", "")
        ours = environment.get("WATCHDOG_PID") in (None, str(os.getpid()))
        microseconds = environment.get("WATCHDOG_USEC", "")
        watchdog = int(microseconds) / 1e6 if ours and microseconds.isdecimal() else 0.0
        return cls(address if address.startswith(("/", "@")) else "", watchdog or None, status)

    def __enter__(self) -> Notifier:
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._send("STOPPING=1")

    def ready(self) -> None:
        """Everything is open."""
        self._send(f"READY=1\n{self._alive}STATUS={self._status()}")
        if self._address:
            self._thread.start()

    def watched(self, items: Iterator[T]) -> Iterator[T]:
        """The same items. Before each the stream waits; after it, it must go on to count as alive."""
        return self._watch(items) if self._address else items

    def _watch(self, items: Iterator[T]) -> Iterator[T]:
        while True:
            self._waiting = True
            try:
                item = next(items)
            except StopIteration:
                return
            finally:
                self._waiting = False
            self._passed += 1
            yield item

    def _speak(self) -> None:
        # A signal that this thread took would not break off what the main thread waits for.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        heard = -1
        while not self._ended.wait(self._pace):
            if self._waiting or self._passed != heard:
                heard = self._passed
                self._send(f"{self._alive}STATUS={self._status()}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A manager that does not listen any more is no reason to stop.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_SEND_SECONDS)
            sender.sendto(message.encode(), self._address)
