"""A release onto a board: asked what it is, sent, verified and tried there, then switched to in one step."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from edge_lstm.bundle import TFLITE_FUSED, Bundle
from edge_lstm.deploy.faults import board_error
from edge_lstm.deploy.probe import Board, Service, probe, require_ready
from edge_lstm.deploy.release import RECORD, Release, check_extras, make_release, require_name
from edge_lstm.deploy.service import SETTLE, ServiceWish, unit
from edge_lstm.deploy.shell import LocalShell, Session, Shell, script
from edge_lstm.deploy.ssh import UNCHANGED, SshShell
from edge_lstm.deploy.target import HOME, FolderTarget, SshTarget, Target
from edge_lstm.errors import DeployError, ProjectError, SignatureError
from edge_lstm.signing import Signature

OnPhase = Callable[[str], None]
"""Called with probe, send, verify, test, switch and service, as each begins."""

PARTS = ("common", "service", "change")


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


def deploy(bundle: Bundle, target: Target, wish: Wish, on_phase: OnPhase = lambda _: None) -> Deployed:
    """Make a bundle the current release at a target, or leave everything there as it was.

    Raises:
        DeployError: if the board cannot be reached, refuses, or fails a check.
        MissingDependencyError: if ``ssh`` is not installed.
        BundleError, ProjectError, SignatureError: if what is asked does not go together.
    """
    began = time.monotonic()
    with _shell(target) as shell:
        on_phase("probe")
        planned = _plan(shell, bundle, target, wish)
        if planned.done:
            made = _standing(planned)
        else:
            made = _install(shell, planned, isinstance(target, FolderTarget), on_phase)
    made.seconds = time.monotonic() - began
    return made


def plan(bundle: Bundle, target: Target, wish: Wish) -> Plan:
    """What ``deploy`` would do; every refusal that needs no change there. Raises what ``deploy`` does."""
    with _shell(target) as shell:
        return _plan(shell, bundle, target, wish)


def status(bundle: Bundle, target: Target) -> Status:
    """What is deployed at a target. Raises what ``deploy`` does."""
    with _shell(target) as shell:
        return Status(shell.where, probe(shell, _root(bundle, target)))


def roll_back(bundle: Bundle, target: Target, on_phase: OnPhase = lambda _: None) -> Deployed:
    """Make the previous release at a target the current one again. Raises what ``deploy`` does."""
    began = time.monotonic()
    with _shell(target) as shell:
        on_phase("probe")
        board = probe(shell, _root(bundle, target))
        if board.previous is None or board.previous == board.current:
            raise board_error(shell.where, "previous", board.root)
        require_ready(shell, board, 0)
        arch = _arch(board, target)
        folder = isinstance(target, FolderTarget)
        text = _script("rollback", board, board.service, "", arch, folder)
        with shell.start(text) as session:
            answers = _follow(shell, session, board, on_phase, lambda _: None)
    made = Deployed(shell.where, board.root, arch, answers["switched"], answers["done"] or None)
    made.self_test, made.service, made.notes = answers.get("tested"), _served(answers), _notes(board, answers)
    made.seconds = time.monotonic() - began
    return made


@contextlib.contextmanager
def _shell(target: Target) -> Iterator[Shell]:
    if isinstance(target, SshTarget):
        with SshShell(target) as shell:
            yield shell
    else:
        yield LocalShell(str(target))


def _root(bundle: Bundle, target: Target) -> str:
    require_name(bundle)
    if isinstance(target, FolderTarget):
        return str(target.path)
    return target.path or HOME.format(name=bundle.name)


def _arch(board: Board, target: Target) -> str:
    if isinstance(target, FolderTarget):
        if target.arch is None:
            raise ProjectError(f"{target}: a folder does not say what board will run it; give --arch")
        return target.arch
    if board.arch is None:
        raise DeployError(
            f"{target}: nothing is built for a {board.machine} with that userland; a board is "
            "x86_64, aarch64, armv7l or armv6l"
        )
    return board.arch


def _plan(shell: Shell, bundle: Bundle, target: Target, wish: Wish) -> Plan:
    if isinstance(target, FolderTarget) and wish.service:
        raise ProjectError(f"{target}: a folder runs no service; deploy to the board for --service")
    board = probe(shell, _root(bundle, target))
    _refuse_older(bundle, shell, board, wish)
    release = make_release(bundle, _arch(board, target), _extras(bundle, board, target, wish))
    reuse = next((there.name for there in board.releases if there.whole and there.sums == release.sums), None)
    require_ready(shell, board, 0 if reuse else release.room)
    service, text = board.service if _is_board(target) else None, ""
    if wish.service:
        if not board.systemd:
            raise board_error(shell.where, "systemd", board.root)
        service = wish.service.on(board, bundle.name)
        text = unit(wish.service, service, board, release.arch, bundle.name)
    return Plan(shell.where, board, release, reuse, service, text)


def _is_board(target: Target) -> bool:
    return isinstance(target, SshTarget)


def _extras(bundle: Bundle, board: Board, target: Target, wish: Wish) -> tuple[str, ...]:
    """What is asked for, and on a board with a runtime for it the TFLite file, if there is one."""
    if _is_board(target) and board.tflite and bundle.has(TFLITE_FUSED):
        return (*wish.extras, "tflite")
    return wish.extras


def _refuse_older(bundle: Bundle, shell: Shell, board: Board, wish: Wish) -> None:
    """A step back is refused by what the board has, too: another workstation may have deployed there."""
    if wish.signature is None or board.signed is None:
        return
    key, version = board.signed
    if wish.signature.key == key and wish.signature.version < version:
        raise SignatureError(
            f"{bundle.path}: is version {wish.signature.version}, and {shell.where} has version {version}; deploy a "
            f"newer one, or sign this one as version {version + 1}"
        )


def _script(last: str, board: Board, service: Service | None, text: str, arch: str, folder: bool, **more: str) -> str:
    return script(
        *(*PARTS, last),
        root=board.root,
        arch=arch,
        elsewhere="yes" if folder else "no",
        kind=service.kind if service else "",
        name=service.name if service else "",
        unit=text,
        settle=str(SETTLE),
        **more,
    )


def _standing(planned: Plan) -> Deployed:
    """The result where there is nothing to do."""
    board = planned.board
    made = Deployed(planned.target, board.root, planned.release.arch, planned.reuse or "", board.previous)
    made.service, made.changed = planned.service, False
    return made


def _install(shell: Shell, planned: Plan, folder: bool, on_phase: OnPhase) -> Deployed:
    release, board = planned.release, planned.board
    archive = b"" if planned.reuse else release.archive()
    text = _script(
        *("install", board, planned.service, planned.unit, release.arch, folder),
        id=release.id,
        reuse=planned.reuse or "",
        records=str(len(archive) // RECORD),
        sums=release.sums,
        state=release.model[:12],
        random=secrets.token_hex(6),
    )
    with shell.start(text) as session:
        session.send(archive)
        answers = _follow(shell, session, board, on_phase, lambda said: _judge(shell, release, said))
    copied = {} if planned.reuse else {name: len(content) for name, content in release.files.items()}
    previous = answers["done"] or None
    made = Deployed(shell.where, board.root, release.arch, answers["switched"], previous, copied)
    made.self_test, made.service, made.notes = answers.get("tested"), _served(answers), _notes(board, answers)
    return made


def _follow(
    shell: Shell, session: Session, board: Board, on_phase: OnPhase, judge: Callable[[dict[str, str]], None]
) -> dict[str, str]:
    """Watch a change, and agree to it once the board is ready and ``judge`` has nothing against what it said."""
    answers: dict[str, str] = {}
    refusal: DeployError | None = None
    for word, rest in session.lines():
        answers[word] = rest
        if word == "phase":
            on_phase(rest)
        elif word == "ready":
            try:
                judge(answers)
                session.send(b"commit\n")
            except DeployError as error:
                refusal = error  # raised once the board has cleaned up, which it does when nothing more comes
            session.close()
    code, said = session.end()
    if refusal is not None:
        raise refusal
    if "fail" in answers:
        raise board_error(shell.where, answers["fail"], board.root)
    if "done" not in answers:
        raise DeployError(f"{shell.lost(code, said)}; {_where_it_stands(answers)}")
    return answers


def _where_it_stands(answers: dict[str, str]) -> str:
    """What is known of the board when the answer did not come."""
    if "switched" in answers:
        return f"release {answers['switched']} is current there, and --status tells of its service"
    if "ready" in answers:
        return "the old release or the new one is current there, whole: --status tells which"
    return UNCHANGED


def _judge(shell: Shell, release: Release, answers: dict[str, str]) -> None:
    """The program that was tried there is the one of this model."""
    if "untested" in answers:
        return
    try:
        described = json.loads(answers.get("describes", ""))
        model, arch = described["model"], described["arch"]
    except (ValueError, KeyError, TypeError) as error:
        raise DeployError(
            f"{shell.where}: the program there does not describe itself; {UNCHANGED}, export the bundle again"
        ) from error
    if model != release.model or arch != release.arch:
        raise DeployError(
            f"{shell.where}: the program there is of model {str(model)[:12]} for {arch}, the bundle's is "
            f"{release.model[:12]} for {release.arch}; {UNCHANGED}, export the bundle again"
        )


def _notes(board: Board, answers: dict[str, str]) -> tuple[str, ...]:
    if "lingers" not in answers:
        return ()
    return (
        f"the service ends with {board.user}'s last login; `sudo loginctl enable-linger {board.user}` on the board "
        "lets it run from every start on",
    )


def _served(answers: dict[str, str]) -> Service | None:
    if "serving" not in answers:
        return None
    kind, _, name = answers["serving"].partition(" ")
    return Service(kind, name, "active")
