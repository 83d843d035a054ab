"""Writes docs/reference.md from the code: commands, project file, back ends, rules. A test holds the two together."""

from __future__ import annotations

import inspect
import re
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import click

from edge_lstm.cli import COMMANDS, load
from edge_lstm.datasets.front_end import FrontEnd
from edge_lstm.datasets.spec import DataSpec, SplitSpec, TaskSpec
from edge_lstm.deploy.fleet import FleetTarget
from edge_lstm.monitor.keys import KEYS
from edge_lstm.project import ExportSpec, ScalingSpec, StreamSpec
from edge_lstm.runtimes import BACK_ENDS
from edge_lstm.training.spec import MODEL_KEYS, TrainingSpec
from edge_lstm_calibration.observers import OBSERVERS
from edge_lstm_export.tflite.rules import RULES

REFERENCE = Path(__file__).with_name("reference.md")

TABLES: dict[str, tuple[type, set[str]]] = {
    "data": (DataSpec, {"front_end"}),
    "data.front_end": (FrontEnd, set()),
    "task": (TaskSpec, set()),
    "split": (SplitSpec, set()),
    "scaling": (ScalingSpec, set()),
    "model": (TrainingSpec, {f.name for f in fields(TrainingSpec)} - set(MODEL_KEYS)),
    "training": (TrainingSpec, set(MODEL_KEYS)),
    "export": (ExportSpec, set()),
    "stream": (StreamSpec, set()),
}
"""Table of the project file → the class behind it, and the fields that are not keys of this table."""


def reference() -> str:
    """The whole page."""
    return "\n".join(
        [
            "# Reference",
            "",
            "Made from the code by `docs/make_reference.py`.",
            "",
            "## Commands",
            "",
            *(line for name in COMMANDS for line in _command(name)),
            "## The project file",
            "",
            "`edge-lstm.toml` makes every flag optional. `name` at its top names the model and the bundle.",
            "",
            *(line for name, (spec, others) in TABLES.items() for line in _table(name, spec, others)),
            "## The file of a fleet",
            "",
            "What `edge-lstm fleet` reads: a table a board.",
            "",
            *_table("[target]", FleetTarget, set()),
            "## Back ends of a stream",
            "",
            "| back end | arithmetics, the first by default |",
            "|---|---|",
            *(f"| `{name}` | {', '.join(row.arithmetics)} |" for name, row in BACK_ENDS.items()),
            "",
            "## What a monitor reports",
            "",
            "The JSON objects of `--monitor`, on stderr, in a file or on a topic. A figure that is not known is null.",
            "Prometheus has the same with a HELP line each.",
            "",
            "| key | meaning |",
            "|---|---|",
            *(f"| `{key}` | {meaning} |" for key, meaning in KEYS.items()),
            "",
            "## Observers",
            "",
            *(f"- `{name}`: {_first_sentence(function)}" for name, function in OBSERVERS.items()),
            "",
            "## What a TFLite file must obey",
            "",
            "The runtimes do not check these; our writer does.",
            "",
            *(line for operator, (int8, _) in RULES.items() for line in _rules(operator, int8)),
        ]
    )


def _rules(operator: str, rules: Any) -> list[str]:
    return [f"`{operator}`, int8:", "", *(f"- {_first_sentence(rule)}" for rule in rules), ""]


def _command(name: str) -> list[str]:
    command = load(name)
    context = click.Context(
        command, info_name=f"edge-lstm {name}", terminal_width=100, help_option_names=["-h", "--help"]
    )
    return [f"### edge-lstm {name}", "", "```", command.get_help(context), "```", ""]


def _table(name: str, spec: type, others: set[str]) -> list[str]:
    meanings = _arguments(spec)
    rows = [f"| `{f.name}` | {_default(f)} | {meanings[f.name]} |" for f in fields(spec) if f.name not in others]
    return [f"### [{name}]", "", "| key | default | meaning |", "|---|---|---|", *rows, ""]


def _arguments(spec: type) -> dict[str, str]:
    """The ``Args`` section of a docstring."""
    text = inspect.getdoc(spec) or ""
    section = text.split("Args:\n", 1)[1].split("\n\n", 1)[0]
    entries = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", section, re.MULTILINE | re.DOTALL)
    return {key: " ".join(meaning.split()).replace("``", "`").replace("|", "\\|") for key, meaning in entries}


def _default(field: Field[Any]) -> str:
    if field.default is MISSING:
        return "required"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    return "" if value in (None, []) else f"`{str(value).lower() if isinstance(value, bool) else repr(value)}`"


def _first_sentence(function: Any) -> str:
    text = " ".join((inspect.getdoc(function) or "").split("\n\n", 1)[0].split())
    return text.replace("``", "`")


if __name__ == "__main__":
    REFERENCE.write_text(reference(), encoding="utf-8")
