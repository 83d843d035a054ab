"""A release onto a board: asked what it is, sent, verified and tried there, then switched to in one step."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator

from edge_lstm.bundle import TFLITE_FUSED, TFLITE_STEP, Bundle
from edge_lstm.deploy.change import OnPhase, change_script, follow, judge, notes, served
from edge_lstm.deploy.faults import board_error
from edge_lstm.deploy.probe import Board, probe, require_ready
from edge_lstm.deploy.release import RECORD, make_release, require_name
from edge_lstm.deploy.result import Deployed, Plan, Status, Wish
from edge_lstm.deploy.service import unit
from edge_lstm.deploy.shell import LocalShell, Shell
from edge_lstm.deploy.ssh import SshShell
from edge_lstm.deploy.target import HOME, FolderTarget, SshTarget, Target
from edge_lstm.errors import DeployError, ProjectError, SignatureError


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
        text = change_script("rollback", board, board.service, "", arch, folder)
        with shell.start(text) as session:
            answers = follow(shell, session, board, on_phase, lambda _: None)
    made = Deployed(shell.where, board.root, arch, answers["switched"], answers["done"] or None)
    made.self_test, made.service, made.notes = answers.get("tested"), served(answers), notes(board, answers)
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
    release = make_release(bundle, _arch(board, target), extras_for(bundle, board, target, wish))
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


def extras_for(bundle: Bundle, board: Board, target: Target, wish: Wish) -> tuple[str, ...]:
    """What is asked for, and on a board with a runtime for it the TFLite file, if there is one."""
    if not (_is_board(target) and board.tflite):
        return wish.extras
    held = next((extra for extra, file in _RUN_BY_TFLITE if bundle.has(file)), None)
    return wish.extras if held is None else (*wish.extras, held)


_RUN_BY_TFLITE = (("tflite", TFLITE_FUSED), ("step", TFLITE_STEP))
"""Extra of a deployment → the file that it is for, the preferred one first."""


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


def _standing(planned: Plan) -> Deployed:
    """The result where there is nothing to do."""
    board = planned.board
    made = Deployed(planned.target, board.root, planned.release.arch, planned.reuse or "", board.previous)
    made.service, made.changed = planned.service, False
    return made


def _install(shell: Shell, planned: Plan, folder: bool, on_phase: OnPhase) -> Deployed:
    release, board = planned.release, planned.board
    archive = b"" if planned.reuse else release.archive()
    text = change_script(
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
        answers = follow(shell, session, board, on_phase, lambda said: judge(shell, release, said))
    copied = {} if planned.reuse else {name: len(content) for name, content in release.files.items()}
    previous = answers["done"] or None
    made = Deployed(shell.where, board.root, release.arch, answers["switched"], previous, copied)
    made.self_test, made.service, made.notes = answers.get("tested"), served(answers), notes(board, answers)
    return made
