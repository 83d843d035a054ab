"""What a board is, and what is deployed on it, from the lines of ``board/probe.sh``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edge_lstm.deploy.faults import board_error, write_fault
from edge_lstm.deploy.shell import Shell, script

BITS_32 = "1"
"""The class of an ELF file."""

MACHINES = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "aarch64": "aarch64",
    "arm64": "aarch64",
    "armv8l": "armv7l",
    "armv7l": "armv7l",
    "armv6l": "armv6l",
}
"""What ``uname -m`` says of a board → whose files it runs. armv8l is a 64-bit core that shows 32 bits."""


@dataclass(frozen=True)
class Service:
    """A systemd service of a deployment.

    Args:
        kind: ``user`` or ``system``.
        state: ``active``, ``failed`` or another of systemd's words.
    """

    kind: str
    name: str
    state: str = ""


@dataclass(frozen=True)
class There:
    """A release on a board.

    Args:
        name: of its folder.
        sums: sha256 of its list of sums.
        whole: whether its files are what the list says.
    """

    name: str
    sums: str
    whole: bool


@dataclass(frozen=True)
class Board:
    """A board as it was found.

    Args:
        machine: as ``uname -m`` says.
        arch: of the files it runs, by its user's programs and not its kernel; None where nothing is built for such.
        libc: kind and version.
        python: its version, and which of edge_lstm, tflite_runtime and ai_edge_litert it has.
        program: path of ``edge-lstm``, if it is installed.
        root: absolute path of the deployment.
        free: bytes, None where that cannot be asked.
        unwritable: why nothing can be written, in the system's words.
        signed: name of the key and version in the signature of the current release.
    """

    machine: str
    arch: str | None
    libc: str
    python: tuple[str, ...]
    program: str | None
    uid: int
    user: str
    root: str
    free: int | None
    unwritable: str | None
    systemd: bool
    releases: tuple[There, ...] = ()
    current: str | None = None
    previous: str | None = None
    signed: tuple[str, int] | None = None
    service: Service | None = None

    @property
    def tflite(self) -> bool:
        """Whether it has a runtime for TFLite files."""
        return bool({"tflite_runtime", "ai_edge_litert"} & set(self.python))

    def to_json(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "arch": self.arch,
            "libc": self.libc,
            "python": self.python[0] if self.python else None,
            "modules": list(self.python[1:]),
            "free_bytes": self.free,
        }


def probe(shell: Shell, root: str) -> Board:
    """Ask a board. Nothing is changed there.

    Raises:
        DeployError: if it cannot be reached, or ``root`` cannot be the place of a deployment.
    """
    text = script("common", "service", "probe", root=root, unit="")
    with shell.start(text) as session:
        lines = list(session.lines())
        code, said = session.end()
    answers = dict(lines)
    if "fail" in answers:
        raise board_error(shell.where, answers["fail"], answers.get("root", root))
    if code or "free" not in answers:
        raise shell.lost(code, said)
    return _board(answers, lines)


def require_ready(shell: Shell, board: Board, needed: int) -> None:
    """Refuse a board that cannot take ``needed`` bytes.

    Raises:
        DeployError: if the right to write or room is lacking.
    """
    if board.unwritable is not None:
        raise write_fault(shell.where, board.unwritable, board.root)
    if board.free is not None and needed > board.free:
        raise board_error(shell.where, f"space {needed:,} {board.free:,}", board.root)


def arch_of(machine: str, elf_class: str, neon: bool) -> str | None:
    """Whose files a board runs: its programs decide, for a 64-bit kernel may carry a 32-bit system."""
    arch = MACHINES.get(machine)
    if elf_class == BITS_32:
        arch = {"aarch64": "armv7l", "x86_64": None}.get(arch or "", arch)
    return "armv6l" if arch == "armv7l" and not neon else arch


def _signed(words: list[str]) -> tuple[str, int] | None:
    return (words[0], int(words[1])) if len(words) == 2 and words[1].isdigit() else None


def _board(answers: dict[str, str], lines: Iterable[tuple[str, str]]) -> Board:
    releases = [rest.split(" ") for word, rest in lines if word == "release"]
    service = answers.get("service", "").split(" ")
    return Board(
        machine=answers["machine"],
        arch=arch_of(answers["machine"], answers["class"], "neon" in answers),
        libc=answers["libc"],
        python=tuple(answers.get("python", "").split()),
        program=answers.get("program"),
        uid=int(answers["uid"]),
        user=answers["user"],
        root=answers["root"],
        free=1024 * int(answers["free"]) if answers["free"].isdigit() else None,
        unwritable=answers.get("unwritable"),
        systemd="systemd" in answers,
        releases=tuple(There(name, sums, state == "whole") for name, sums, state in releases),
        current=answers["current"] or None,
        previous=answers["previous"] or None,
        signed=_signed(answers.get("signed", "").split(" ")),
        service=Service(*service[:3]) if len(service) > 1 else None,
    )
