"""Bundles for boards that QEMU emulates, their firmware built as a user builds it, and the wires to it."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from models import calibrated, float_model, recordings

from edge_lstm.board import load_board
from edge_lstm.bundle import Bundle
from edge_lstm.integer import CArithmetic
from edge_lstm_calibration import quantise_native, quantise_tflite
from edge_lstm_calibration.quantise_step import quantise_step
from edge_lstm_export.bundle_writer import Integers, int8_files, write_bundle
from edge_lstm_export.firmware.project import Firmware, project_files

MODEL = float_model(features=3, units=(9, 6), outputs=4, window=20)
SERIES = recordings(MODEL, count=4, steps=60)

MACHINES = {
    "mps2-an386": ["-M", "mps2-an386", "-serial"],
    # An STM32F405: the same USART2 at the same address. Its first serial port is USART1.
    "nucleo-f446re": ["-M", "netduinoplus2", "-serial", "null", "-serial"],
}
"""Board → how QEMU is told to be it; what follows is where its serial port leads."""


def write_board_bundle(folder: Path, board_name: str, arithmetic: CArithmetic = "native", seed: int = 0) -> Bundle:
    """What ``edge-lstm export --int8 --board`` writes."""
    board = load_board(board_name)
    model = MODEL if seed == 0 else replace(MODEL, head=replace(MODEL.head, bias=MODEL.head.bias + seed))
    calibration = calibrated(model)
    native, tflite = quantise_native(model, calibration), quantise_tflite(model, calibration)
    files = int8_files(
        model, Integers(native, tflite, quantise_step(model, calibration)), SERIES, board.core.kernels, arithmetic
    )
    chosen = tflite if arithmetic == "tflm" else native
    file = "tflite" if arithmetic == "tflm" else "native"
    firmware = Firmware("walk", chosen, arithmetic, files[f"integer/{file}.safetensors"], board)
    sources = [name.removeprefix("c/") for name in files if name.startswith("c/")]
    files |= {f"c/{name}": content for name, content in project_files(firmware, sources).items()}
    table = {"arithmetic": arithmetic, "kernels": board.core.kernels, "board": board.name, "core": board.core.name}
    write_bundle(folder, "walk", model, files, 0, {}, {"c": table})
    return Bundle.open(folder)


def build_firmware(bundle: Bundle, folder: Path) -> Path:
    """The program, by the two commands of ``c/firmware/README.md``."""
    source = bundle.path / "c"
    toolchain = f"-DCMAKE_TOOLCHAIN_FILE={source}/firmware/toolchain.cmake"
    for command in (["cmake", "-S", source, "-B", folder, toolchain], ["cmake", "--build", folder]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "firmware.bin").stat().st_size > 1000
    return folder / "firmware.elf"


@contextlib.contextmanager
def over_tcp(board_name: str, elf: Path) -> Iterator[str]:
    """The board, its serial port behind a socket: the URL of it."""
    port = free_port()
    with _qemu(board_name, elf, f"tcp:127.0.0.1:{port},server=on,wait=off,nodelay=on"):
        _wait_for(port)
        yield f"socket://127.0.0.1:{port}"


@contextlib.contextmanager
def over_pty(board_name: str, elf: Path) -> Iterator[str]:
    """The board, its serial port a terminal of this computer, as ``/dev/ttyACM0`` is: the path of it."""
    with _qemu(board_name, elf, "pty") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        path = re.search(r"/dev/pts/\d+", line)
        assert path is not None, line
        yield path[0]


@contextlib.contextmanager
def _qemu(board_name: str, elf: Path, serial: str) -> Iterator[subprocess.Popen[str]]:
    words = ["qemu-system-arm", *MACHINES[board_name], serial, "-nographic", "-monitor", "none", "-kernel", str(elf)]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    """Until something listens there, without connecting: a board takes one connection only."""
    end = time.monotonic() + 10
    listening = f"0100007F:{port:04X} 00000000:0000 0A"
    while listening not in Path("/proc/net/tcp").read_text():
        assert time.monotonic() < end, f"nothing listens on port {port}"
        time.sleep(0.01)


@contextlib.contextmanager
def noisy(url: str, rate: float, seed: int) -> Iterator[tuple[str, list[int]]]:
    """A wire to ``url`` that spoils bytes both ways: lost, changed, doubled or added. Counts what it spoilt."""
    host, port = url.removeprefix("socket://").split(":")
    spoilt = [0]
    with contextlib.ExitStack() as held:
        server = held.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve() -> None:
            with contextlib.suppress(OSError):
                near = held.enter_context(server.accept()[0])
                far = held.enter_context(socket.create_connection((host, int(port))))
                back = _spoiler(rate, seed + 1, spoilt)
                threading.Thread(target=_pass_on, args=(far, near, back), daemon=True).start()
                _pass_on(near, far, _spoiler(rate, seed, spoilt))

        threading.Thread(target=serve, daemon=True).start()
        yield f"socket://127.0.0.1:{server.getsockname()[1]}", spoilt


def _pass_on(source: socket.socket, target: socket.socket, spoil: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(4096):
            target.sendall(spoil(data))
        target.shutdown(socket.SHUT_WR)


def _spoiler(rate: float, seed: int, spoilt: list[int]) -> Callable[[bytes], bytes]:
    rng = np.random.default_rng(seed)

    def spoil(data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            kind = int(rng.integers(4)) if rng.random() < rate else None
            spoilt[0] += kind is not None
            out += {
                None: bytes([byte]),
                0: b"",
                1: bytes([byte ^ 1 << int(rng.integers(8))]),
                2: bytes([byte, byte]),
                3: bytes([byte, int(rng.integers(256))]),
            }[kind]
        return bytes(out)

    return spoil
