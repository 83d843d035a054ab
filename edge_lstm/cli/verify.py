"""``edge-lstm verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_lstm.cli import options

if TYPE_CHECKING:
    from edge_lstm.bundle import Bundle

ALL = "all"


@click.command()
@options.bundle
@options.project
@click.option("--board", "boards", multiple=True, help="Run on this board's emulated core instead, or on 'all'.")
@click.option("--toolchain", help="Compiler for --board.  [default: the first in the core's file]")
@options.require_signature
@options.as_json
def verify(
    bundle: Path | None,
    project_path: Path,
    boards: tuple[str, ...],
    toolchain: str | None,
    public_key: Path | None,
    as_json: bool,
) -> None:
    """Prove every artefact against the reference, byte for byte.

    BUNDLE is the project's own when it is left out. The exit code is 1 if an artefact disagrees, 3 if a board could not
    be checked because an emulator or a compiler is not installed.
    """
    from edge_lstm.bundle import Bundle
    from edge_lstm.errors import ProjectError
    from edge_lstm.project import load_project
    from edge_lstm.signing import require_signature

    bundle = bundle or load_project(project_path).bundle_folder
    if public_key is not None:
        require_signature(bundle, public_key)
    opened = Bundle.open(bundle)
    if toolchain is not None and not boards:
        raise ProjectError(f"--toolchain {toolchain} compiles for boards; name one with --board")
    if boards:
        _verify_boards(opened, boards, toolchain, as_json)
    else:
        _verify_here(opened, as_json)


def _verify_here(bundle: Bundle, as_json: bool) -> None:
    from edge_lstm.cli.table import checks_table
    from edge_lstm_export.verify import verify as verify_bundle

    report = verify_bundle(bundle)
    if as_json:
        options.print_json(report.to_json())
    else:
        click.echo(checks_table(report.to_json()["checks"]))
    report.require_ok()


def _verify_boards(bundle: Bundle, names: tuple[str, ...], toolchain: str | None, as_json: bool) -> None:
    from edge_lstm.board import board_names, load_board
    from edge_lstm.cli.table import board_checks_table
    from edge_lstm_export.board_verify import verify_boards

    asked = board_names() if ALL in names else names
    report = verify_boards(bundle, [load_board(name) for name in asked], toolchain)
    if as_json:
        options.print_json(report.to_json())
    else:
        click.echo(board_checks_table(report.to_json()["checks"]))
    report.require_ok()
