"""Options that mean the same in every command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

PATH = click.Path(path_type=Path)

project = click.option(
    "--project",
    "project_path",
    type=PATH,
    default="edge-lstm.toml",
    show_default=True,
    help="Project file, or the folder it lies in.",
)
bundle = click.argument("bundle", type=PATH, required=False)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for machines.")
require_signature = click.option(
    "--require-signature",
    "public_key",
    type=PATH,
    envvar="EDGE_LSTM_REQUIRE_SIGNATURE",
    show_envvar=True,
    help="Refuse a bundle that is not signed by this public key, was changed, or is older than one accepted before.",
)
quiet = click.option("-q", "--quiet", is_flag=True, help="Print the result alone, no progress and no notes.")


def output(what: str) -> Decorator:
    return click.option("-o", "--output", type=PATH, help=what)


def model(what: str) -> Decorator:
    return click.option("-m", "--model", "model_path", type=PATH, help=what)


def print_json(values: Any) -> None:
    click.echo(json.dumps(values, indent=2, ensure_ascii=False))


def print_notes(notes: tuple[str, ...], quiet: bool) -> None:
    """Things worth knowing that are no error, on stderr."""
    if not quiet:
        for note in notes:
            click.echo(f"note: {note}", err=True)
