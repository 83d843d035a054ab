"""A first try in a process of its own: damaged HDF5 has sent its library into loops that Python cannot interrupt, and
into taking memory for what is not there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from edge_lstm.errors import ModelError

SECONDS, SECONDS_A_MEGABYTE = 0.35, 0.1
"""Of the processor. A small model is read in 0.01 s, packed ones at 0.012 s a megabyte (x86-64): so a board that is
eight times slower is patient enough, and a loop is found at once. Time of the clock would depend on what else runs."""

BYTES, BYTES_A_BYTE = 64 * 2**20, 16
"""Of memory, beyond what the process has: weights are packed to a quarter at best, and are copied three times."""

ASLEEP = 8.0
"""Seconds of the clock after which one that uses no processor has gone to sleep for good, beyond the above."""

_REFUSED, _LONGEST_MESSAGE = 2, 4000


def try_first(read: Callable[[Path], object], path: Path) -> None:
    """Raise ModelError if ``read(path)`` does, hangs or crashes; other errors it will raise again. Needs fork."""
    if not hasattr(os, "fork"):
        return
    with contextlib.suppress(ImportError):
        import h5py  # noqa: F401 - so that loading it does not count
    size = path.stat().st_size if path.is_file() else 0
    patience = SECONDS + SECONDS_A_MEGABYTE * size / 10**6
    answer, said = os.pipe()
    child = os.fork()
    if child == 0:
        os._exit(_tried(read, path, patience, BYTES + BYTES_A_BYTE * size, said))
    os.close(said)
    try:
        status = _wait(child, ASLEEP + 8 * patience)
        if status is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF):
            raise ModelError(f"{path}: is damaged, reading it takes over {patience:.1f} s; save the model again")
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == _REFUSED:
            raise ModelError(os.read(answer, _LONGEST_MESSAGE).decode(errors="replace"))
        if status:
            raise ModelError(f"{path}: is damaged, reading it crashes; save the model again")
    finally:
        os.close(answer)


def _tried(read: Callable[[Path], object], path: Path, patience: float, memory: int, said: int) -> int:
    """In the child: its exit code."""
    _limit_memory(memory)
    # The kernel ends it: no handler of Python runs while a library does.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, patience)
    try:
        read(path)
    except ModelError as error:
        # A pipe takes as much without a reader.
        os.write(said, str(error).encode()[:_LONGEST_MESSAGE])
        return _REFUSED
    except BaseException:
        return 0
    return 0


def _limit_memory(more: int) -> None:
    """Of this process, where Linux tells what it has."""
    import resource

    with contextlib.suppress(OSError, ValueError, IndexError):
        has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = has + more
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))


def _wait(child: int, seconds: float) -> int | None:
    """Its status; None if it had to be ended."""
    deadline = time.monotonic() + seconds
    done, status = os.waitpid(child, os.WNOHANG)
    while not done and time.monotonic() < deadline:
        time.sleep(0.002)
        done, status = os.waitpid(child, os.WNOHANG)
    if done:
        return status
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
