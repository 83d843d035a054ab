"""``edge-lstm train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edge_lstm.cli import options


@click.command()
@options.project
@options.output("Model file to write.  [default: build/NAME.safetensors]")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint, as if nothing had happened.")
@click.option("--epochs", type=int, help="Most passes over the training part.")
@click.option("--seed", type=int, help="Of weights, shuffling and dropout.")
@options.as_json
@options.quiet
def train(project_path: Path, output: Path | None, resume: bool, as_json: bool, quiet: bool, **asked: Any) -> None:
    """Train a float model on the project's recordings."""
    from edge_lstm.cli.progress import epochs
    from edge_lstm.cli.table import metrics_table
    from edge_lstm.pipeline import prepare, train_model
    from edge_lstm.project import load_project

    project = load_project(project_path).asking(training=asked)
    prepared = prepare(project)
    options.print_notes(prepared.notes, quiet)
    try:
        with epochs(project.training.epochs, quiet or as_json) as on_epoch:
            trained = train_model(prepared, output or project.model_file, resume, on_epoch)
    except KeyboardInterrupt:
        options.print_notes(("stopped; `edge-lstm train --resume` goes on after the last whole epoch",), quiet)
        raise
    options.print_notes(trained.notes, quiet)
    if as_json:
        options.print_json(trained.to_json())
        return
    click.echo(
        f"{trained.file}: {trained.model.parameters} parameters, best epoch {trained.best_epoch} of {trained.epochs}"
    )
    click.echo(metrics_table(trained.metrics))
