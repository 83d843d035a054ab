"""One loaded runtime, many streams: whoever speaks next finds its own state in it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_lstm.reference import State
    from edge_lstm.runtimes.base import Runtime


class Slot:
    """Where a stream's state rests while another stream runs. None is the zero state."""

    def __init__(self) -> None:
        self.state: State | None = None


class SharedRuntime:
    """A runtime that streams take turns with, also from several threads. The state moves only when the turn changes."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._lock = threading.Lock()
        self._active: Slot | None = None

    @contextlib.contextmanager
    def turn(self, slot: Slot) -> Iterator[Runtime]:
        """The runtime, with the state of ``slot`` in it."""
        with self._lock:
            if self._active is not slot:
                if self._active is not None:
                    self._active.state = self.runtime.get_state()
                self._active = slot
                self._enter(slot)
            yield self.runtime

    def restart(self, slot: Slot) -> None:
        """Give ``slot`` the zero state."""
        with self._lock:
            slot.state = None
            if self._active is slot:
                self.runtime.reset()

    def replace(self, slot: Slot, state: State) -> None:
        """Give ``slot`` another state."""
        with self.turn(slot) as runtime:
            runtime.set_state(state)

    def peek(self, slot: Slot) -> State:
        """A copy of the state of ``slot``."""
        with self.turn(slot) as runtime:
            return runtime.get_state()

    def _enter(self, slot: Slot) -> None:
        if slot.state is None:
            self.runtime.reset()
        else:
            self.runtime.set_state(slot.state)
