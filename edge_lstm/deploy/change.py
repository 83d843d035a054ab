"""A change on a board, watched from here: what its script says, and the word that lets it switch."""

from __future__ import annotations

import json
from collections.abc import Callable

from edge_lstm.deploy.faults import board_error
from edge_lstm.deploy.probe import Board, Service
from edge_lstm.deploy.release import Release
from edge_lstm.deploy.service import SETTLE
from edge_lstm.deploy.shell import Session, Shell, script
from edge_lstm.deploy.ssh import UNCHANGED
from edge_lstm.errors import DeployError

OnPhase = Callable[[str], None]
"""Called with probe, send, verify, test, switch and service, as each begins."""

PARTS = ("common", "service", "change")


def change_script(
    last: str, board: Board, service: Service | None, text: str, arch: str, folder: bool, **more: str
) -> str:
    """The script ``last`` of the folder ``board``, with what all changes need before it.

    Args:
        service: to start afterwards; ``text`` is its unit, or empty to leave that as it is.
        folder: where a program of another machine is no fault.
        more: variables of its own.
    """
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


def follow(
    shell: Shell, session: Session, board: Board, on_phase: OnPhase, accept: Callable[[dict[str, str]], None]
) -> dict[str, str]:
    """Watch a change, and agree to it once the board is ready and ``accept`` has nothing against what it said."""
    answers: dict[str, str] = {}
    refusal: DeployError | None = None
    for word, rest in session.lines():
        answers[word] = rest
        if word == "phase":
            on_phase(rest)
        elif word == "ready":
            try:
                accept(answers)
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


def judge(shell: Shell, release: Release, answers: dict[str, str]) -> None:
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


def notes(board: Board, answers: dict[str, str]) -> tuple[str, ...]:
    """What the user should know of it."""
    if "lingers" not in answers:
        return ()
    return (
        f"the service ends with {board.user}'s last login; `sudo loginctl enable-linger {board.user}` on the board "
        "lets it run from every start on",
    )


def served(answers: dict[str, str]) -> Service | None:
    """The service that was started."""
    if "serving" not in answers:
        return None
    kind, _, name = answers["serving"].partition(" ")
    return Service(kind, name, "active")
