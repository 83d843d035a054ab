"""The program that a core is given for verification: a model's C and the calls that an emulator makes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

from edge_lstm.board import Core
from edge_lstm_export.firmware.toolchain import build

HARNESS = "harness.c"
SCRIPT = "bare.ld"


@dataclass(frozen=True)
class Image:
    """A linked program.

    Args:
        elf: its bytes.
    """

    elf: bytes

    @cached_property
    def symbols(self) -> dict[str, tuple[int, int]]:
        """Name → (address, bytes)."""
        from elftools.elf.elffile import ELFFile

        table = ELFFile(io.BytesIO(self.elf)).get_section_by_name(".symtab")
        return {s.name: (s["st_value"], s["st_size"]) for s in table.iter_symbols() if s.name}

    @cached_property
    def segments(self) -> list[tuple[int, bytes]]:
        """(address, contents) of what a loader puts into memory."""
        from elftools.elf.elffile import ELFFile

        found = ELFFile(io.BytesIO(self.elf)).iter_segments("PT_LOAD")
        return [(s["p_vaddr"], s.data()) for s in found if s["p_filesz"]]


def harnessed(
    core: Core, sources: Mapping[str, bytes], toolchain: str | None = None, extra: tuple[str, ...] = ()
) -> Image:
    """The sources of a model with the calls of ``harness.c`` around them, for an emulator that loads and calls.

    Raises:
        ExportError, MissingDependencyError: as ``build``.
    """
    return Image(build(core, {**sources, **firmware_files(HARNESS, SCRIPT)}, SCRIPT, toolchain, extra))


def firmware_files(*names: str) -> dict[str, bytes]:
    """Hand-written files of ``firmware/``, by name."""
    folder = files("edge_lstm_export") / "firmware"
    return {name: (folder / name).read_bytes() for name in names}
