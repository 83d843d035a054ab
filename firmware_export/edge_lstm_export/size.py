"""What a bundle takes on a board, from a program linked for it and from a run on its emulated core."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import cast

from edge_lstm.board import Board, Core
from edge_lstm.bundle import Bundle
from edge_lstm.errors import MissingDependencyError
from edge_lstm.integer import NativeModel, TfliteModel
from edge_lstm_export.board_verify import TYPES, BoardReport, arithmetic_of, check_core, sources
from edge_lstm_export.emulators.base import Layout
from edge_lstm_export.firmware.image import Image, firmware_files
from edge_lstm_export.firmware.toolchain import build
from edge_lstm_export.footprint import FLASH_PARTS, RAM_PARTS, Footprint, OnBoard

_OWN = ("footprint.c", "footprint.ld", "memory.c")
_ENTRY = "-Wl,-e,board_start"
_LINUX = ("-nostdlib", "-static")
_LABELS = "-DEL_FOOTPRINT_LABELS"

_VIRTUAL = (0x0040_0000, 0x1000_0000)
"""Origins of code and variables under an operating system."""

_LENGTH = 1 << 22
"""Of each memory when linked, so that a model too large is measured too."""

_CODE = (
    (r"board_", None),
    (r"el_(encode|decode|argmax|softmax|floor)", "codec"),
    (r"el_net_|el_zero|el_next_layer|el_first_layer", "driver"),
    (r"el_|layer_|head", "kernels"),
    (r"", "compiler's library"),
)
_CONSTANTS = (
    (r"\w*sigmoid", "sigmoid table"),
    (r"layer_|head_", "weights and rows"),
    (r"(el_)?(encoding|decoding)|el_softmax", "codec"),
    (r"el_outputs|el_channels", "names"),
    (r"el_model$|layers$|head$", "driver"),
    (r"", "kernels"),
)
"""What a name begins with → the part that its bytes belong to; None is the program around the model."""

_SECTIONS = {".text": _CODE, ".progmem": _CONSTANTS, ".constants": _CONSTANTS, ".data": _CONSTANTS}


def size_bundle(bundle: Bundle, board: Board, toolchain: str | None = None) -> tuple[OnBoard, BoardReport | None]:
    """A bundle on a board, and what its run on the emulated core said. One too large is not run.

    Args:
        toolchain: compiler to use; None takes the first that the core's file names.

    Raises:
        BundleError: if the bundle has no integers.
        ExportError: if the model cannot be written or compiled for the core.
        MissingDependencyError: if the compiler is not installed, or there is none.
    """
    arithmetic = arithmetic_of(bundle)
    model = cast(NativeModel | TfliteModel, bundle.model(arithmetic))
    units = tuple(layer.units for layer in model.layers)
    image = link(sources(bundle, board.core), board, model.interface.task.predicts_labels, toolchain)
    state = Layout.of(model, **TYPES[arithmetic]).state_bytes
    memory = Footprint(flash_parts(image), ram_parts(image, state, board.core))
    on_board = OnBoard(board, units, memory, model.interface.rate_hz)
    if not on_board.fits:
        return on_board, None
    check = check_core(bundle, board.core, toolchain)
    if check.not_run is None:
        ran = replace(memory, stack_bytes=check.stack_bytes, count=check.typical, unit=check.unit)
        on_board = replace(on_board, footprint=ran)
    return on_board, BoardReport((replace(check, board=board.name),))


def link(model: Mapping[str, bytes], board: Board, labels: bool, toolchain: str | None = None) -> Image:
    """The least program around a model, at the addresses of a board's memories.

    Args:
        model: C sources, by file name.
        labels: it names its prediction; otherwise it gives values.

    Raises:
        ExportError, MissingDependencyError: as ``edge_lstm_export.firmware.toolchain.build``.
    """
    if not board.core.toolchains:
        raise MissingDependencyError(f"{board.name}: no compiler is known for {board.core.title}: unchecked")
    everything = {**model, **firmware_files(*_OWN), "memory.ld": _memory(board).encode()}
    under_linux = any("linux" in flag for flag in next(iter(board.core.toolchains.values())))
    extra = [_ENTRY, *(_LINUX if under_linux else ()), *([_LABELS] if labels else [])]
    return Image(build(board.core, everything, "footprint.ld", toolchain, extra))


def _memory(board: Board) -> str:
    known = [board.flash and board.flash.origin, board.ram and board.ram.origin]
    flash, ram = (virtual if origin is None else origin for virtual, origin in zip(_VIRTUAL, known, strict=True))
    return (
        "MEMORY\n{\n"
        f"    FLASH (rx) : ORIGIN = {flash:#x}, LENGTH = {_LENGTH:#x}\n"
        f"    RAM (rwx) : ORIGIN = {ram:#x}, LENGTH = {_LENGTH:#x}\n"
        "}\n"
        f'REGION_ALIAS("CONSTANTS", {board.core.constants.upper()})\n'
    )


def flash_parts(image: Image) -> dict[str, int]:
    """Bytes by ``FLASH_PARTS``. What lies between two names belongs to the first."""
    parts = dict.fromkeys(FLASH_PARTS, 0)
    parts["names"] = image.sections.get(".names", (0, 0))[1]
    for section, rules in _SECTIONS.items():
        for name, size in spans(image, section):
            part = next(part for pattern, part in rules if re.match(pattern, name))
            if part is not None:
                parts[part] += size
    return parts


def spans(image: Image, section: str) -> list[tuple[str, int]]:
    """(name, bytes up to the next) of everything in a section."""
    start, size = image.sections.get(section, (0, 0))
    inside = {address: name for address, name in reversed(image.placed) if start <= address < start + size}
    addresses = [*sorted(inside), start + size]
    return [(inside[a], b - a) for a, b in pairwise(addresses)]


def ram_parts(image: Image, state: int, core: Core) -> dict[str, int]:
    """Static bytes by ``RAM_PARTS``.

    Args:
        state: bytes of cell and hidden state.
    """
    own = {name: size for name, (_, size) in image.symbols.items() if name.startswith("board_")}
    sections = [".data", ".bss", *((".names", ".constants") if core.constants == "ram" else ())]
    in_ram = sum(image.sections.get(section, (0, 0))[1] for section in sections)
    values = {
        "state": state,
        "scratch": own["board_state"] - state,
        "sample": own["board_sample"] + own["board_x"] + own["board_y"],
        "other": in_ram - sum(size for name, size in own.items() if name != "board_start"),
    }
    return {part: values[part] for part in RAM_PARTS}
