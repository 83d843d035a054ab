"""Commands of import as tests run them, and what an import computes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result

from edge_lstm.cli import cli
from edge_lstm.importers import read
from edge_lstm.importers.compare import BOUND, outputs_as_in_file
from edge_lstm.importers.given import Given
from edge_lstm.importers.interface import float_model
from edge_lstm.importers.network import network_of
from edge_lstm.model import FloatModel

SECONDS = 1.0
"""Of this process, in which a refusal must be said, the import of a library included."""


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, ["import", *map(str, words)])


def refused(*words: object, code: int = 2) -> str:
    """The one line on stderr of a command that must fail and print nothing else."""
    began = time.process_time()
    done = run(*words)
    assert time.process_time() - began < SECONDS
    assert done.exit_code == code, done.output + str(done.exception)
    assert done.stdout == ""
    assert done.stderr.startswith("edge-lstm: error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def model_in(path: Path, **given: Any) -> FloatModel:
    return float_model(read(path), Given(**given), path)[0]


def is_alike(path: Path, x: Any, y: Any) -> bool:
    """Whether the import gives y (B, …) for x (B, T, F), whole and step by step, within ``compare.BOUND``."""
    chain = read(path)
    outputs: Sequence[Any] = outputs_as_in_file(network_of(chain, path), model_in(path), x)
    return all(o.shape == y.shape and np.abs(o - y).max() <= BOUND * np.abs(y).max() for o in outputs)
