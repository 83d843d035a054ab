"""A linked program, its symbols and what a loader puts into memory."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files


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


def firmware_files(*names: str) -> dict[str, bytes]:
    """Hand-written files of ``firmware/``, by name."""
    folder = files("edge_lstm_export") / "firmware"
    return {name: (folder / name).read_bytes() for name in names}
