"""Projects around imported networks: recordings of random numbers, so that an import goes on to a verified bundle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner

from edge_lstm.cli import cli


def project(folder: Path, channels: Sequence[str], rows: Any, targets: Sequence[str], truth: Any) -> Path:
    """A regress project: rows (R, T, C) and truth (R, T, O) of R recordings, the first half to train on."""
    folder.mkdir()
    lines = [",".join(["recording", "split", *channels, *targets])]
    for r, (samples, wanted) in enumerate(zip(rows, truth, strict=True)):
        part = "train" if r < len(rows) // 2 else "test"
        lines += [f"r{r},{part}," + ",".join(map(str, [*x, *y])) for x, y in zip(samples, wanted, strict=True)]
    (folder / "data.csv").write_text("\n".join(lines) + "\n")
    (folder / "edge-lstm.toml").write_text(
        f"""name = "imported"
[data]
path = "data.csv"
recording = "recording"
split = "split"
target = {json.dumps(list(targets))}
[task]
kind = "regress"
at = "step"
[split]
by = "given"
validation = 0.2
[model]
units = [4]
"""
    )
    return folder


def told(*words: object) -> Any:
    """What a command with ``--json`` says."""
    done = CliRunner().invoke(cli, [*map(str, words), "--json", "-q"])
    assert done.exit_code == 0, done.output + repr(done.exception)
    return json.loads(done.stdout)


def random_rows(channels: int, recordings: int = 8, steps: int = 40, seed: int = 0) -> Any:
    return np.round(np.random.default_rng(seed).normal(0, 1, (recordings, steps, channels)), 3)
