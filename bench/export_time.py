"""How long `edge-lstm export --int8` takes, verification included.

    python bench/export_time.py [--runs 3] [--keep FOLDER]

An LSTM(32) of 9 inputs and 6 classes, 1,000 training recordings of 128 steps to calibrate on and 250 test recordings to
judge by, in a project on disk. Every run is a process of its own, with a module `tensorflow` that cannot be imported
before the real one on its path and on that of every process it starts. The exit code is 1 if the quickest run takes
5 s or more after start-up.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import machine

from edge_lstm.model import DenseWeights, FloatModel, Interface, LstmWeights
from edge_lstm.modelfile import save_model
from edge_lstm.pipeline import prepare
from edge_lstm.project import load_project

FEATURES, UNITS, CLASSES = 9, 32, 6
STEPS, TRAIN, TEST = 128, 1000, 250
TARGET_S = 5.0
SEED = 0

PROJECT = """\
name = "timed"
[data]
path = "recordings.npz"
[task]
kind = "classify"
[split]
by = "given"
validation = 0
"""

TRAP = """\
import os, pathlib
pathlib.Path(os.environ["EDGE_LSTM_TRAP"]).touch()
raise ImportError("TensorFlow was asked for")
"""


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, and of processor time in a process and its children."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:6.2f} s   {self.cpu:6.2f} s"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="make the project here and leave it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch) / "timed"
        write_project(folder)
        process = without_tensorflow(Path(scratch))
        program = str(Path(sys.executable).with_name("edge-lstm"))
        helped = quickest(lambda: process(program, "--help"))
        started = quickest(lambda: process(sys.executable, "-c", "import edge_lstm.cli.export, edge_lstm.export"))
        export = [program, "export", "--int8", "--json", "--project", str(folder)]
        runs = [process(*export) for _ in range(options.runs)]
        if (Path(scratch) / "asked").exists():
            sys.exit("export_time: TensorFlow was imported")
    print(machine())
    print(f"{'':26}    clock  processor")
    for what, spent in (("edge-lstm --help", helped), ("imports of export", started)):
        print(f"{what:26}{spent}")
    for number, spent in enumerate(runs, 1):
        print(f"{f'export --int8, run {number}':26}{spent}")
    after = min(spent.wall for spent in runs) - started.wall
    print(f"after start-up, quickest: {after:.2f} s, target {TARGET_S:.0f} s; TensorFlow was not imported")
    return int(after >= TARGET_S)


def write_project(folder: Path) -> None:
    """Smooth random recordings, and a model of random weights of the size training gives."""
    random = np.random.default_rng(SEED)
    noise = random.normal(0, 1, (TRAIN + TEST, STEPS + 7, FEATURES))
    smooth = sum(noise[:, k : STEPS + k] for k in range(8)) / np.sqrt(8)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / "recordings.npz",
        x=(3.0 * smooth + 10.0).astype(np.float32),
        y=np.arange(TRAIN + TEST) % CLASSES,
        split=np.repeat(["train", "test"], [TRAIN, TEST]),
        labels=np.array([f"class-{k}" for k in range(CLASSES)]),
        rate_hz=np.array(50.0),
    )
    (folder / "edge-lstm.toml").write_text(PROJECT)
    project = load_project(folder)
    save_model(random_model(random, prepare(project).interface()), project.model_file)


def random_model(random: np.random.Generator, interface: Interface) -> FloatModel:
    kernel = random.normal(0, 1 / np.sqrt(FEATURES), (4, UNITS, FEATURES))
    recurrent = random.normal(0, 1 / np.sqrt(UNITS), (4, UNITS, UNITS))
    bias = random.normal(0, 0.2, (4, UNITS))
    bias[1] += 1.0
    head = DenseWeights(random.normal(0, 1, (CLASSES, UNITS)), random.normal(0, 0.1, CLASSES))
    return FloatModel((LstmWeights(kernel, recurrent, bias),), head, interface)


def without_tensorflow(scratch: Path) -> Callable[..., Spent]:
    """A function that runs a command to its end; ``scratch/asked`` is there if any process asked for TensorFlow."""
    (scratch / "tensorflow").mkdir()
    (scratch / "tensorflow" / "__init__.py").write_text(TRAP)
    environment = {**os.environ, "PYTHONPATH": str(scratch), "EDGE_LSTM_TRAP": str(scratch / "asked")}

    def process(*command: str) -> Spent:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            sys.exit(f"export_time: {command[0]} ended with exit code {done.returncode}: {done.stderr}")
        return Spent(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    return process


def quickest(run: Callable[[], Spent], times: int = 5) -> Spent:
    return min((run() for _ in range(times)), key=lambda spent: spent.wall)


if __name__ == "__main__":
    sys.exit(main())
