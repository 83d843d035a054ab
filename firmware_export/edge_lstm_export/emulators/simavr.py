"""AVR microcontrollers in simavr: memory, calls, and an exact count of cycles.

simavr is a library of C. A runner of ours (``firmware/simavr_runner.c``) is compiled with it on first use and spoken
to over its standard input and output.
"""

from __future__ import annotations

import struct
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from edge_lstm.board import Core
from edge_lstm.compiler import find_compiler
from edge_lstm.errors import MissingDependencyError, VerificationError
from edge_lstm_export.emulators.base import Array, BoardRun, Emulator, Layout, run_on
from edge_lstm_export.firmware.image import Image, firmware_files
from edge_lstm_export.firmware.toolchain import build

DATA = 0x80_0000
"""Where avr-gcc's linker puts the addresses of data memory; 64 KiB further EEPROM begins."""
DATA_BYTES = 0x1_0000

PAINT = 0xA5
RETURNED, FAULTED = 0, 1
SECONDS = 60.0

_RUNNER = "simavr_runner.c"
_INSTALL = "apt install libsimavr-dev libelf-dev"


def program(core: Core, sources: Mapping[str, bytes], toolchain: str | None, extra: Sequence[str]) -> Image:
    """The calls of ``harness.c`` and the model, to be loaded and called."""
    script = f"bare_{core.emulator['cpu']}.ld"
    return Image(build(core, {**sources, **firmware_files("harness.c", script)}, script, toolchain, extra))


def run(image: Image, cpu: str, layout: Layout, recordings: Sequence[Array], window: int | None) -> BoardRun:
    """``cpu`` is a name that simavr knows, such as ``atmega328p``.

    Raises:
        MissingDependencyError: if simavr's library or a C compiler is not installed.
        VerificationError: if the program faults, does not end, or overflows its stack.
    """
    with tempfile.TemporaryDirectory(prefix="edge-lstm-") as folder:
        runner = Path(folder) / "runner"
        runner.write_bytes(compile_runner())
        runner.chmod(0o700)
        with SimavrDevice(image, cpu, runner) as device:
            return run_on(device, layout, recordings, window)


SIMAVR = Emulator(program, run)


@cache
def compile_runner() -> bytes:
    """The program that speaks to simavr, for this computer.

    Raises:
        MissingDependencyError: if there is no C compiler, or simavr's library is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="edge-lstm-") as folder:
        (Path(folder) / _RUNNER).write_bytes(firmware_files(_RUNNER)[_RUNNER])
        done = subprocess.run(  # noqa: S603 - the compiler is the user's own
            [*find_compiler(), "-std=c99", "-O2", "-o", "runner", _RUNNER, "-lsimavr"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            why = next((line for line in done.stderr.splitlines() if "error" in line or "cannot find" in line), "")
            raise MissingDependencyError(
                f"the library of simavr, which emulates AVR, is missing: {_INSTALL} ({why.strip()})"
            )
        return (Path(folder) / "runner").read_bytes()


class SimavrDevice:
    """A ``Device``, while it is entered."""

    unit = "cycles"

    def __init__(self, image: Image, cpu: str, runner: Path) -> None:
        self._symbols, self.emulator = image.symbols, f"simavr, {cpu}"
        self._process = subprocess.Popen(  # noqa: S603 - compiled above
            [str(runner), cpu], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            (self._last,) = struct.unpack("<I", self._receive(4))
            for address, content in image.segments:
                in_data = address >= DATA
                self._send(b"W" if in_data else b"F", address - DATA if in_data else address, content)
            variables = [a - DATA + size for a, size in self._symbols.values() if DATA <= a < DATA + DATA_BYTES]
            self._stack = max(variables)
            self._send(b"W", self._stack, bytes([PAINT]) * (self._last + 1 - self._stack))
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> SimavrDevice:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def write(self, variable: str, content: bytes) -> None:
        self._send(b"W", self._symbols[variable][0] - DATA, content)

    def read(self, variable: str, count: int) -> bytes:
        return self._memory(self._symbols[variable][0] - DATA, count)

    def call(self, function: str) -> int:
        self._command(b"C", self._symbols[function][0], 0)
        ended, address, cycles = struct.unpack("<BIQ", self._receive(13))
        if ended != RETURNED:
            how = "a fault" if ended == FAULTED else f"no end after {cycles:,} cycles"
            raise VerificationError(f"{self.emulator}: {how} at 0x{address:04x} in {function}")
        return int(cycles)

    def stack_bytes(self) -> int:
        size = self._last + 1 - self._stack
        used = len(self._memory(self._stack, size).lstrip(bytes([PAINT])))
        if used == size:
            raise VerificationError(f"{self.emulator}: the stack took all of the {size:,} bytes that variables leave")
        return used

    def _memory(self, address: int, count: int) -> bytes:
        self._command(b"R", address, count)
        return self._receive(count)

    def _send(self, command: bytes, address: int, content: bytes) -> None:
        self._command(command, address, len(content), content)

    def _command(self, command: bytes, address: int, count: int, content: bytes = b"") -> None:
        assert self._process.stdin is not None  # noqa: S101 - as it was opened
        try:
            self._process.stdin.write(command + struct.pack("<II", address, count) + content)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise VerificationError(f"{self.emulator}: the emulator stopped") from error

    def _receive(self, count: int) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - as it was opened
        answer = self._process.stdout.read(count)
        if len(answer) != count:
            raise VerificationError(f"{self.emulator}: the emulator stopped")
        return answer
