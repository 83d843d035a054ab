"""``edge-lstm fit``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_lstm.cli import options

if TYPE_CHECKING:
    from edge_lstm.project import Project


@click.command()
@click.option("--board", help="A name, or the path of a .toml file.  [default: the project's]")
@click.option("--units", help="Of each layer, such as 32 or 32,16.  [default: the project's]")
@click.option("--cell", help="Of all layers, or of each, such as gru or gru,lstm.  [default: the project's, or lstm]")
@click.option("--taps", type=int, help="Steps that each conv layer spans.  [default: the project's, or 3]")
@click.option("--look-ahead", type=int, help="Of each bidirectional layer, in steps.  [default: the project's, or 8]")
@click.option("--features", type=int, help="Channels of a sample.  [default: the data's]")
@click.option("--outputs", type=int, help="Labels or values.  [default: the data's]")
@click.option("--scheme", help="w8a16 or w8a8.  [default: the project's]")
@click.option("--rate", "rate_hz", type=float, help="Samples a second to keep up with.  [default: the data's]")
@options.project
@options.as_json
def fit(board: str | None, project_path: Path, rate_hz: float | None, as_json: bool, **asked: Any) -> None:
    """Flash, RAM and time on a board, before training.

    They follow from the shape of a model alone: sums whose terms were measured on every core. Cells other than the
    LSTM are not in the sums: a model of noughts is linked and run, which takes seconds, a compiler and an emulator.
    With --board, --units, --features and --outputs no project is needed. The exit code is 2 if the board has no room
    for the model.
    """
    from edge_lstm.board import load_board
    from edge_lstm.cli.table import on_board_table
    from edge_lstm.errors import ProjectError
    from edge_lstm.project import load_project
    from edge_lstm_export.fit import fit as by_table
    from edge_lstm_export.fit_measured import measure

    whole = all((board, asked["units"], asked["features"], asked["outputs"]))
    project = None if whole else load_project(project_path)
    name = board or (project.export.board if project else "")
    if not name:
        raise ProjectError("no board is named; give --board, or 'board' in [export] of the project file")
    shape, known_rate = _shape(project, **asked)
    found = (by_table if shape.in_table else measure)(shape, load_board(name), rate_hz or known_rate)
    if as_json:
        options.print_json(found.to_json())
    else:
        click.echo(on_board_table(found.to_json()))
    found.on_board.require_fit(found.largest_that_fits)


def _shape(
    project: Project | None,
    units: str | None,
    cell: str | None,
    taps: int | None,
    look_ahead: int | None,
    features: int | None,
    outputs: int | None,
    scheme: str | None,
) -> tuple[Any, float | None]:
    """(shape, samples a second): what was asked, and the rest from the project and its data."""
    from edge_lstm.pipeline import prepare
    from edge_lstm_export.fit import Shape, scheme_named, shape_of

    if project is None:
        shape, rate = Shape(1, (), 1, False, 0), None
    elif features and outputs:
        shape, rate = Shape(1, project.training.units, 1, False, 0, project.export.scheme), None
    else:
        interface = prepare(project).interface()
        shape, rate = shape_of(interface, project.training.units, project.export.scheme), interface.rate_hz
    if project is not None:
        asked = project.training
        shape = replace(shape, cells=asked.cells, taps=asked.taps, look_ahead=asked.look_ahead)
    if units is not None:
        shape = replace(shape, units=_units(units))
    if cell is not None:
        shape = replace(shape, cells=_cells(cell, len(shape.units)))
    elif project is not None and len(shape.cells) != len(shape.units):
        shape = replace(shape, cells=_cells(",".join(dict.fromkeys(shape.cells)), len(shape.units)))
    if taps is not None:
        shape = replace(shape, taps=taps)
    if look_ahead is not None:
        shape = replace(shape, look_ahead=look_ahead)
    if features is not None:
        shape = replace(shape, features=features)
    if outputs is not None:
        shape = replace(shape, outputs=outputs, labels=False, text_bytes=0)
    return (shape if scheme is None else replace(shape, scheme=scheme_named(scheme))), rate


def _cells(text: str, layers: int) -> tuple[str, ...]:
    from edge_lstm.errors import ProjectError
    from edge_lstm.halves import OF_HALVES
    from edge_lstm.integer import NATIVE_CELLS

    named, known = tuple(text.split(",")), ("lstm", *NATIVE_CELLS, *OF_HALVES)
    unknown = next((name for name in named if name not in known), None)
    if unknown is not None:
        raise ProjectError(f"--cell {unknown!r} is not known; choose of {', '.join(known)}")
    if len(named) not in (1, layers):
        raise ProjectError(f"--cell names {len(named)} layers, --units {layers}; give one for all, or one a layer")
    return named * layers if len(named) == 1 else named


def _units(text: str) -> tuple[int, ...]:
    from edge_lstm.errors import ProjectError

    try:
        return tuple(int(each) for each in text.split(","))
    except ValueError as error:
        raise ProjectError(f"--units is {text!r}; give whole numbers, one a layer, such as 32 or 32,16") from error
