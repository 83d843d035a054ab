"""A live stream: readings → gaps → policy → model → predictions, with a memory that outlives the process."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edge_lstm.errors import InputError, ProjectError
from edge_lstm.streaming.counts import Counts
from edge_lstm.streaming.facts import Facts
from edge_lstm.streaming.feed import Feed
from edge_lstm.streaming.gaps import Gaps, ResetRule
from edge_lstm.streaming.lines import LineForm, LineReader, Reading
from edge_lstm.streaming.policy import Admission, Policy
from edge_lstm.streaming.prediction import Prediction
from edge_lstm.streaming.saving import Memory, Pace, StateFile, held_values
from edge_lstm.streaming.sources import Source, open_source
from edge_lstm.streaming.stream import Stream
from edge_lstm.streaming.urls import public

if TYPE_CHECKING:
    from edge_lstm.monitor import Monitor

WhenFull = Literal["block", "drop-oldest"]


@dataclass(frozen=True)
class Queueing:
    """What happens when samples come faster than the model takes them.

    Args:
        size: samples that may wait.
        when_full: ``block`` lets the source wait, ``drop-oldest`` keeps the newest; None is the source's own way:
            a pipe, a file or a connection waits, a sensor does not.

    Raises:
        ProjectError: for a value that is not usable.
    """

    size: int = 64
    when_full: WhenFull | None = None

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ProjectError(f"queue is {self.size} samples; give at least 1")
        if self.when_full not in (None, "block", "drop-oldest"):
            raise ProjectError(f"when_full {self.when_full!r} is not known; choose from block, drop-oldest")


@dataclass(frozen=True)
class Setup:
    """Everything a live stream is asked to do."""

    source: str = "-"
    policy: Policy = field(default_factory=Policy)
    reset: ResetRule = field(default_factory=ResetRule)
    queueing: Queueing = field(default_factory=Queueing)
    state: Path | None = None
    pace: Pace = field(default_factory=Pace)


class LiveStream:
    """One stream from its source to its predictions.

    Args:
        stream: in its zero state.
        facts: what the training data meant by a number.

    Raises:
        ProjectError, LinkError, MissingDependencyError: as ``open_source``.
        InputError: if the state file holds another model's state, or none.
    """

    def __init__(self, stream: Stream, facts: Facts, setup: Setup) -> None:
        channels = stream.model.interface.channels
        self.counts = Counts()
        self.monitor: Monitor | None = None
        self.stream, self._setup = stream, setup
        self._admission = Admission(setup.policy, channels, stream.model.limits, self.counts)
        self._gaps = Gaps(setup.reset)
        self._file = None if setup.state is None else StateFile(setup.state, setup.pace)
        self._position: str | None = None
        self._arrived = 0
        saved = None if self._file is None else self._file.read()
        if saved is not None:
            self._load(*saved)
        self._source = open_source(setup.source, channels, self.counts)
        self._reader = LineReader(channels, _form(setup, facts, self._source), self.counts)
        if saved is not None:
            self._take_up(saved[1])

    def readings(self) -> Iterator[Reading]:
        """Samples as they come; the queue is in here.

        Raises:
            InputError: for a line that is no sample.
            LinkError: if the source is gone.
        """
        queueing = self._setup.queueing
        if (queueing.when_full or ("drop-oldest" if self._source.live else "block")) == "block":
            # The wire's own buffers are the queue: what they cannot hold waits at the sender.
            yield from self._read()
            return
        feed = Feed(self._read(), queueing.size, self.counts)
        try:
            yield from feed
        finally:
            self._source.close()
            feed.join(seconds=1.0)

    def take(self, reading: Reading) -> Prediction | None:
        """Push a sample, if the policy admits it: what the model says, or None.

        Raises:
            InputError: if the policy refuses it. The stream is then as it was before.
        """
        fresh = self._gaps.due(reading.time, self.stream.step)
        if fresh:
            self._admission.forget()
        sample = self._admission.admit(reading.values, f"line {reading.line}: step {self.stream.step}")
        self._position = reading.position
        if sample is None:
            return None
        if fresh:
            self.stream.reset()
            self.counts.resets += 1
        made = self.stream.push(sample)
        self._gaps.passed(reading.time)
        self.counts.samples += 1
        if self.monitor is not None:
            self.monitor.took(sample, reading.arrived)
        return made

    def remember(self) -> None:
        """Count a sample that was dealt with, and write the state when it is time to.

        Raises:
            ExportError: if it cannot be written.
        """
        if self.monitor is not None:
            self.monitor.settle()
        if self._file is not None:
            self._file.stepped(self.save)

    def save(self) -> None:
        """Write the state, if there is a file for it.

        Raises:
            ExportError: if it cannot be written.
        """
        if self._file is None:
            return
        held = tuple(None if math.isnan(value) else value for value in self._admission.held)
        memory = Memory(held, self._gaps.last, public(self._setup.source), self._position, self._reader.header)
        self._file.write(self.stream.save(), memory)

    def close(self) -> None:
        """Let go of the source."""
        self._source.close()

    def _read(self) -> Iterator[Reading]:
        for reading in self._reader.readings(self._lines()):
            yield reading._replace(position=self._source.position, arrived=self._arrived)

    def _lines(self) -> Iterator[str]:
        for line in self._source.lines():
            self._arrived = time.perf_counter_ns()
            yield line

    def _load(self, snapshot: bytes, memory: Memory) -> None:
        try:
            self.stream.load(snapshot)
            if len(memory.held) != len(self._admission.held):
                raise InputError("stream state: it is of other channels")
        except InputError as error:
            raise InputError(f"{self._setup.state}: {error}; or move this file away") from error
        self._admission.held = held_values(memory.held)
        self._gaps.passed(memory.time)

    def _take_up(self, memory: Memory) -> None:
        """Go on in the source where the last process stopped."""
        if memory.source != public(self._setup.source):
            return
        # A pipe or a connection begins anew and says its header again; a sensor or the middle of a file does not.
        if memory.header is not None and (self._source.live or memory.position is not None):
            self._reader.resume(memory.header)
        if memory.position is not None:
            self._position = memory.position
            self._source.resume(memory.position)


def _form(setup: Setup, facts: Facts, source: Source) -> LineForm:
    policy = setup.policy
    return LineForm(
        facts, policy.missing != "refuse", policy.malformed == "skip", setup.reset.kind == "gap", source.torn
    )
