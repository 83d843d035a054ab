"""Progress of training: a bar where rich is installed and a person is looking, a line an epoch elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click

_SHOWN = ("loss", "validation_loss", "validation_accuracy", "validation_mae", "best")

OnEpoch = Callable[[Mapping[str, Any]], None]


@contextlib.contextmanager
def epochs(total: int, quiet: bool) -> Iterator[OnEpoch | None]:
    """Something to call with the figures of each epoch, or None."""
    if quiet:
        yield None
    elif sys.stderr.isatty() and (bar := _rich_bar(total)) is not None:
        progress, on_epoch = bar
        with progress:
            yield on_epoch
    else:
        yield lambda figures: click.echo(f"epoch {figures['epoch']}/{total}  {_words(figures)}", err=True)


def _rich_bar(total: int) -> tuple[Any, OnEpoch] | None:
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        return None
    columns = (BarColumn(bar_width=16), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    progress = Progress(*columns, console=Console(stderr=True))
    task = progress.add_task("", total=total)
    return progress, lambda figures: progress.update(task, completed=figures["epoch"], description=_words(figures))


def _words(figures: Mapping[str, Any]) -> str:
    named = {name.replace("_", " "): value for name, value in figures.items() if name in _SHOWN}
    return "  ".join(f"{name} {value:.4g}" for name, value in named.items() if isinstance(value, int | float))
