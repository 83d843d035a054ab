"""``edge-lstm fleet``."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_lstm.cli import deploying, options

if TYPE_CHECKING:
    from edge_lstm.deploy.change import OnPhase
    from edge_lstm.deploy.fleet import FleetTarget, Outcome
    from edge_lstm.deploy.service import Kind

OnStep = Callable[[str, str], None]


@click.command()
@click.argument("bundle", type=options.PATH)
@click.argument("targets", type=options.PATH)
@deploying.connection
@click.option("--jobs", type=click.IntRange(1), default=8, show_default=True, help="Boards at a time.")
@click.option("--again", is_flag=True, help="Also those that were done before.")
@deploying.work
@click.pass_context
def fleet(
    ctx: click.Context,
    /,
    bundle: Path,
    targets: Path,
    port: int | None,
    identity: Path | None,
    ssh_options: tuple[str, ...],
    ssh_config: Path | None,
    path: str | None,
    jobs: int,
    again: bool,
    rollback: bool,
    dry_run: bool,
    status_: bool,
    public_key: Path | None,
    service: bool,
    service_name: str | None,
    kind: Kind | None,
    extras: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    stream_arguments: tuple[str, ...],
) -> None:
    """Deploy a bundle to many boards at once.

    \b
    [[target]]
    host = "pi@hall.local"
    [[target]]
    host = "pi@10.0.0.7"
    name = "cellar"
    service = "system"
    stream = ["--from", "serial:/dev/ttyUSB0", "--to", "tcp://hub:7000"]

    TARGETS is a file of such tables; their other keys are port, path, identity, ssh_option and arch. What was done is
    kept beside it in TARGETS.state.json, so a second run does only what failed or is new. The exit code is 1 if a board
    failed; the others are done all the same.
    """  # noqa: D301 - click takes the backspace itself as "do not wrap this paragraph"
    from edge_lstm import deploy as library
    from edge_lstm.bundle import Bundle
    from edge_lstm.deploy.fleet import Done, each, failed, load_fleet, request
    from edge_lstm.deploy.release import identity_of

    deploying.check_asked(rollback, dry_run, status_, service, kind, service_name)
    boards = load_fleet(targets)
    defaults = {"port": port, "path": path, "identity": identity, "options": ssh_options, "config": ssh_config}
    places = {board.title: board.target(defaults, targets.absolute().parent) for board in boards}
    common = deploying.wish_of(bundle, service, kind, service_name, extras, public_key, stream_arguments)
    opened = Bundle.open(bundle)
    done = Done(targets)
    identifier = identity_of(opened)
    requests = {b.title: request(identifier, places[b.title], b.wish(common)) for b in boards}

    def act(board: FleetTarget, on_phase: OnPhase) -> Any:
        place = places[board.title]
        if status_:
            return library.status(opened, place)
        if dry_run:
            return library.plan(opened, place, board.wish(common))
        if rollback:
            return library.roll_back(opened, place, on_phase)
        return library.deploy(opened, place, board.wish(common), on_phase)

    changing = not status_ and not dry_run
    before = set() if again or rollback or not changing else {t for t, r in requests.items() if done.has(t, r)}
    asked = [board for board in boards if board.title not in before]

    with _progress([board.title for board in asked], quiet or as_json) as on_step:

        def on_outcome(board: FleetTarget, outcome: Outcome) -> None:
            if changing and (outcome.error is None or rollback):
                done.note(board.title, None if rollback else requests[board.title])
            on_step(board.title, outcome.word)

        ran = {outcome.title: outcome for outcome in each(asked, act, jobs, on_step, on_outcome)}
    outcomes = [ran.get(board.title) or _before(board) for board in boards]
    if as_json:
        options.print_json({"failed": failed(outcomes), "targets": [outcome.to_json() for outcome in outcomes]})
    else:
        click.echo(_summary(outcomes))
    ctx.exit(1 if failed(outcomes) else 0)


def _before(board: FleetTarget) -> Outcome:
    from edge_lstm.deploy.fleet import Outcome

    return Outcome(board.title)


@contextlib.contextmanager
def _progress(titles: Sequence[str], quiet: bool) -> Iterator[OnStep]:
    """Something to call as a board begins a phase: a line a board on a terminal, a line a step elsewhere."""
    if quiet or not titles:
        yield lambda *_: None
        return
    if sys.stderr.isatty():
        try:
            from rich.console import Console
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
        except ImportError:
            pass
        else:
            columns = (SpinnerColumn(), TextColumn("{task.fields[title]}  {task.description}"), TimeElapsedColumn())
            with Progress(*columns, console=Console(stderr=True)) as bars:
                lines = {title: bars.add_task("waits", total=None, title=title, start=False) for title in titles}
                yield lambda title, step: _move(bars, lines[title], step)
            return
    yield lambda title, step: click.echo(f"{title}: {step}", err=True)


def _move(bars: Any, line: Any, step: str) -> None:
    bars.start_task(line)
    ended = step in ("done", "failed")
    bars.update(line, description=step, **({"total": 1, "completed": 1} if ended else {}))


def _summary(outcomes: Sequence[Outcome]) -> str:
    """A row a board, why those failed that did, and how many did."""
    from edge_lstm.cli.table import columns
    from edge_lstm.deploy.fleet import failed

    words = deploying.short_text
    table = columns([[o.title, o.word, "" if o.result is None else words(o.result)] for o in outcomes])
    errors = [f"{outcome.title}: {outcome.error}" for outcome in outcomes if outcome.error is not None]
    return "\n".join([table, *errors, f"{len(outcomes) - failed(outcomes)} of {len(outcomes)} boards are done"])
