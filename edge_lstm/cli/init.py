"""``edge-lstm init``."""

from __future__ import annotations

from pathlib import Path

import click

from edge_lstm.cli import options


@click.command()
@click.argument("folder", metavar="DIR", type=options.PATH)
@click.option("--example", help="Data to start with: motion (made here), japanese-vowels (from a checkout) or none.")
@options.as_json
def init(folder: Path, example: str | None, as_json: bool) -> None:
    """Start a project in DIR: edge-lstm.toml and an example to edit."""
    from edge_lstm.starter import start_project

    files = start_project(folder, example or "motion")
    if as_json:
        options.print_json({"folder": str(folder), "files": files})
        return
    click.echo(f"{folder}: {len(files)} files. Next:\n  cd {folder}\n  edge-lstm train\n  edge-lstm export --int8")
