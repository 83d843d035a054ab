"""Cortex-M and RV32 cores in Unicorn (pip only): memory, calls, and an exact count of instructions.

Instructions are counted a block at a time: a block is decoded once into its number of instructions, by their lengths.
What an IT block skips counts as executed, as it does on a core.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_lstm.board import Core
from edge_lstm.errors import MissingDependencyError, VerificationError
from edge_lstm_export.emulators.base import Array, BoardRun, Emulator, Layout, run_on
from edge_lstm_export.firmware.image import Image, firmware_files
from edge_lstm_export.firmware.toolchain import build

FLASH, RAM, SIZE = 0x0000_0000, 0x2000_0000, 16 << 20
STACK_TOP, STACK = RAM + SIZE - 4096, 1 << 16
RETURN = 0x0FF0_0000
PAINT = 0xA5


@dataclass(frozen=True)
class Family:
    """How calls are made on a family of cores.

    Args:
        wide: whether an instruction that begins with this halfword takes four bytes.
        thumb: added to an address to stay in Thumb state.
    """

    architecture: str
    mode: str
    stack_pointer: str
    link: str
    counter: str
    thumb: int
    wide: Callable[[int], bool]


ARM = Family(
    architecture="UC_ARCH_ARM",
    mode="UC_MODE_THUMB",
    stack_pointer="UC_ARM_REG_SP",
    link="UC_ARM_REG_LR",
    counter="UC_ARM_REG_PC",
    thumb=1,
    wide=lambda halfword: halfword >> 11 >= 0x1D,
)
RISCV = Family(
    architecture="UC_ARCH_RISCV",
    mode="UC_MODE_RISCV32",
    stack_pointer="UC_RISCV_REG_SP",
    link="UC_RISCV_REG_RA",
    counter="UC_RISCV_REG_PC",
    thumb=0,
    wide=lambda halfword: halfword & 3 == 3,
)

CPUS: dict[str, tuple[Family, str]] = {
    # Unicorn has no M0+; the M0 has the same instructions. UC_MODE_MCLASS would force an M33 whatever is asked.
    "cortex-m0plus": (ARM, "UC_CPU_ARM_CORTEX_M0"),
    "cortex-m3": (ARM, "UC_CPU_ARM_CORTEX_M3"),
    "cortex-m4": (ARM, "UC_CPU_ARM_CORTEX_M4"),
    "cortex-m7": (ARM, "UC_CPU_ARM_CORTEX_M7"),
    "cortex-m33": (ARM, "UC_CPU_ARM_CORTEX_M33"),
    "rv32imc": (RISCV, ""),
}


def program(core: Core, sources: Mapping[str, bytes], toolchain: str | None, extra: Sequence[str]) -> Image:
    """The calls of ``harness.c`` and the model, to be loaded and called."""
    around = firmware_files("harness.c", "memory.c", "bare.ld")
    return Image(build(core, {**sources, **around}, "bare.ld", toolchain, extra))


def run(image: Image, cpu: str, layout: Layout, recordings: Sequence[Array], window: int | None) -> BoardRun:
    """``cpu`` is a key of ``CPUS``.

    Raises:
        MissingDependencyError: if Unicorn is not installed.
        VerificationError: if the program faults.
    """
    return run_on(UnicornDevice(image, cpu), layout, recordings, window)


UNICORN = Emulator(program, run)


class UnicornDevice:
    """A ``Device``."""

    unit = "instructions"

    def __init__(self, image: Image, cpu: str) -> None:
        try:
            import unicorn
        except ImportError as error:
            raise MissingDependencyError(
                f"unicorn is not installed, it emulates {cpu}; pip install 'edge-lstm[boards]'"
            ) from error
        from unicorn import arm_const, riscv_const

        names = {**vars(unicorn), **vars(arm_const), **vars(riscv_const)}
        self._family, model = CPUS[cpu]
        self._symbols, self._fault = image.symbols, unicorn.UcError
        self._registers = {r: names[getattr(self._family, r)] for r in ("stack_pointer", "link", "counter")}
        self._core = unicorn.Uc(names[self._family.architecture], names[self._family.mode])
        if model:
            self._core.ctl_set_cpu_model(names[model])
        for origin, size in ((FLASH, SIZE), (RAM, SIZE), (RETURN, 4096)):
            self._core.mem_map(origin, size)
        for address, content in image.segments:
            self._core.mem_write(address, content)
        self._core.mem_write(STACK_TOP - STACK, bytes([PAINT]) * STACK)
        self._lengths: dict[tuple[int, int], int] = {}
        self._count = 0
        self._core.hook_add(unicorn.UC_HOOK_BLOCK, self._on_block)
        self.emulator = f"unicorn {unicorn.__version__}, {cpu}"

    def write(self, variable: str, content: bytes) -> None:
        self._core.mem_write(self._symbols[variable][0], content)

    def read(self, variable: str, count: int) -> bytes:
        return bytes(self._core.mem_read(self._symbols[variable][0], count))

    def call(self, function: str) -> int:
        address = self._symbols[function][0] & ~1
        self._core.reg_write(self._registers["stack_pointer"], STACK_TOP)
        self._core.reg_write(self._registers["link"], RETURN | self._family.thumb)
        self._count = 0
        try:
            self._core.emu_start(address | self._family.thumb, RETURN)
        except self._fault as error:
            at = self._core.reg_read(self._registers["counter"])
            raise VerificationError(f"{self.emulator}: {error} at 0x{at:08x} in {function}") from error
        return self._count

    def stack_bytes(self) -> int:
        stack = bytes(self._core.mem_read(STACK_TOP - STACK, STACK))
        return STACK - (len(stack) - len(stack.lstrip(bytes([PAINT]))))

    def _on_block(self, core: Any, address: int, size: int, _data: Any) -> None:
        count = self._lengths.get((address, size))
        if count is None:
            count = self._lengths[address, size] = self._instructions(bytes(core.mem_read(address, size)))
        self._count += count

    def _instructions(self, block: bytes) -> int:
        count = at = 0
        while at < len(block):
            at += 4 if self._family.wide(block[at] | block[at + 1] << 8) else 2
            count += 1
        return count
