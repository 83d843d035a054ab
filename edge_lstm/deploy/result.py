"""What is asked of a deploy, what it would do, what it did, and what is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edge_lstm.deploy.probe import Board, Service
from edge_lstm.deploy.release import Release, check_extras
from edge_lstm.deploy.service import ServiceWish
from edge_lstm.signing import Signature


@dataclass(frozen=True)
class Wish:
    """What is asked of a deploy besides bundle and target.

    Args:
        extras: keys of ``release.WITH``.
        service: a service to install; None leaves one that is there, and starts it anew.
        signature: of the bundle, if one is required; a board with a newer release is then refused.
    """

    extras: tuple[str, ...] = ()
    service: ServiceWish | None = None
    signature: Signature | None = None

    def __post_init__(self) -> None:
        check_extras(self.extras)


@dataclass(frozen=True)
class Plan:
    """What a deploy would do.

    Args:
        reuse: the release on the board that holds the same files; None if they have to be sent.
        service: that would be started.
        unit: its text, if it is to be written.
        root: of the deployment.
    """

    target: str
    board: Board
    release: Release
    reuse: str | None
    service: Service | None
    unit: str

    @property
    def done(self) -> bool:
        """Whether the board has all of it already."""
        return self.reuse is not None and self.reuse == self.board.current and not self.unit

    def to_json(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "root": self.board.root,
            "board": self.board.to_json(),
            "arch": self.release.arch,
            "release": self.release.id,
            "current": self.board.current,
            "copied": {} if self.reuse else {name: len(content) for name, content in self.release.files.items()},
            "service": None if self.service is None else self.service.name,
            "unit": self.unit or None,
        }


@dataclass
class Deployed:
    """What a deploy or a rollback did.

    Args:
        release: that is current now.
        previous: that a rollback would go to.
        copied: path → bytes.
        self_test: what the program said; None if it could not run here, on a folder for another machine.
        changed: whether anything was.
        notes: worth knowing.
    """

    target: str
    root: str
    arch: str
    release: str
    previous: str | None
    copied: dict[str, int] = field(default_factory=dict)
    self_test: str | None = None
    service: Service | None = None
    changed: bool = True
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "root": self.root,
            "arch": self.arch,
            "release": self.release,
            "previous": self.previous,
            "changed": self.changed,
            "copied": self.copied,
            "self_test": self.self_test,
            "service": None if self.service is None else vars(self.service),
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Status:
    """What is deployed at a target."""

    target: str
    board: Board

    def to_json(self) -> dict[str, Any]:
        board = self.board
        return {
            "target": self.target,
            "root": board.root,
            "board": board.to_json(),
            "current": board.current,
            "previous": board.previous,
            "releases": {release.name: "whole" if release.whole else "broken" for release in board.releases},
            "signed_version": board.signed[1] if board.signed else None,
            "service": None if board.service is None else vars(board.service),
        }
