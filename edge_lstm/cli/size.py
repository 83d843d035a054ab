"""``edge-lstm size``."""

from __future__ import annotations

from pathlib import Path

import click

from edge_lstm.cli import options


@click.command()
@options.bundle
@options.project
@click.option("--board", required=True, help="A name, or the path of a .toml file.")
@click.option("--toolchain", help="Compiler.  [default: the first in the core's file]")
@options.as_json
def size(bundle: Path | None, project_path: Path, board: str, toolchain: str | None, as_json: bool) -> None:
    """Flash, RAM, stack and time of a bundle on a board.

    They come from a program linked at the board's addresses, and from the golden recordings on its emulated core.
    BUNDLE is the project's own when it is left out. The exit code is 2 if the board has no room for it, 3 if no
    emulator could count.
    """
    from edge_lstm.board import load_board
    from edge_lstm.bundle import Bundle
    from edge_lstm.cli.table import on_board_table
    from edge_lstm.project import load_project
    from edge_lstm_export.fit import largest_of
    from edge_lstm_export.size import size_bundle

    opened = Bundle.open(bundle or load_project(project_path).bundle_folder)
    on_board, report = size_bundle(opened, load_board(board), toolchain)
    if as_json:
        options.print_json(on_board.to_json())
    else:
        click.echo(on_board_table(on_board.to_json()))
    if report is not None:
        report.require_ok()
    if not on_board.fits:
        on_board.require_fit(largest_of(opened, on_board.board))
