"""``edge-lstm train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edge_lstm.cli import options


@click.command()
@options.project
@options.output("Model file to write.  [default: build/NAME.safetensors]")
@click.option("--from", "source", type=options.PATH, help="Start from the layers of this model file or bundle.")
@click.option("--freeze", type=int, metavar="N", help="Leave the first N of those layers as they are.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint, as if nothing had happened.")
@click.option("--epochs", type=int, help="Most passes over the training part.")
@click.option("--seed", type=int, help="Of weights, shuffling and dropout.")
@options.as_json
@options.quiet
def train(
    project_path: Path,
    output: Path | None,
    source: Path | None,
    freeze: int | None,
    resume: bool,
    as_json: bool,
    quiet: bool,
    **asked: Any,
) -> None:
    """Train a float model on the project's recordings.

    With --from the cells, the units and the scaling of the channels are those of that model, trained or imported; so
    are the weights of its head if the outputs are the same. Channels and sample rate must be the same.
    """
    from edge_lstm.cli.progress import epochs
    from edge_lstm.cli.table import metrics_table
    from edge_lstm.errors import ProjectError
    from edge_lstm.pipeline import prepare, source_at, train_model
    from edge_lstm.project import load_project

    if freeze is not None and source is None:
        raise ProjectError(f"--freeze {freeze} is of the layers of a trained model; name it with --from")
    project = load_project(project_path).asking(training=asked)
    file = output or project.model_file
    start = None if source is None else source_at(source, freeze or 0, file)
    prepared = prepare(project)
    options.print_notes(prepared.notes, quiet)
    try:
        with epochs(project.training.epochs, quiet or as_json) as on_epoch:
            trained = train_model(prepared, file, resume, on_epoch, start)
    except KeyboardInterrupt:
        options.print_notes(("stopped; the same command with --resume goes on after the last whole epoch",), quiet)
        raise
    options.print_notes(trained.notes, quiet)
    if as_json:
        options.print_json(trained.to_json())
        return
    click.echo(
        f"{trained.file}: {trained.model.parameters} parameters, best epoch {trained.best_epoch} of {trained.epochs}"
    )
    click.echo(metrics_table(trained.metrics))
