"""What a service manager hears of a live stream, over a real socket: ready, alive while it is, stopping."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time

import pytest
from live_streams import COMMAND, free_port, line, read, text, until

from edge_lstm.streaming.notify import Notifier

WATCHDOG = 0.4
"""Seconds that the manager of these tests asks for; the stream speaks every half of it."""


class Manager:
    """The other end of ``$NOTIFY_SOCKET``."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def hear(self, seconds=20.0):
        """The next notification's lines; None if none comes in time."""
        self.socket.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            return self.socket.recv(4096).decode().split("\n")
        return None

    def alive(self, seconds):
        """How often the watchdog was answered within a time from now."""
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.socket.recv(4096)
        end, answers = time.monotonic() + seconds, 0
        while (left := end - time.monotonic()) > 0:
            answers += "WATCHDOG=1" in (self.hear(left) or ())
        return answers


@pytest.fixture
def manager(tmp_path):
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.socket.close()


@contextlib.contextmanager
def service(manager, bundle, *arguments, watchdog=WATCHDOG, **pipes):
    """The command as a service manager starts it; gone when the block ends."""
    asked = {"NOTIFY_SOCKET": manager.address} | ({"WATCHDOG_USEC": str(int(watchdog * 1e6))} if watchdog else {})
    process = subprocess.Popen(
        [*COMMAND, str(bundle), "--backend", "reference", *map(str, arguments)],
        stdin=pipes.get("stdin", subprocess.PIPE),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | asked,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def test_ready_alive_while_it_waits_and_stopping(manager, own_bundle, samples):
    """No sample comes and the stream lives; the status counts those that came; SIGTERM is said before the end."""
    with service(manager, own_bundle) as process:
        assert manager.hear() == ["READY=1", "WATCHDOG=1", "STATUS=0 samples taken"]
        assert manager.alive(5 * WATCHDOG) >= 5  # half of it asked for is every 0.2 s: ten of them, on a busy computer
        process.stdin.write(text(samples[:3]))
        process.stdin.flush()
        read(process, 3)
        assert manager.alive(WATCHDOG) >= 1
        assert manager.hear()[-1] == "STATUS=3 samples taken"
        process.terminate()
        assert process.wait(20) == 143
        heard = []
        until(lambda: heard.append(manager.hear(1.0)) or heard[-1] == ["STOPPING=1"])


@pytest.fixture
def endless(samples):
    """A sensor that never pauses."""
    with subprocess.Popen(["yes", line(samples[0]).strip()], stdout=subprocess.PIPE) as process:
        yield process.stdout
        process.kill()


def test_a_busy_stream_is_alive(manager, own_bundle, endless):
    """It hardly ever waits, and goes on."""
    with service(manager, own_bundle, "--to", "file:/dev/null", stdin=endless):
        manager.hear()
        assert manager.alive(5 * WATCHDOG) >= 3


def test_a_destination_that_takes_nothing_silences_the_watchdog(manager, own_bundle, endless):
    """A full pipe nobody reads: the stream hangs and must not be kept alive. When it is read, it is alive again."""
    with service(manager, own_bundle, stdin=endless) as process:
        manager.hear()
        until(lambda: manager.alive(2 * WATCHDOG) == 0)
        assert manager.alive(3 * WATCHDOG) == 0
        assert process.poll() is None
        read(process, 5_000)
        assert manager.alive(3 * WATCHDOG) >= 1


def test_a_step_that_hangs_silences_the_watchdog(manager):
    """The thread that speaks is alive, and says nothing for the one that is not."""
    notifier = Notifier(manager.address, WATCHDOG, lambda: "")
    with notifier:
        notifier.ready()
        for _ in notifier.watched(iter([1])):
            manager.alive(WATCHDOG)
            assert manager.alive(3 * WATCHDOG) == 0
        assert notifier._waiting is False


def test_it_is_not_ready_before_everything_is_open(manager, own_bundle):
    """A destination that is not there is a start that failed, not a service that ended."""
    with service(manager, own_bundle, "--to", f"tcp://127.0.0.1:{free_port()}") as process:
        assert process.wait(20) == 2
    assert manager.hear() == ["STOPPING=1"]


def test_a_socket_may_be_a_name_without_a_file():
    """As systemd's user managers and some containers have it."""
    heard = Manager(f"@edge-lstm-{os.getpid()}")
    with heard.socket, Notifier.asked(lambda: "here", {"NOTIFY_SOCKET": heard.address}) as notifier:
        notifier.ready()
        assert heard.hear() == ["READY=1", "STATUS=here"]


def test_a_watchdog_of_another_process_is_not_answered(manager):
    """The manager names whom it watches, where a script stands in between."""
    environment = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "400000", "WATCHDOG_PID": "1"}
    with Notifier.asked(lambda: "here", environment) as notifier:
        notifier.ready()
    assert manager.hear() == ["READY=1", "STATUS=here"]


def test_without_a_manager_nothing_is_done():
    """No thread, and nothing between the stream and its samples; also for an address of a kind that is not known."""
    items, threads = iter([1, 2]), threading.active_count()
    for address in ("", "vsock:2:1"):
        with Notifier.asked(lambda: "", {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000"}) as notifier:
            notifier.ready()
            assert notifier.watched(items) is items
            assert threading.active_count() == threads


def test_a_manager_that_has_gone_is_no_fault(tmp_path):
    """The stream goes on without it."""
    with Notifier(str(tmp_path / "none"), WATCHDOG, lambda: "") as notifier:
        notifier.ready()
        assert list(notifier.watched(iter([1, 2]))) == [1, 2]
