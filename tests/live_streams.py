"""A live ``edge-lstm stream`` as a process, and what it must say: shared by the tests of live input and output."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result

from edge_lstm.cli import cli
from edge_lstm.streaming import Stream

HEADER = "ax,ay,az\n"
MOSQUITTO = "/usr/sbin/mosquitto"
COMMAND = (sys.executable, "-c", "from edge_lstm.cli import main; main()", "stream")


def line(sample: np.ndarray, sign: str = ",") -> str:
    return sign.join(map(repr, sample.tolist())) + "\n"


def text(samples: np.ndarray) -> str:
    return "".join(map(line, samples))


def said(bundle: Path, samples: np.ndarray) -> list[str]:
    """The lines that a stream of the samples says."""
    return [p.to_text() for p in Stream(bundle, "reference").push_many(samples)]


def with_facts(bundle: Path, **facts: object) -> Path:
    """The same bundle, whose manifest says what the training data meant."""
    file = bundle / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"stream": facts}))
    return bundle


def run(written: str, bundle: Path, *arguments: object) -> Result:
    """The command in this process."""
    return CliRunner().invoke(
        cli, ["stream", str(bundle), "--backend", "reference", *map(str, arguments)], input=written
    )


@contextlib.contextmanager
def live(bundle: Path, *arguments: object, stdin: int | None = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    """The command as a process, gone when the block ends."""
    command = [*COMMAND, str(bundle), "--backend", "reference", *map(str, arguments)]
    process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
            with contextlib.suppress(BrokenPipeError):  # what nobody has read
                pipe.close()


def read(process: subprocess.Popen[str], count: int) -> list[str]:
    """The next lines of its output."""
    return [process.stdout.readline().rstrip("\n") for _ in range(count)]


def until(ready: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for something another process does."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fails(process: subprocess.Popen[str], message: str) -> None:
    """It ends with one line and exit code 2."""
    assert process.wait(20) == 2
    error = process.stderr.read()
    assert error.count("\n") == 1
    assert error.startswith("edge-lstm: error: ")
    assert message in error


def connected(port: int) -> socket.socket:
    """A connection to the command, once it listens."""
    made: list[socket.socket] = []

    def try_once() -> list[socket.socket]:
        with contextlib.suppress(ConnectionRefusedError):
            made.append(socket.create_connection(("127.0.0.1", port)))
        return made

    until(try_once)
    return made[0]


@contextlib.contextmanager
def broker(folder: Path, *lines: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A mosquitto of our own; its port."""
    port = free_port()
    (folder / "mosquitto.conf").write_text("\n".join([f"listener {port} 127.0.0.1", *lines]) + "\n")
    process = subprocess.Popen(
        [MOSQUITTO, "-c", str(folder / "mosquitto.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        connected(port).close()
        yield process, port
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def client(
    port: int, host: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> Iterator[tuple[Any, list[tuple[str, str]]]]:
    """Another client of a broker, and what it hears."""
    from paho.mqtt import client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    made = mqtt.Client(CallbackAPIVersion.VERSION2)
    heard: list[tuple[str, str]] = []
    made.on_message = lambda _c, _d, message: heard.append((message.topic, message.payload.decode()))
    if context is not None:
        made.tls_set_context(context)
    made.connect(host, port)
    made.loop_start()
    try:
        yield made, heard
    finally:
        made.disconnect()
        made.loop_stop()
