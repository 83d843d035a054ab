"""Cores that run programs here: one module and one row an emulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge_lstm.board import Core
from edge_lstm.errors import MissingDependencyError
from edge_lstm_export.emulators.base import Array, BoardRun, Emulator, Layout
from edge_lstm_export.emulators.qemu_system import QEMU_SYSTEM
from edge_lstm_export.emulators.qemu_user import QEMU_USER
from edge_lstm_export.emulators.simavr import SIMAVR
from edge_lstm_export.emulators.unicorn_core import UNICORN
from edge_lstm_export.firmware.image import Image

EMULATORS: dict[str, Emulator] = {
    "qemu-system": QEMU_SYSTEM,
    "qemu-user": QEMU_USER,
    "unicorn": UNICORN,
    "simavr": SIMAVR,
}
"""Name in a core's file → emulator."""


def program(core: Core, sources: Mapping[str, bytes], toolchain: str | None = None, extra: Sequence[str] = ()) -> Image:
    """The program that the core's emulator runs: the sources of a model and a harness around them.

    Raises:
        MissingDependencyError: if nothing emulates this core.
        ExportError, MissingDependencyError: as ``edge_lstm_export.firmware.toolchain.build``.
    """
    return _emulator(core).program(core, sources, toolchain, extra)


def emulate(core: Core, image: Image, layout: Layout, recordings: Sequence[Array], window: int | None) -> BoardRun:
    """Recordings through a ``program`` on a core.

    Raises:
        VerificationError: if the program faults.
        MissingDependencyError: if nothing emulates this core, or the emulator is not installed.
    """
    return _emulator(core).run(image, core.emulator["cpu"], layout, recordings, window)


def _emulator(core: Core) -> Emulator:
    name = core.emulator.get("name")
    if name is None:
        raise MissingDependencyError(f"{core.title}: no emulator is known for it, so nothing can be checked")
    return EMULATORS[name]
