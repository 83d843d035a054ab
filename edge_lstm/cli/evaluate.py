"""``edge-lstm evaluate``."""

from __future__ import annotations

from pathlib import Path

import click

from edge_lstm.cli import options


@click.command()
@options.project
@options.model("Model file or bundle.  [default: what train and export wrote]")
@click.option(
    "--split",
    "part",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    show_default=True,
    help="Part of the recordings to judge by.",
)
@options.as_json
@options.quiet
def evaluate(project_path: Path, model_path: Path | None, part: str, as_json: bool, quiet: bool) -> None:
    """Metrics of a model or a bundle: float, int8 and TFLite.

    int8 is arithmetic native; what TFLite computes is tflite, or step where a bundle has no fused file.
    """
    from edge_lstm.cli.table import metrics_table
    from edge_lstm.pipeline import evaluate_path, prepare
    from edge_lstm.project import load_project

    project = load_project(project_path)
    prepared = prepare(project)
    options.print_notes(prepared.notes, quiet)
    metrics = evaluate_path(prepared, model_path, part)
    if as_json:
        options.print_json(metrics)
        return
    click.echo(metrics_table(metrics))
