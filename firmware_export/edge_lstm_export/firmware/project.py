"""The project files around a bundle's C: CMake, an Arduino library, a self-test, and a model behind a serial port."""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np

from edge_lstm.board import Board, Memory
from edge_lstm.errors import ProjectError
from edge_lstm.integer import Arithmetic, NativeModel, TfliteModel
from edge_lstm.reference import network, trace
from edge_lstm.runtimes.serial_board import model_id
from edge_lstm_export.c_source.literals import array
from edge_lstm_export.firmware.image import firmware_files
from edge_lstm_export.golden import stress

LIBRARY_FILES = ("el_frame.c", "el_frame.h", "el_self_test.c", "el_self_test.h", "el_serve.c", "el_serve.h")
PROGRAM_FILES = ("main.c", "port.h")
START_FILES = ("cortex_m.ld", "memory.c", "start_cortex_m.c")
COMPILER = "arm-none-eabi-gcc"

TEST_STEPS = 16
"""Of the self-test: half from the model's stress recording, where everything saturates, half quieter."""


@dataclass(frozen=True)
class Firmware:
    """A model to be put behind a wire.

    Args:
        name: of the bundle.
        arithmetic: of the C: ``native`` or ``tflm``.
        model_file: the file it was written from, whose digest the host compares.
        board: None for portable C.
    """

    name: str
    model: NativeModel | TfliteModel
    arithmetic: Arithmetic
    model_file: bytes
    board: Board | None

    @property
    def identity(self) -> bytes:
        return model_id(self.arithmetic, hashlib.sha256(self.model_file).hexdigest())


def project_files(firmware: Firmware, sources: Iterable[str]) -> dict[str, bytes]:
    """Files beside the C of a model, by path below its folder.

    Args:
        sources: names of the model's own files, which CMake is told.

    Raises:
        ProjectError: if there is no driver for the serial port that the board names.
    """
    names = {"title": _title(firmware), "library": _library_name(firmware.name)}
    machine = _machine_of(firmware.board)
    units = sorted(n for n in (*sources, *LIBRARY_FILES) if n.endswith(".c"))
    listed = "".join(f"    {unit}\n" for unit in units)
    port = f"${{CMAKE_CURRENT_SOURCE_DIR}}/firmware/{machine.driver}" if machine and machine.driver else ""
    own = {
        **{name: _file(name) for name in LIBRARY_FILES},
        **{f"firmware/{name}": _file(name) for name in PROGRAM_FILES},
        "el_self_test_vectors.h": self_test_vectors(firmware),
        "library.properties": _filled("library.properties", names),
        "examples/edge_lstm_stream/edge_lstm_stream.ino": _file("edge_lstm_stream.ino"),
        "CMakeLists.txt": _filled("CMakeLists.txt", {**names, "sources": listed, "port": port}),
        "firmware/README.md": _filled("README.md", {**names, "build": _build(machine)}),
    }
    return own if machine is None else {**own, **_board_files(machine, names)}


def self_test_vectors(firmware: Firmware) -> bytes:
    """``el_self_test_vectors.h``: inputs, outputs, and the CRC of the state after the last step."""
    model = firmware.model
    codes = stress(model)[:TEST_STEPS]
    codes[TEST_STEPS // 2 :] //= 8
    seen = trace(network(model, firmware.arithmetic if isinstance(model, TfliteModel) else None), codes)
    layers = range(len(model.layers))
    cell_type, code_type = ("<i4", "<i2") if isinstance(model, NativeModel) else ("<i2", "i1")
    state = [np.concatenate([seen[k, name][-1] for k in layers]) for name in ("c", "h")]
    memory = state[0].astype(cell_type).tobytes() + state[1].astype(code_type).tobytes()
    text = [
        "/* What the self-test compares, written by edge-lstm. */",
        "#ifndef EL_SELF_TEST_VECTORS_H\n#define EL_SELF_TEST_VECTORS_H\n",
        f"#define EL_TEST_STEPS {len(codes)}",
        f"#define EL_TEST_STATE_CRC 0x{binascii.crc_hqx(memory, 0xFFFF):04x}U\n",
        array("int16_t", "el_test_inputs", codes, "(steps, channels)"),
        array("int16_t", "el_test_outputs", seen[len(model.layers), "y"], "(steps, outputs)"),
        array("uint8_t", "el_model_id", np.frombuffer(firmware.identity, np.uint8), "el_self_test.h").replace(
            "static ", ""
        ),
        "#endif\n",
    ]
    return "\n".join(text).encode()


@dataclass(frozen=True)
class Machine:
    """A board that a program can be built for: gcc knows its core, and its memories are known.

    Args:
        driver: file of its serial port; empty where its user writes one.
    """

    board: Board
    flash: Memory
    ram: Memory
    driver: str


def _machine_of(board: Board | None) -> Machine | None:
    if board is None or COMPILER not in board.core.toolchains or not (board.flash and board.ram):
        return None
    driver = f"port_{board.port}.c" if board.port else ""
    known = sorted(p.name for p in (files("edge_lstm_export") / "firmware" / "project").iterdir())
    ports = [name.removeprefix("port_").removesuffix(".c") for name in known if name.startswith("port_")]
    if board.port and board.port not in ports:
        raise ProjectError(
            f"board {board.name}: port {board.port!r} has no driver; choose from {', '.join(ports)}, or leave it out "
            "and write one as c/firmware/README.md says"
        )
    return Machine(board, board.flash, board.ram, driver)


def _board_files(machine: Machine, names: Mapping[str, str]) -> dict[str, bytes]:
    flags = " ".join(machine.board.core.toolchains[COMPILER])
    memory = {"title": _line(machine.board.title), **_region("flash", machine.flash), **_region("ram", machine.ram)}
    return {
        **{f"firmware/{name}": content for name, content in firmware_files(*START_FILES).items()},
        **({f"firmware/{machine.driver}": _file(machine.driver)} if machine.driver else {}),
        "firmware/toolchain.cmake": _filled("toolchain.cmake", {**names, "flags": flags}),
        "firmware/memory.ld": _filled("memory.ld", memory),
    }


def _region(name: str, memory: Memory) -> dict[str, str]:
    return {
        f"{name}_origin": hex(memory.origin),
        f"{name}_bytes": str(memory.bytes),
        f"{name}_source": _line(memory.source),
    }


def _build(machine: Machine | None) -> str:
    if machine is None:
        return "There is no ready-made program for a board in this bundle: see below, or export it with `--board`."
    return Template(
        "## $title\n\n"
        "$driver"
        "    cmake -B build -DCMAKE_TOOLCHAIN_FILE=firmware/toolchain.cmake$option && cmake --build build\n\n"
        "in the folder `c` makes `build/firmware.elf` and `build/firmware.bin`, to be flashed at $origin with your\n"
        "programmer. It needs CMake and arm-none-eabi-gcc (`apt install cmake gcc-arm-none-eabi`)."
    ).substitute(
        title=_line(machine.board.title),
        origin=hex(machine.flash.origin),
        driver="" if machine.driver else _NO_DRIVER,
        option="" if machine.driver else " -DEL_PORT=your_port.c",
    )


_NO_DRIVER = (
    "Its serial port has no driver here: write the three functions of `firmware/port.h` in `your_port.c`, and check\n"
    "that `firmware/memory.ld` begins where your board starts a program, behind its boot loader if it has one. Then\n\n"
)


def _title(firmware: Firmware) -> str:
    board = "" if firmware.board is None else f" on {_line(firmware.board.title)}"
    return f"{_library_name(firmware.name)}{board}, written by edge-lstm"


def _line(text: str) -> str:
    """A text of a user's board file as it may stand in one line, and in a comment of C."""
    return " ".join(text.split()).replace("*/", "* /")


def _library_name(name: str) -> str:
    """Arduino takes letters, digits, blanks, dots, dashes and underscores, a letter or digit first."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", f"edge_lstm_{name}")[:63]


def _file(name: str) -> bytes:
    return firmware_files(f"project/{name}")[f"project/{name}"]


def _filled(name: str, values: Mapping[str, Any]) -> bytes:
    return Template(_file(name).decode()).substitute(values).encode()
