"""Cores that run programs here: one module and one row an emulator."""

from __future__ import annotations

from collections.abc import Sequence

from edge_lstm.board import Core
from edge_lstm.errors import VerificationError
from edge_lstm_export.emulators import unicorn_core
from edge_lstm_export.emulators.base import Array, BoardRun, Emulate, Layout
from edge_lstm_export.firmware.image import Image

EMULATORS: dict[str, Emulate] = {
    "unicorn": unicorn_core.run,
}
"""Name in a core's file → emulator."""


def emulate(core: Core, image: Image, layout: Layout, recordings: Sequence[Array], window: int | None) -> BoardRun:
    """Recordings through a program on a core.

    Raises:
        VerificationError: if nothing emulates this core, or the program faults.
        MissingDependencyError: if the emulator is not installed.
    """
    name = core.emulator.get("name")
    if name is None:
        raise VerificationError(f"{core.title}: no emulator is known for it, so nothing was checked")
    return EMULATORS[name](image, core.emulator["cpu"], layout, recordings, window)
