"""``edge-lstm deploy``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_lstm.cli import deploying, options

if TYPE_CHECKING:
    from edge_lstm.deploy.service import Kind


@click.command()
@click.argument("bundle", type=options.PATH)
@click.argument("target")
@deploying.connection
@click.option("--arch", help="Of the board that a folder is for: x86_64, aarch64, armv7l or armv6l.")
@deploying.work
def deploy(
    bundle: Path,
    target: str,
    port: int | None,
    identity: Path | None,
    ssh_options: tuple[str, ...],
    ssh_config: Path | None,
    path: str | None,
    arch: str | None,
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
    """Bring a bundle onto a board over SSH, or into a folder.

    \b
    edge-lstm deploy build/gestures pi@raspberrypi.local
    edge-lstm deploy build/gestures pi@raspberrypi.local --service -- --from serial:/dev/ttyUSB0 --to tcp://hub:7000
    edge-lstm deploy build/gestures pi@raspberrypi.local --rollback
    edge-lstm deploy build/gestures folder:/media/card/gestures --arch aarch64

    TARGET is user@host, ssh://user@host:port/path, a name of the SSH configuration, or a folder. The board needs a
    POSIX shell and its tools, as busybox has them, and no Python; keys, agent, jump hosts and known hosts are ssh's.

    The files that this board needs are copied beside the release that runs, verified there, and tried with the golden
    vectors of the bundle; then the link `current` is replaced in one step. If anything fails before, or the connection
    is cut, what ran before still runs. The release before stays for --rollback.
    """  # noqa: D301 - click takes the backspace itself as "do not wrap this paragraph"
    from edge_lstm import deploy as deploying_library
    from edge_lstm.bundle import Bundle
    from edge_lstm.deploy import parse_target

    deploying.check_asked(rollback, dry_run, status_, service, kind, service_name)
    there = parse_target(
        target, port=port, path=path, identity=identity, options=ssh_options, config=ssh_config, arch=arch
    )
    wish = deploying.wish_of(bundle, service, kind, service_name, extras, public_key, stream_arguments)
    opened = Bundle.open(bundle)

    def on_phase(phase: str) -> None:
        if not quiet and not as_json:
            click.echo(f"{phase} ...", err=True)

    def show(as_text: Callable[[Any], str], result: Any) -> None:
        if as_json:
            options.print_json(result.to_json())
        else:
            click.echo(as_text(result))

    if status_:
        show(deploying.status_text, deploying_library.status(opened, there))
    elif dry_run:
        show(deploying.plan_text, deploying_library.plan(opened, there, wish))
    elif rollback:
        show(deploying.deployed_text, deploying_library.roll_back(opened, there, on_phase))
    else:
        show(deploying.deployed_text, deploying_library.deploy(opened, there, wish, on_phase))
