"""A project to start from: a commented project file and recordings to train on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_lstm.datasets.settings import suggestion
from edge_lstm.errors import ProjectError
from edge_lstm.files import new_directory
from edge_lstm.project import PROJECT_FILE

RATE_HZ = 50
STEPS = 100
RECORDINGS_PER_CLASS = 24
SEED = 7

PROJECT_TEXT = """\
# An edge-lstm project. Every key but [data] path and [task] kind has a default; delete what you do not need.

[data]
path = "data"               # one CSV a recording, in a folder for each class: data/LABEL/NAME.csv
rate_hz = 50                # samples a second; leave it out if the files have a timestamp column
# missing = "hold"          # refuse (default), hold the last value, or interpolate

[task]
kind = "classify"           # classify, tag, forecast, regress or anomaly
window = 50                 # steps of a window: the stream speaks at the end of each; leave it out to speak every step
stride = 10                 # steps between the starts of training windows

[split]
by = "file"                 # file, group, time or given: never by overlapping windows
test = 0.25
validation = 0.15

[scaling]
inputs = "standard"         # standard, min-max, robust or none

[model]
units = [16]                # units of each recurrent layer
# cell = "gru"              # lstm (default), gru, rnn, fastgrnn, bilstm, which looks ahead, …; or a list of one a layer

[training]
epochs = 40

[export]
int8 = true
scheme = "w8a16"            # w8a16 (more accurate) or w8a8 (for cores with wide 8-bit multiplies)
"""


def start_project(folder: Path, example: str = "motion") -> list[str]:
    """Write a project into ``folder``, which must be new or empty; the names of the files written.

    Args:
        example: ``motion``: three movements of an accelerometer, made by formula; ``japanese-vowels``: real speech,
            copied from a checkout of edge-lstm; ``none``: the project file alone.

    Raises:
        ProjectError: if the folder holds anything, or there is no such example.
    """
    if example not in EXAMPLES:
        raise ProjectError(f"example {example!r} is not known; {suggestion(example, EXAMPLES)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ProjectError(f"{folder}: is not an empty folder; start the project in a new one")
    with new_directory(folder, PROJECT_FILE) as work:
        EXAMPLES[example](work)
        return sorted(path.relative_to(work).as_posix() for path in work.rglob("*") if path.is_file())


def _bare(folder: Path) -> None:
    (folder / PROJECT_FILE).write_text(PROJECT_TEXT)


def _motion(folder: Path) -> None:
    _bare(folder)
    random = np.random.default_rng(SEED)
    for label, movement in MOVEMENTS.items():
        (folder / "data" / label).mkdir(parents=True)
        for number in range(RECORDINGS_PER_CLASS):
            _write_csv(folder / "data" / label / f"{number:02d}.csv", _recording(movement, random))


def _japanese_vowels(folder: Path) -> None:
    source = Path(__file__).parents[1] / "examples" / "japanese_vowels"
    if not (source / PROJECT_FILE).is_file():
        raise ProjectError(
            "example 'japanese-vowels' lies in a checkout of edge-lstm, not in the installed package; "
            "take --example motion"
        )
    shutil.copytree(source, folder, dirs_exist_ok=True)


EXAMPLES: dict[str, Callable[[Path], None]] = {"motion": _motion, "japanese-vowels": _japanese_vowels, "none": _bare}

Movement = Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], ...]]
"""Phase (T,) in radians → acceleration (T,) along x, y, z in g, gravity left out."""

MOVEMENTS: dict[str, Movement] = {
    "circle": lambda p: (0.8 * np.cos(p), 0.8 * np.sin(p), 0.0 * p),
    "shake": lambda p: (1.2 * np.sign(np.sin(2 * p)), 0.1 * np.sin(4 * p), 0.0 * p),
    "rest": lambda p: (0.0 * p, 0.0 * p, 0.0 * p),
}


def _recording(movement: Movement, random: np.random.Generator) -> NDArray[np.float64]:
    """(T, 3) acceleration in g of one movement, with its own speed, start, strength, tilt and noise."""
    speed, start = random.uniform(1.0, 2.5), random.uniform(0, 2 * np.pi)
    phase = start + 2 * np.pi * speed * np.arange(STEPS) / RATE_HZ
    moved = random.uniform(0.7, 1.3) * np.stack(movement(phase), axis=1)
    gravity = np.array([0.0, 0.0, 1.0]) + random.normal(0, 0.15, 3)
    return np.asarray(moved + gravity + random.normal(0, 0.08, moved.shape))


def _write_csv(file: Path, series: NDArray[np.float64]) -> None:
    rows = "".join(",".join(f"{value:.4f}" for value in row) + "\n" for row in series)
    file.write_text("ax,ay,az\n" + rows)
