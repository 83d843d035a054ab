"""What watches a stream: a sample and two times are kept a step, and everything is counted a block of steps at once."""

from __future__ import annotations

import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_lstm.bundle import Bundle
from edge_lstm.errors import ProjectError
from edge_lstm.monitor.drift import Drift, references
from edge_lstm.monitor.saturation import Inputs, states_of
from edge_lstm.monitor.timing import Timing
from edge_lstm.streaming.counts import Counts
from edge_lstm.streaming.snapshot import decode_snapshot
from edge_lstm.streaming.stream import Stream

if TYPE_CHECKING:
    from edge_lstm.streaming.prediction import Prediction

BLOCK = 504
"""Most steps counted at once: what a count costs is nearly all in the calls, and it holds a board up for a moment."""

LOOK = 1511
"""Steps between looks at the state: three blocks, and a prime, so that every step of a window has its turn."""

PEAKS = 60
"""Latencies kept for a picture, each the longest of the steps counted at once."""

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Report:
    """What a monitor knows at one moment.

    Args:
        values: JSON values; ``edge_lstm.monitor.keys`` says what they mean.
        latency: (seconds, how many latencies do not exceed them), rising.
        latency_sum: seconds.
        peaks_us: recent latencies.
        shares: by channel, the window's share of each bin and the training data's.
    """

    values: dict[str, Any]
    latency: list[tuple[float, int]]
    latency_sum: float
    peaks_us: list[float]
    shares: dict[str, tuple[list[float], list[float]]]


class Monitor:
    """Watches one stream. ``took`` and ``settle`` belong to the stream's thread, ``report`` to any.

    ::

        bundle = Bundle.open("build/gestures")
        monitor = Monitor(Stream(bundle), bundle)
        for sample in sensor:
            prediction = monitor.push(sample)
        print(monitor.report().values["latency"]["p99_us"])

    Nothing is remembered over a restart: it watches a process, and what reads it keeps the past.

    Args:
        bundle: that of the stream, for what it says of its training data.
        deadline_ms: longest time from a sample's arrival to its prediction; None for that between two samples of the
            model's rate.
        counts: of the live stream, told with the rest.

    Raises:
        ProjectError: if the deadline is not positive.
        BundleError: if the bundle's table ``drift`` was changed.
    """

    def __init__(
        self, stream: Stream, bundle: Bundle, deadline_ms: float | None = None, counts: Counts | None = None
    ) -> None:
        interface = stream.model.interface
        rate = interface.rate_hz
        if deadline_ms is not None and not 0 < deadline_ms < float("inf"):
            raise ProjectError(f"deadline is {deadline_ms:g} ms; give a positive number")
        if deadline_ms is None and rate is not None:
            deadline_ms = 1000.0 / rate
        self.name = bundle.name
        self.failures: dict[str, int] = {}
        """How often each view failed, by its address."""
        self._stream, self._counts = stream, counts
        self._timing = Timing(deadline_ms, rate)
        self._inputs = Inputs(interface.channels, stream.model.limits)
        # On a board the state is at the other end of the wire, and fetching it would cost several steps.
        on_board = stream.backend == "board"
        self._states = None if on_board else states_of(bundle.model(stream.arithmetic), stream.arithmetic)
        table = bundle.manifest.get("drift")
        self._drift = None if table is None else Drift(interface.channels, references(table, interface.channels))
        self._began, self._steps = time.monotonic(), 0
        self._peaks = deque[float](maxlen=PEAKS)
        # Appending to one deque and taking from its other end needs no lock between the stream and a report.
        self._waiting: deque[tuple[Any, int, int]] = deque()
        self._counting = threading.Lock()
        self._looked = self._told = self._every = 0
        self._due: Callable[[Report], None] = _nothing
        self._plan()

    @property
    def watches_drift(self) -> bool:
        """Whether the bundle has histograms of its training data to compare with."""
        return self._drift is not None

    def push(self, sample: Any) -> Prediction | None:
        """Push a sample (C,) into the stream, watched: for programs that have a stream of their own.

        Raises:
            InputError: as ``Stream.push``.
        """
        arrived = time.perf_counter_ns()
        made = self._stream.push(sample)
        # The caller may use its array again for the next sample.
        self.took(np.ravel(sample).tolist(), arrived)
        self.settle()
        return made

    def took(self, sample: Any, arrived: int, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        """Note that a prediction was just made of a sample (C,), a list that nobody will change.

        Args:
            arrived: when the sample came, by ``clock``.
        """
        self._waiting.append((sample, arrived, clock()))

    def settle(self) -> None:
        """Count what was noted, if it is a block: called when the prediction has left, so that it never waits."""
        if len(self._waiting) >= self._until:
            self._settle()

    def every(self, steps: int, due: Callable[[Report], None]) -> None:
        """Hand a report to ``due`` after each ``steps`` steps, in the stream's thread."""
        self._every, self._due = steps, due
        self._plan()

    def report(self, restart: bool = False, final: bool = False) -> Report:
        """Everything up to now.

        Args:
            restart: begin a new interval for ``recent`` and ``arrival``.
        """
        with self._counting:
            self._count(len(self._waiting))
            report = self._report(final)
            if restart:
                self._timing.restart()
        return report

    def _settle(self) -> None:
        report = None
        with self._counting:
            self._count(self._until)
            if self._steps - self._looked >= LOOK:
                self._looked = self._steps
                if self._states is not None:
                    self._states.add(self._state())
            if self._every and self._steps - self._told >= self._every:
                self._told, report = self._steps, self._report(final=False)
                self._timing.restart()
            self._plan()
        if report is not None:
            self._due(report)

    def _plan(self) -> None:
        """Set how many steps may wait until ``settle`` has something to do."""
        told = self._told + self._every if self._every else self._looked + LOOK
        self._until = min(BLOCK, self._looked + LOOK - self._steps, told - self._steps)

    def _count(self, most: int) -> None:
        """Count the oldest steps that wait."""
        steps = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        if not steps:
            return
        rows, arrived, done = zip(*steps, strict=True)
        # Several times as fast as an array of a list of lists.
        flat = struct.pack(f"{len(rows) * len(rows[0])}d", *chain.from_iterable(rows))
        samples = np.frombuffer(flat).reshape(len(rows), -1)
        begun, made = np.array(arrived, np.int64), np.array(done, np.int64)
        self._steps += len(steps)
        self._timing.add(begun, made)
        self._inputs.add(samples)
        if self._drift is not None:
            self._drift.add(samples)
        self._peaks.append(round(float((made - begun).max()) / 1e3, 1))
        self._plan()

    def _state(self) -> Any:
        saved, model = self._stream.save(), self._stream.model
        return decode_snapshot(saved, model.identity, self._stream.arithmetic).state

    def _report(self, final: bool) -> Report:
        run, states = self._timing.run, self._states
        values = {
            "schema": SCHEMA,
            "stream": self.name,
            "time": round(time.time(), 3),
            "uptime_s": round(time.monotonic() - self._began, 3),
            "final": final,
            "steps": self._steps,
            **self._timing.to_json(),
            "counts": None if self._counts is None else self._counts.to_json(),
            "saturation": {
                "inputs": self._inputs.to_json(),
                "sampled_steps": None if states is None else states.steps,
                "tensors": None if states is None else states.to_json(),
            },
            "drift": None if self._drift is None else self._drift.to_json(),
            "failures": dict(self.failures),
        }
        shares = {} if self._drift is None else self._drift.shares()
        return Report(values, run.cumulative(), run.total_ns / 1e9, list(self._peaks), shares)


def _nothing(_report: Report) -> None:
    """Nobody waits for reports."""
