"""A linked program, its symbols and what a loader puts into memory."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

from edge_lstm.errors import MissingDependencyError


@dataclass(frozen=True)
class Image:
    """A linked program.

    Args:
        elf: its bytes.

    Every property raises ``MissingDependencyError`` where pyelftools is not installed.
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
    def sections(self) -> dict[str, tuple[int, int]]:
        """Name → (address, bytes) of what takes memory when the program runs."""
        allocated = [s for s in self._file.iter_sections() if s["sh_flags"] & 2]
        return {s.name: (s["sh_addr"], s["sh_size"]) for s in allocated}

    @cached_property
    def placed(self) -> list[tuple[int, str]]:
        """(address, name) of functions, variables and whatever else has a global name, by address."""
        thumb = self._file["e_machine"] == "EM_ARM"
        found = []
        for s in self._table:
            kind = s["st_info"]["type"]
            if kind in ("STT_FUNC", "STT_OBJECT") or s["st_info"]["bind"] == "STB_GLOBAL":
                found.append((s["st_value"] & ~int(thumb and kind == "STT_FUNC"), s.name))
        return sorted(found)

    @cached_property
    def _table(self) -> list[Any]:
        return list(self._file.get_section_by_name(".symtab").iter_symbols())

    @cached_property
    def _file(self) -> Any:
        try:
            from elftools.elf.elffile import ELFFile
        except ImportError as error:
            raise MissingDependencyError(
                "pyelftools is not installed, it reads programs for boards; pip install 'edge-lstm[boards]'"
            ) from error
        return ELFFile(io.BytesIO(self.elf))

    @cached_property
    def segments(self) -> list[tuple[int, bytes]]:
        """(address, contents) of what a loader puts into memory."""
        return [(s["p_vaddr"], s.data()) for s in self._file.iter_segments("PT_LOAD") if s["p_filesz"]]


def firmware_files(*names: str) -> dict[str, bytes]:
    """Hand-written files of ``firmware/``, by name."""
    folder = files("edge_lstm_export") / "firmware"
    return {name: (folder / name).read_bytes() for name in names}
