"""``edge-lstm stream``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from edge_lstm.cli import options


@click.command()
@options.bundle
@options.project
@click.option("--backend", help="auto, reference, c, tflite-runtime, litert or tflm.  [default: auto]")
@click.option("--arithmetic", help="native, tflite, tflm, step or float.  [default: the back end's own]")
@click.option("--target", help="Run on a board: its serial port, or socket://HOST:PORT.  [default: here]")
@click.option("--every-step", is_flag=True, help="Predict at every step, also inside a window.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), help="Of the lines printed.  [default: text]")
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
def stream(
    bundle: Path | None,
    project_path: Path,
    backend: str | None,
    arithmetic: str | None,
    target: str | None,
    every_step: bool,
    form: str | None,
) -> None:
    """Samples from stdin, predictions to stdout, one a line.

    With --target, a board that runs the firmware of the bundle's folder c does the work; samples and predictions are
    the same.

    BUNDLE is the project's own when it is left out; [stream] of the project file then gives the back end and the
    format.

    Samples are in physical units, their columns separated by comma, semicolon, tab, bar or blanks. If the first
    line is a header, columns are found by the names of the model's channels and others (such as timestamp) are
    ignored; without one, a line holds the channels in their order and nothing else.
    """
    from edge_lstm.errors import InputError, ProjectError
    from edge_lstm.streaming import LoadedModel, Stream
    from edge_lstm.streaming.lines import samples

    if sys.stdin is None or sys.stdout is None:
        raise InputError("stdin or stdout is closed; samples come in by one and predictions leave by the other")
    asked = backend
    if bundle is None:
        from edge_lstm.project import load_project

        project = load_project(project_path)
        bundle, backend, form = project.bundle_folder, backend or project.stream.backend, form or project.stream.format
    if target is not None and (asked or arithmetic):
        raise ProjectError("a board runs the firmware it has; leave out --backend and --arithmetic with --target")
    source = bundle if target is None else LoadedModel.on_board(bundle, target)
    live = Stream(source, backend or "auto", arithmetic, every_step)
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]  # bytes that are no text are no numbers either
    for sample in samples(sys.stdin, live.model.interface.channels):
        made = live.push(sample)
        if made is not None:
            line = json.dumps(made.to_json(), ensure_ascii=False) if form == "json" else made.to_text()
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
