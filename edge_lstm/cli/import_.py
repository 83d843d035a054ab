"""``edge-lstm import``."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_lstm.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge_lstm.importers.compare import Compared
    from edge_lstm.importers.network import Row
    from edge_lstm.model import FloatModel, RnnActivation


def _names(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(","))


@click.command("import")
@click.argument("file", type=options.PATH)
@options.output("Model file to write, for export --model.")
@click.option("--check", is_flag=True, help="List every layer and what becomes of it, and write nothing.")
@click.option("--channels", metavar="A,B,…", callback=_names, help="Names of the inputs.  [default: channel0,…]")
@click.option(
    "--labels",
    metavar="A,B,…",
    callback=_names,
    help="Names of the outputs; of a forecast, the channels it tells.  [default: class0,… or output0,…]",
)
@click.option(
    "--task",
    type=click.Choice(["classify", "tag", "regress", "forecast"]),
    help="What the outputs mean.  [default: tag of answers a step, classify of one at the end, regress of one number]",
)
@click.option(
    "--window",
    type=click.IntRange(min=0),
    metavar="N",
    help="Zero the state every N steps and answer then; 0 never.  [default: the file's number of steps, if it has one]",
)
@click.option("--horizon", type=click.IntRange(min=1), metavar="N", help="Steps a forecast looks ahead.  [default: 1]")
@click.option(
    "--rate", "rate_hz", type=click.FloatRange(min=0, min_open=True), metavar="HZ", help="Rate of the samples."
)
@click.option(
    "--nonlinearity",
    type=click.Choice(["tanh", "relu"]),
    help="What the simple RNNs of a PyTorch state dict squash with, which it does not say.  [default: tanh]",
)
@click.option(
    "--activations",
    metavar="A,B,…",
    callback=_names,
    help="Of a PyTorch state dict: what squashes behind each linear layer but the head, linear if nothing does.",
)
@click.option(
    "--look-ahead",
    type=click.IntRange(min=1),
    metavar="N",
    help="Steps that each bidirectional layer looks ahead, by which what the model says is late.",
)
@click.option("--no-compare", is_flag=True, help="Do not run the original beside the import.")
@options.as_json
@options.quiet
@click.pass_context
def import_(
    context: click.Context,
    /,
    file: Path,
    output: Path | None,
    check: bool,
    nonlinearity: RnnActivation | None,
    activations: tuple[str, ...] | None,
    look_ahead: int | None,
    no_compare: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Take over a network trained by Keras, PyTorch or others.

    Takes .keras, .h5, .onnx, .tflite, the folder of a TensorFlow SavedModel, and a PyTorch state dict as .safetensors,
    .pt or .pth: layers of LSTM, GRU and simple RNN and dense ones in a row, and a dense head, by their weights alone.
    An .onnx file of edge-lstm comes back with its names and its scaling. No code in the file is run. What cannot be
    taken is named; --check lists it, and the exit code is 2 if something stands in the way. The import is compared
    with the original over random sequences where its runtime is installed.
    """
    from edge_lstm.errors import ProjectError
    from edge_lstm.importers import read
    from edge_lstm.importers.compare import Compared, compare
    from edge_lstm.importers.given import Given
    from edge_lstm.importers.interface import float_model
    from edge_lstm.importers.look_ahead import with_look_ahead
    from edge_lstm.importers.network import lint, network_of
    from edge_lstm.importers.nonlinearity import with_nonlinearity
    from edge_lstm.importers.untold import told
    from edge_lstm.modelfile import save_model
    from edge_lstm.pipeline import refuse_foreign

    chain = told(with_nonlinearity(read(file), nonlinearity), activations)
    chain = with_look_ahead(chain, look_ahead)
    if check:
        context.exit(_print_check(lint(chain), as_json))
    if output is None:
        raise ProjectError("no place to write to; give --output FILE, or --check to look alone")
    model, notes = float_model(chain, Given(**given), file)
    refuse_foreign(output)
    compared = (
        Compared("", not_run="--no-compare") if no_compare else compare(file, chain, network_of(chain, file), model)
    )
    save_model(model, output)
    options.print_notes(notes, quiet)
    task = model.interface.task
    if as_json:
        options.print_json(
            {
                "model": str(output),
                "parameters": model.parameters,
                "cells": [layer.cell for layer in model.layers],
                "units": [layer.units for layer in model.layers],
                "channels": list(model.interface.channels),
                "task": {"kind": task.kind, "outputs": list(task.outputs), "window": task.window},
                "compared": asdict(compared),
                "notes": list(notes),
            }
        )
        return
    click.echo(f"{output}: {_stack(model)}, {model.parameters:,} parameters, {task.kind}; {_said(compared)}")


def _stack(model: FloatModel) -> str:
    """``LSTM of 32, 16 units, GRU of 8 units``."""
    from edge_lstm.importers.cells import NAMES

    groups = itertools.groupby(model.layers, lambda layer: layer.cell)
    return ", ".join(
        f"{NAMES[cell]} of {', '.join(str(layer.units) for layer in layers)} units" for cell, layers in groups
    )


def _said(compared: Compared) -> str:
    if compared.error is None:
        return f"not compared: {compared.not_run}"
    if compared.late:
        at = f"{compared.late} steps before the end of {compared.sequences} sequences of {compared.steps} steps"
        return f"equal to {compared.runtime} within {compared.error:.1e} of the largest output, {at}"
    near = (
        f"as near to {compared.runtime} as its rounding lets it be, {compared.error:.2f} of the outputs' deviation"
        if compared.rounded
        else f"equal to {compared.runtime} within {compared.error:.1e} of the largest output"
    )
    return f"{near}, over {compared.sequences} sequences of {compared.steps} steps, whole and step by step"


def _print_check(rows: Sequence[Row], as_json: bool) -> int:
    """The exit code."""
    sound = all(row.verdict != "in the way" for row in rows)
    if as_json:
        options.print_json({"ok": sound, "layers": [asdict(row) for row in rows]})
    else:
        name, kind = (max(len(getattr(row, key)) for row in rows) for key in ("name", "kind"))
        for row in rows:
            click.echo(f"{row.verdict:<11}  {row.name:<{name}}  {row.kind:<{kind}}  {row.note}".rstrip())
    return 0 if sound else 2
