"""Whole Arm machines in QEMU: reset, start-up code, FPU and MVE as on a board, and an exact count of instructions.

One process runs all recordings. The program reads what to do from a file and writes what came of it to others, through
semihosting; a plugin of ours counts. What an IT block skips counts as executed, and so does the LE that ends a
low-overhead loop.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_lstm.board import Core
from edge_lstm.errors import MissingDependencyError, VerificationError
from edge_lstm_export.emulators.base import Array, BoardRun, Emulator, Layout
from edge_lstm_export.emulators.qemu import calls_of, counter, read_results, version
from edge_lstm_export.firmware.image import Image, firmware_files
from edge_lstm_export.firmware.toolchain import build

QEMU = "qemu-system-arm"

SECONDS = 600.0
"""A billion instructions take about a second; a program that runs longer than this hangs."""


@dataclass(frozen=True)
class Machine:
    """Where a machine of QEMU has memory: (origin, KiB) each.

    Args:
        vectors: where the core looks for its vector table after reset.
        flash: for code and constants; memory that can be written, but nothing does.
    """

    vectors: tuple[int, int]
    flash: tuple[int, int]
    ram: tuple[int, int]


_MPS2 = Machine(vectors=(0, 1), flash=(0x400, 4095), ram=(0x2000_0000, 4096))

MACHINES: Mapping[str, Machine] = {
    # Arm AN385, AN386 and AN500, memory maps: two ZBT SSRAMs of 4 MiB.
    "mps2-an385": _MPS2,  # Cortex-M3, runs M0 and M0+ programs too
    "mps2-an386": _MPS2,  # Cortex-M4
    "mps2-an500": _MPS2,  # Cortex-M7
    # Arm AN505, memory map; secure aliases, because the core starts in secure state.
    "mps2-an505": Machine(vectors=(0x1000_0000, 1), flash=(0x1000_0400, 4095), ram=(0x3800_0000, 2048)),  # Cortex-M33
    # Arm AN547, memory map: ITCM, SRAM, DTCM.
    "mps3-an547": Machine(vectors=(0, 512), flash=(0x0100_0000, 2048), ram=(0x2000_0000, 512)),  # Cortex-M55
}
"""What a core's file calls ``cpu`` → its memory."""

CAUSES = {
    0x0000_0001: "instruction fetch not allowed",
    0x0000_0002: "access not allowed",
    0x0000_0100: "no memory to fetch an instruction from",
    0x0000_0200: "no memory at the address used",
    0x0000_0400: "no memory at the address used",
    0x0001_0000: "undefined instruction",
    0x0002_0000: "not in Thumb state",
    0x0008_0000: "FPU or MVE is missing or off",
    0x0100_0000: "unaligned access",
    0x0200_0000: "division by zero",
}
"""Bits of the Configurable Fault Status Register (Arm DDI 0553, D1.2.19); a Cortex-M0 has none."""


def program(core: Core, sources: Mapping[str, bytes], toolchain: str | None, extra: Sequence[str]) -> Image:
    """The model, ``harness.c`` and start-up code, linked for the machine that the core's file names."""
    machine = MACHINES[core.emulator["cpu"]]
    own = firmware_files("harness.c", "memory.c", "semihosting.c", "start_cortex_m.c", "cortex_m.ld")
    everything = {**sources, **own, "memory.ld": _memory(machine).encode()}
    return Image(build(core, everything, "cortex_m.ld", toolchain, extra))


def run(image: Image, cpu: str, layout: Layout, recordings: Sequence[Array], window: int | None) -> BoardRun:
    """``cpu`` is a key of ``MACHINES``.

    Raises:
        MissingDependencyError: if QEMU is not installed, or no compiler for its plugin.
        VerificationError: if the program faults or does not end.
    """
    if shutil.which(QEMU) is None:
        raise MissingDependencyError(f"{QEMU} is not installed, it emulates {cpu}; apt install qemu-system-arm")
    emulator = f"{QEMU} {version(QEMU)}, {cpu}"
    letters, asked = calls_of(recordings, layout, window)
    with tempfile.TemporaryDirectory(prefix="edge-lstm-") as name:
        folder = Path(name)
        (folder / "calls").write_bytes(asked)
        _execute(folder, image, cpu, emulator)
        counts = np.array((folder / "counts").read_text().split(), np.int64)
        traces = read_results((folder / "results").read_bytes(), image, layout, recordings)
        stack_bytes = int.from_bytes((folder / "stack").read_bytes(), "little")
    return BoardRun(traces, counts[letters == "s"], int(counts[-1]), "instructions", stack_bytes, emulator)


QEMU_SYSTEM = Emulator(program, run)


def _execute(folder: Path, image: Image, cpu: str, emulator: str) -> None:
    (folder / "image.elf").write_bytes(image.elf)
    (folder / "count.so").write_bytes(counter())
    begin, end = (image.symbols[f"board_call_{at}"][0] & ~1 for at in ("begin", "end"))
    command = [QEMU, "-M", cpu, "-display", "none", "-monitor", "none", "-serial", "none", "-kernel", "image.elf"]
    command += ["-semihosting-config", "enable=on,target=native"]
    command += ["-plugin", f"./count.so,begin={begin},end={end}", "-d", "plugin", "-D", "counts"]
    try:
        done = subprocess.run(  # noqa: S603 - QEMU, on a program that was linked here
            command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise VerificationError(f"{emulator}: the program did not end within {SECONDS:.0f} s") from error
    if (folder / "fault").is_file():
        address, status = np.frombuffer((folder / "fault").read_bytes(), "<u4").tolist()
        causes = [cause for bit, cause in CAUSES.items() if status & bit]
        raise VerificationError(
            f"{emulator}: {(causes or ['a fault'])[0]} at 0x{address:08x} in {_function_at(image, address)}"
        )
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise VerificationError(f"{emulator}: {(said or [f'ended with exit code {done.returncode}'])[0]}")


def _memory(machine: Machine) -> str:
    """Memories for the linker script."""
    kinds = {"VECTORS (rx)": machine.vectors, "FLASH (rx)": machine.flash, "RAM (rwx)": machine.ram}
    lines = [f"    {name} : ORIGIN = 0x{origin:08x}, LENGTH = {kib}K\n" for name, (origin, kib) in kinds.items()]
    return "MEMORY\n{\n" + "".join(lines) + "}\n"


def _function_at(image: Image, address: int) -> str:
    below = [(start, name) for name, (start, size) in image.symbols.items() if size and start & ~1 <= address]
    return max(below, default=(0, "no function"))[1]
