"""A linked program, its symbols and what a loader puts into memory."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any


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
        return {s.name: (s["st_value"], s["st_size"]) for s in self._table if s.name}

    @cached_property
    def functions(self) -> dict[str, int]:
        """Name → bytes of code, of what is declared a function."""
        return {s.name: s["st_size"] for s in self._table if s["st_info"]["type"] == "STT_FUNC"}

    @cached_property
    def _table(self) -> list[Any]:
        from elftools.elf.elffile import ELFFile

        return list(ELFFile(io.BytesIO(self.elf)).get_section_by_name(".symtab").iter_symbols())

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
