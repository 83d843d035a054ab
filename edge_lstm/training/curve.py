"""The training curve: one JSON record a line, one line an epoch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_lstm.files import write_atomically

Record = dict[str, Any]


def save_curve(path: Path, curve: Sequence[Record]) -> None:
    """Replace the curve's file."""
    write_atomically(path, "".join(json.dumps(record) + "\n" for record in curve).encode())


def load_curve(path: Path) -> list[Record]:
    """The records of a curve's file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
