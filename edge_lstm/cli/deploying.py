"""What ``edge-lstm deploy`` and ``edge-lstm fleet`` share: options, and results as text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_lstm.cli import options

if TYPE_CHECKING:
    from edge_lstm.deploy import Deployed, Plan, Status, Wish
    from edge_lstm.deploy.probe import Board
    from edge_lstm.deploy.service import Kind

_CONNECTION = (
    click.option("--port", type=click.IntRange(1, 65535), help="Of SSH.  [default: the SSH configuration's, 22]"),
    click.option("--identity", type=options.PATH, help="Private key.  [default: the agent's and ~/.ssh's]"),
    click.option("--ssh-option", "ssh_options", multiple=True, metavar="K=V", help="Passed on as ssh -o K=V."),
    click.option("--ssh-config", type=options.PATH, help="Instead of ~/.ssh/config."),
    click.option("--path", help="Of the deployment on the board.  [default: ~/edge-lstm/NAME]"),
)
_WORK = (
    click.option("--rollback", is_flag=True, help="Go back to the previous release instead."),
    click.option("--dry-run", is_flag=True, help="Say what would be copied and run; change nothing there."),
    click.option("--status", "status_", is_flag=True, help="Say what is deployed there instead."),
    options.require_signature,
    click.option("--service", is_flag=True, help="Stream as a systemd service, from now and from every start on."),
    click.option("--service-name", metavar="N", help="Of its unit.  [default: edge-lstm-NAME]"),
    click.option("--user", "kind", flag_value="user", help="A service of the user.  [default, but for root]"),
    click.option("--system", "kind", flag_value="system", help="One of the system, by root or sudo -n."),
    click.option(
        *("--with", "extras"),
        multiple=True,
        metavar="NAME",
        help="Copy more: tflite, step, edgetpu, golden, float, onnx, c or all.",
    ),
    options.as_json,
    options.quiet,
    click.argument("stream_arguments", nargs=-1, metavar="[-- STREAM-ARGS...]", type=click.UNPROCESSED),
)


def _all(rows: tuple[options.Decorator, ...]) -> options.Decorator:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for row in reversed(rows):
            command = row(command)
        return command

    return decorate


connection, work = _all(_CONNECTION), _all(_WORK)


def check_asked(
    rollback: bool, dry_run: bool, status_: bool, service: bool, kind: str | None, name: str | None
) -> None:
    """Refuse options that contradict each other.

    Raises:
        ProjectError: if they do.
    """
    from edge_lstm.errors import ProjectError

    asked = [flag for flag, given in (("--rollback", rollback), ("--dry-run", dry_run), ("--status", status_)) if given]
    if len(asked) > 1:
        raise ProjectError(f"{' and '.join(asked)} are different things to do; give one")
    if service and (rollback or status_):
        raise ProjectError(f"{asked[0]} installs no service; leave out --service")
    if not service and (kind or name):
        raise ProjectError(f"--{kind or 'service-name'} is of a service; add --service")


def wish_of(
    bundle: Path,
    service: bool,
    kind: Kind | None,
    name: str | None,
    extras: tuple[str, ...],
    key: Path | None,
    arguments: tuple[str, ...],
) -> Wish:
    """What the options ask, with the signature checked."""
    from edge_lstm.deploy import Wish
    from edge_lstm.deploy.service import ServiceWish
    from edge_lstm.errors import ProjectError
    from edge_lstm.signing import require_signature

    if arguments and not service:
        raise ProjectError(f"{' '.join(arguments)} is for the stream of a service; add --service")
    wished = ServiceWish(arguments, kind, name) if service else None
    signature = require_signature(bundle, key) if key is not None else None
    return Wish(extras, wished, signature)


def deployed_text(made: Deployed) -> str:
    """What was done, a line a fact."""
    if not made.changed:
        service = f"; service {made.service.name} is {made.service.state}" if made.service else ""
        return f"{made.target}: release {made.release} is there already, whole and current; nothing was copied{service}"
    size = sum(made.copied.values())
    copied = f"{len(made.copied)} files copied, {size:,} B" if made.copied else "nothing copied"
    lines = [
        f"{made.target}: release {made.release} is current in {made.root}",
        f"  {made.arch}, {copied}, {made.seconds:.1f} s",
        f"  {made.self_test or 'self-test: not run, the program is for another machine; run it on the board'}",
        f"  previous: {made.previous or 'none'}",
    ]
    if made.service is not None:
        lines.append(f"  service {made.service.name} ({made.service.kind}): {made.service.state}")
    return "\n".join([*lines, *(f"  note: {note}" for note in made.notes)])


def _free(board: Board) -> str:
    return "free space unknown" if board.free is None else f"{board.free:,} B free"


def plan_text(planned: Plan) -> str:
    """What would be done: the board, every file with its bytes, and what would run."""
    from edge_lstm.cli.table import columns

    board, release = planned.board, planned.release
    python = f"Python {' with '.join([board.python[0], *board.python[1:]])}" if board.python else "no Python"
    lines = [
        f"{planned.target}: {board.machine}, files for {release.arch}, {board.libc}, {python}, {_free(board)}",
        f"release {release.id} into {board.root}, current there: {board.current or 'none'}",
    ]
    if planned.done:
        return "\n".join([*lines, "would copy nothing: it is there already, whole and current"])
    if planned.reuse:
        lines.append("would copy nothing: it is there already")
    else:
        rows = [[name, f"{len(content):,} B"] for name, content in release.files.items()]
        lines += ["would copy", columns([*rows, ["together", f"{release.size:,} B"]])]
    program = f"linux/{release.arch}/edge-lstm-stream"
    lines += ["would run", f"{program} --self-test", f"{program} --describe"]
    if planned.service is not None:
        lines.append(f"systemctl {'--user ' if planned.service.kind == 'user' else ''}restart {planned.service.name}")
    return "\n".join([*lines, *(["would write the unit", planned.unit.rstrip()] if planned.unit else [])])


def status_text(found: Status) -> str:
    """What is deployed, a line a fact."""
    board = found.board
    if board.current is None:
        return f"{found.target}: nothing is deployed in {board.root}"
    whole = {release.name: "" if release.whole else " (changed since it was deployed)" for release in board.releases}
    lines = [
        f"{found.target}: release {board.current} is current in {board.root}{whole.get(board.current, '')}",
        f"  {board.machine}, {board.libc}, {_free(board)}",
        f"  previous: {board.previous + whole.get(board.previous, '') if board.previous else 'none'}",
    ]
    if board.signed is not None:
        lines.append(f"  signed by {board.signed[0]}, version {board.signed[1]}")
    if board.service is not None:
        lines.append(f"  service {board.service.name} ({board.service.kind}): {board.service.state}")
    return "\n".join(lines)


def short_text(result: Deployed | Plan | Status) -> str:
    """The gist of a result, in a row of many."""
    from edge_lstm.deploy import Deployed, Plan

    if isinstance(result, Deployed):
        return f"{result.release} on {result.arch}, {result.seconds:.1f} s"
    if isinstance(result, Plan):
        size = 0 if result.reuse else result.release.size
        return f"would copy {size:,} B for {result.release.arch}"
    service = f", {result.board.service.name} {result.board.service.state}" if result.board.service else ""
    return f"{result.board.current or 'nothing'}{service}"
