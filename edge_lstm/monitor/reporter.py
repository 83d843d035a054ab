"""Says reports on time, in a thread of its own: whatever a view does, predictions go on."""

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
"""Seconds that the last report may take at the end."""

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
        self._monitor, self._pace, self._complain = monitor, pace, complain
        self._views: list[tuple[str, View]] = []
        try:
            for address in addresses:
                self._views.append(open_view(address, monitor))
        except BaseException:
            self._close_views()
            raise
        self._reports: queue.Queue[Report | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="edge-lstm monitor", daemon=True)
        if pace.steps is not None:
            monitor.every(pace.steps, self._due)
        self._thread.start()

    def close(self) -> None:
        """Say the final report and let go. A view that hangs is left after ``PATIENCE``."""
        with contextlib.suppress(queue.Full):
            self._reports.put(None, timeout=PATIENCE)
        self._thread.join(PATIENCE)

    def _due(self, report: Report) -> None:
        try:
            self._reports.put_nowait(report)
        except queue.Full:
            self._failed("reports", "views are slower than reports come; give --monitor-every more steps")

    def _run(self) -> None:
        for report in self._on_time():
            for address, view in self._views:
                try:
                    view.show(report)
                except Exception as error:  # whatever it is, predictions go on
                    self._failed(address, str(error))
        self._close_views()

    def _on_time(self) -> Iterator[Report]:
        """Reports when they are due, the final one last."""
        seconds, due = self._pace.seconds, time.monotonic()
        while True:
            due += seconds or 0.0
            try:
                report = self._reports.get(timeout=None if seconds is None else max(0.0, due - time.monotonic()))
            except queue.Empty:
                report = self._monitor.report(restart=True)
                due = max(due, time.monotonic() - (seconds or 0.0))  # a view that took long is not made up for
            if report is None:
                break
            yield report
        yield self._monitor.report(final=True)

    def _failed(self, address: str, words: str) -> None:
        failures = self._monitor.failures
        failures[address] = failures.get(address, 0) + 1
        if failures[address] == 1:
            with contextlib.suppress(OSError, ValueError):  # stderr itself may be what is gone
                self._complain(f"{words}; predictions go on")

    def _close_views(self) -> None:
        for _, view in self._views:
            with contextlib.suppress(Exception):  # it failed before and was told
                view.close()


@contextlib.contextmanager
def watched(
    live: LiveStream,
    bundle: Bundle,
    addresses: Sequence[str],
    every: str,
    deadline_ms: float | None,
    complain: Complain,
) -> Iterator[None]:
    """A block in which a live stream is watched; nothing is done if no address is given.

    Raises:
        ProjectError: if ``every`` or the deadline is not usable, or there is a deadline that nobody would hear of.
        LinkError, ExportError, MissingDependencyError: as ``open_view``.
    """
    pace = Pace.parse(every, "monitor-every")
    if not addresses:
        if deadline_ms is not None:
            raise ProjectError("--deadline is watched by a monitor; add --monitor, such as --monitor term")
        yield
        return
    monitor = Monitor(live.stream, bundle, deadline_ms, live.counts)
    reporter = Reporter(monitor, addresses, pace, complain)
    if not monitor.watches_drift:
        complain("the bundle has no calibration histograms, so drift is not watched; export it again")
    live.monitor = monitor
    try:
        yield
    finally:
        reporter.close()
