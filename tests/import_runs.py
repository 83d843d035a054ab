"""Commands of import as tests run them, and what an import computes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Alone:
    """An import in a process of its own.

    Args:
        seconds: of the processor, without what it takes to start; those of its own children count.
        kilobytes: of memory at most, of it or of a child.
    """

    code: int
    stderr: str
    seconds: float
    kilobytes: int


_ALONE = """
import os, pathlib, resource, sys
from edge_lstm.cli import main
before = os.times()
code = 0
try:
    main()
except SystemExit as end:
    code = end.code
status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
# What os.wait4 says begins at what the parent has.
print(sum(os.times()[:4]) - sum(before[:4]), max(int(status["VmHWM"].split()[0]), children))
sys.exit(code)
"""


def alone(path: Path, folder: Path) -> Alone:
    """Import a file, without running its original."""
    words = [sys.executable, "-c", _ALONE, "import", path, "-o", folder / "m.safetensors", "--no-compare", "-q"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100)
    seconds, kilobytes = done.stdout.split()[-2:]
    return Alone(done.returncode, done.stderr, float(seconds), int(kilobytes))
