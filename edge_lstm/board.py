"""A board and its core: facts from ``boards/*.toml`` and ``boards/cores/*.toml``, checked when read."""

from __future__ import annotations

import platform
import shlex
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from edge_lstm.errors import ProjectError

HOST = "host"
HOST_CORES = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "cortex-a53", "arm64": "cortex-a53"}
"""What ``platform.machine`` says, in lower case → the core taken for this computer: what all of its kind can run."""


@dataclass(frozen=True)
class Estimate:
    """Cycles from instructions, where no emulator counts cycles. Memory that makes the core wait is not in it.

    Args:
        cycles_per_instruction: over a step, roughly.
        source: where that is from.
    """

    cycles_per_instruction: float
    source: str


@dataclass(frozen=True)
class Core:
    """What kernels, compilers and emulators need to know of a processor core.

    Args:
        kernels: the kernel set.
        optimise: the compiler's flag.
        toolchains: compiler → its flags, the preferred one first; empty where nothing compiles for it.
        emulator: its name, then what it is told; empty where nothing runs its programs here.
        estimate: None where nothing is known, or the emulator counts cycles.
        constants: ``flash``, or ``ram`` where the core cannot read flash like a variable.
    """

    name: str
    title: str
    kernels: str
    optimise: str
    toolchains: Mapping[str, tuple[str, ...]]
    emulator: Mapping[str, str]
    estimate: Estimate | None = None
    constants: str = "flash"


@dataclass(frozen=True)
class Memory:
    """A memory of a board, in bytes.

    Args:
        origin: address of the first byte.
        bytes: its size.
        reserved: what a model cannot have of it.
        reserved_for: who has that.
        source: where the figures are from.
    """

    origin: int
    bytes: int
    reserved: int
    reserved_for: str
    source: str

    @property
    def free(self) -> int:
        """For a model."""
        return self.bytes - self.reserved


@dataclass(frozen=True)
class Board:
    """One board.

    Args:
        name: as ``--board`` takes it.
        source: where core, clock and accelerator are from.
        clock_hz: of the core, at its highest; None where it is not known, and no time is estimated.
        accelerator: what it has beside the core: an Ethos-U as ``export --npu`` takes it, or ``edgetpu``.
        port: the serial port of its firmware, ``port_<port>.c`` in ``firmware/project``; empty for none.
        flash, ram: None where an operating system shares out the memory: a model is then not judged by its size.
    """

    name: str
    title: str
    core: Core
    source: str
    clock_hz: int | None = None
    accelerator: str = ""
    port: str = ""
    flash: Memory | None = None
    ram: Memory | None = None


def board_names() -> list[str]:
    """The boards that come with the project."""
    return sorted(p.name.removesuffix(".toml") for p in _data().iterdir() if p.name.endswith(".toml"))


def core_names() -> list[str]:
    return sorted(p.name.removesuffix(".toml") for p in (_data() / "cores").iterdir() if p.name.endswith(".toml"))


def load_board(name: str) -> Board:
    """A board that comes with the project, or one of the user's own: a path that ends in ``.toml``.

    Raises:
        ProjectError: if there is none of that name, or a key is missing, unknown or of another type.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise ProjectError(f"{name}: there is no such board file; give a path to one, or a name of {_known()}")
        return _board(path.stem, name, path.read_text(encoding="utf-8-sig", errors="replace"))
    if name not in board_names():
        raise ProjectError(f"board {name!r} is not known; choose one of {_known()}, or give the path of a .toml file")
    return _board(name, f"boards/{name}.toml", (_data() / f"{name}.toml").read_text(encoding="utf-8"))


def load_core(name: str) -> Core:
    """A core by name.

    Raises:
        ProjectError: if there is none.
    """
    if name not in core_names():
        raise ProjectError(f"core {name!r} is not known; choose one of {', '.join(core_names())}")
    where = f"boards/cores/{name}.toml"
    table = _Table(where, _parse(where, (_data() / "cores" / f"{name}.toml").read_text(encoding="utf-8")))
    core = Core(
        name,
        table.take("title", str),
        table.take("kernels", str),
        table.take("optimise", str),
        {key: tuple(shlex.split(flags)) for key, flags in table.take("toolchains", dict, {}).items()},
        {key: str(value) for key, value in table.take("emulator", dict, {}).items()},
        table.estimate(),
        table.take("constants", str, "flash"),
    )
    table.require_empty()
    return core


def _board(name: str, where: str, text: str) -> Board:
    table = _Table(where, _parse(where, text))
    board = Board(
        name,
        table.take("title", str),
        load_core(_core_name(table.take("core", str))),
        table.take("source", str),
        table.take("clock_hz", int, 0) or None,
        table.take("accelerator", str, ""),
        table.take("port", str, ""),
        table.memory("flash"),
        table.memory("ram"),
    )
    table.require_empty()
    if (board.flash is None) != (board.ram is None):
        raise ProjectError(f"{where}: has one of [flash] and [ram]; give both, or none under an operating system")
    return board


def _core_name(name: str) -> str:
    machine = platform.machine().lower()
    if name == HOST and machine not in HOST_CORES:
        raise ProjectError(f"this computer is {machine or 'of no known kind'}; known are {', '.join(HOST_CORES)}")
    return HOST_CORES[machine] if name == HOST else name


def _data() -> Any:
    return files("edge_lstm.boards")


def _known() -> str:
    return ", ".join(board_names())


def _parse(where: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ProjectError(f"{where}: is not TOML: {error}") from error


_KINDS: Mapping[Callable[..., Any], str] = {
    str: "a text",
    int: "a whole number",
    float: "a number with a point",
    dict: "a table",
}


class _Table:
    """Keys of a TOML table, each taken once."""

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self._where, self._left = where, dict(values)

    def take(self, key: str, kind: Callable[..., Any], default: Any = None) -> Any:
        value = self._left.pop(key, default)
        if value is None:
            raise ProjectError(f"{self._where}: has no {key!r}; add it")
        if not isinstance(value, kind) or isinstance(value, bool):  # type: ignore[arg-type]
            raise ProjectError(f"{self._where}: {key!r} is {value!r}; expected {_KINDS[kind]}")
        return value

    def memory(self, key: str) -> Memory | None:
        if key not in self._left:
            return None
        inner = _Table(f"{self._where} [{key}]", self.take(key, dict))
        origin, size, reserved = (inner.take(number, int) for number in ("origin", "bytes", "reserved"))
        memory = Memory(origin, size, reserved, inner.take("reserved_for", str), inner.take("source", str))
        inner.require_empty()
        if not 0 <= reserved <= size:
            raise ProjectError(
                f"{self._where} [{key}]: 'reserved' is {reserved:,} of {size:,} bytes; give part of them"
            )
        return memory

    def estimate(self) -> Estimate | None:
        if "estimate" not in self._left:
            return None
        inner = _Table(f"{self._where} [estimate]", self.take("estimate", dict))
        estimate = Estimate(inner.take("cycles_per_instruction", float), inner.take("source", str))
        inner.require_empty()
        return estimate

    def require_empty(self) -> None:
        if self._left:
            raise ProjectError(f"{self._where}: unknown key {next(iter(self._left))!r}; correct or remove it")
