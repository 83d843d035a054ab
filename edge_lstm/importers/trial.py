"""A first try in a process of its own: damaged HDF5 has sent its library into loops that Python cannot interrupt."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from edge_lstm.errors import ModelError

SECONDS = 8.0
"""Far more than a file of ``LARGEST_BYTES`` takes to be read."""


def try_first(read: Callable[[Path], object], path: Path) -> None:
    """Raise ModelError if ``read(path)`` hangs or crashes; what it raises, it will raise again. Needs fork."""
    if not hasattr(os, "fork"):
        return
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            read(path)
        os._exit(0)
    deadline = time.monotonic() + SECONDS
    done, status = os.waitpid(child, os.WNOHANG)
    while not done and time.monotonic() < deadline:
        time.sleep(0.002)
        done, status = os.waitpid(child, os.WNOHANG)
    if not done:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise ModelError(f"{path}: is damaged, reading it takes over {SECONDS:.0f} s; save the model again")
    if status:
        raise ModelError(f"{path}: is damaged, reading it crashes; save the model again")
