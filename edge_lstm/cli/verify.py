"""``edge-lstm verify``."""

from __future__ import annotations

from pathlib import Path

import click

from edge_lstm.cli import options


@click.command()
@options.bundle
@options.project
@options.as_json
def verify(bundle: Path | None, project_path: Path, as_json: bool) -> None:
    """Prove every artefact against the reference, byte for byte.

    BUNDLE is the project's own when it is left out. The exit code is 1 if an artefact disagrees.
    """
    from edge_lstm.bundle import Bundle
    from edge_lstm.cli.table import checks_table
    from edge_lstm.project import load_project
    from edge_lstm_export.verify import verify as verify_bundle

    bundle = bundle or load_project(project_path).bundle_folder
    report = verify_bundle(Bundle.open(bundle))
    if as_json:
        options.print_json(report.to_json())
    else:
        click.echo(checks_table(report.to_json()["checks"]))
    report.require_ok()
