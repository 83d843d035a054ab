"""A board and its core: facts from ``boards/*.toml`` and ``boards/cores/*.toml``, checked when read."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from edge_lstm.errors import ProjectError


@dataclass(frozen=True)
class Core:
    """What kernels, compilers and emulators need to know of a processor core.

    Args:
        kernels: the kernel set.
        optimise: the compiler's flag.
        toolchains: compiler → its flags, the preferred one first; empty where nothing compiles for it.
        emulator: its name, then what it is told; empty where nothing runs its programs here.
    """

    name: str
    title: str
    kernels: str
    optimise: str
    toolchains: Mapping[str, tuple[str, ...]]
    emulator: Mapping[str, str]


@dataclass(frozen=True)
class Memory:
    """A memory of a board, in bytes.

    Args:
        origin: address of the first byte.
        bytes: its size.
        free: what is left for a model when start-up code, drivers and the application have theirs.
        source: where the figures are from.
    """

    origin: int
    bytes: int
    free: int
    source: str


@dataclass(frozen=True)
class Board:
    """One board.

    Args:
        name: as ``--board`` takes it.
        clock_hz: of the core, at its highest.
        source: where clock and core are from.
    """

    name: str
    title: str
    core: Core
    clock_hz: int
    flash: Memory
    ram: Memory
    source: str


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
        return _board(path.stem, name, path.read_text(encoding="utf-8", errors="replace"))
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
    )
    table.require_empty()
    return core


def _board(name: str, where: str, text: str) -> Board:
    table = _Table(where, _parse(where, text))
    board = Board(
        name,
        table.take("title", str),
        load_core(table.take("core", str)),
        table.take("clock_hz", int),
        table.memory("flash"),
        table.memory("ram"),
        table.take("source", str),
    )
    table.require_empty()
    return board


def _data() -> Any:
    return files("edge_lstm.boards")


def _known() -> str:
    return ", ".join(board_names())


def _parse(where: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(f"{where}: is not TOML: {error}") from error


class _Table:
    """Keys of a TOML table, each taken once."""

    def __init__(self, where: str, values: Mapping[str, Any]) -> None:
        self._where, self._left = where, dict(values)

    def take(self, key: str, kind: Callable[..., Any], default: Any = None) -> Any:
        value = self._left.pop(key, default)
        if value is None:
            raise ProjectError(f"{self._where}: has no {key!r}; add it")
        if not isinstance(value, kind) or isinstance(value, bool):  # type: ignore[arg-type]
            raise ProjectError(f"{self._where}: {key!r} is {value!r}; expected a {kind.__name__}")
        return value

    def memory(self, key: str) -> Memory:
        inner = _Table(f"{self._where} [{key}]", self.take(key, dict))
        memory = Memory(
            inner.take("origin", int), inner.take("bytes", int), inner.take("free", int), inner.take("source", str)
        )
        inner.require_empty()
        return memory

    def require_empty(self) -> None:
        if self._left:
            raise ProjectError(f"{self._where}: unknown key {next(iter(self._left))!r}; correct or remove it")
