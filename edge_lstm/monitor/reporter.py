"""Says reports on time, each view in a thread of its own: whatever one does, predictions and the other views go on."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from edge_lstm.bundle import Bundle
from edge_lstm.errors import ProjectError
from edge_lstm.monitor.monitor import Monitor, Report
from edge_lstm.monitor.views import View, open_view
from edge_lstm.streaming.saving import Pace

if TYPE_CHECKING:
    from edge_lstm.streaming.live import LiveStream

WAITING = 64
"""Reports that may wait for a slow view; beyond that they are left out and counted."""

PATIENCE = 5.0
"""Seconds that the last reports may take at the end."""

Complain = Callable[[str], None]


class Reporter:
    """Hands a monitor's reports to views at a pace, and a final one at the end.

    Args:
        addresses: as ``--monitor`` takes them.
        complain: is told of the first failure of each view.

    Raises:
        ProjectError, LinkError, ExportError, MissingDependencyError: if an address is not usable.
    """

    def __init__(self, monitor: Monitor, addresses: Sequence[str], pace: Pace, complain: Complain) -> None:
        self._monitor, self._complain = monitor, complain
        self._ended, self._counting = threading.Event(), threading.Lock()
        opened: list[tuple[str, View]] = []
        try:
            for k, address in enumerate(addresses):
                if address in addresses[:k]:
                    raise ProjectError(f"--monitor {address} is given twice; leave one out")
                opened.append(open_view(address, monitor))
        except BaseException:
            for _, view in opened:
                view.close()
            raise
        self._outlets = [_Outlet(address, view, self._failed) for address, view in opened]
        if pace.steps is not None:
            monitor.every(pace.steps, self._offer)
        else:
            threading.Thread(
                target=self._tick, args=[pace.seconds or 1.0], name="edge-lstm monitor", daemon=True
            ).start()

    def close(self) -> None:
        """Say the final report and let go. A view that hangs is left after ``PATIENCE``."""
        self._ended.set()
        end = time.monotonic() + PATIENCE
        final = self._monitor.report(final=True)
        for outlet in self._outlets:
            outlet.end(final, end)
        for outlet in self._outlets:
            outlet.join(end)

    def _tick(self, seconds: float) -> None:
        due = time.monotonic() + seconds
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            self._offer(self._monitor.report(restart=True))
            due = max(due + seconds, time.monotonic())  # what a sleeping computer missed is not made up for

    def _offer(self, report: Report) -> None:
        for outlet in self._outlets:
            outlet.offer(report)

    def _failed(self, address: str, words: str) -> None:
        failures = self._monitor.failures
        with self._counting:
            failures[address] = count = failures.get(address, 0) + 1
        if count == 1:
            with contextlib.suppress(OSError, ValueError):  # stderr itself may be what is gone
                self._complain(f"{words}; predictions go on")


class _Outlet:
    """A view, its thread, and the reports that wait for it."""

    def __init__(self, address: str, view: View, failed: Callable[[str, str], None]) -> None:
        self._address, self._view, self._failed = address, view, failed
        self._waiting: queue.Queue[Report | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name=f"edge-lstm monitor {address}", daemon=True)
        self._thread.start()

    def offer(self, report: Report) -> None:
        try:
            self._waiting.put_nowait(report)
        except queue.Full:
            self._failed(self._address, f"{self._address}: takes reports too slowly; give --monitor-every more")

    def end(self, final: Report, end: float) -> None:
        """Hand over the last report, waiting for a place until ``end``."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(final, timeout=max(0.0, end - time.monotonic()))
            self._waiting.put(None, timeout=max(0.0, end - time.monotonic()))

    def join(self, end: float) -> None:
        self._thread.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        for report in iter(self._waiting.get, None):
            try:
                self._view.show(report)
            except Exception as error:  # whatever it is, predictions go on
                self._failed(self._address, str(error))
        with contextlib.suppress(Exception):  # it failed before and was told
            self._view.close()


@contextlib.contextmanager
def watched(
    live: LiveStream,
    bundle: Bundle,
    addresses: Sequence[str],
    every: str,
    deadline_ms: float | None,
    complain: Complain,
) -> Iterator[None]:
    """A block in which a live stream is watched.

    Args:
        every: ``1000`` (steps) or ``10s``.

    Raises:
        ProjectError: if ``every`` or the deadline is not usable.
        LinkError, ExportError, MissingDependencyError: as ``Reporter``.
    """
    monitor = Monitor(live.stream, bundle, deadline_ms, live.counts)
    reporter = Reporter(monitor, addresses, Pace.parse(every, "monitor-every"), complain)
    if not monitor.watches_drift:
        complain("the bundle has no histograms of its training data, so drift is not watched; export it again")
    live.monitor = monitor
    try:
        yield
    finally:
        reporter.close()
