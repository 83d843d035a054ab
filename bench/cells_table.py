"""Accuracy against flash, RAM and instructions: four cells, three sizes, three seeds, three data sets.

    python bench/cells_table.py [--sets har,fsdd] [--cells gru] [--units 12] [--seeds 3] [--jobs 2] [--float]

Finished figures go to ``build/bench/cells/cells.jsonl``, a JSON record a line, and models beside it, so a run that
is interrupted goes on where it was, and one with other arguments takes what is there; after a change to the integers or
the kernels, ``--fresh native,tflite,device`` computes those anew. ``--float`` trains and judges float models alone.
Every combination of a set is trained for the same number of epochs, which are few enough for all of them to end in half
an hour on two cores. What could not be computed stands below the table, with its reason.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

# One thread a process: the processes share the cores, and sums do not hang on their number.
os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}

import numpy as np
from accuracy import Case, prepare
from machine import machine
from recipes import RECIPES

from edge_lstm.board import Board, load_core
from edge_lstm.metrics import evaluate
from edge_lstm.model import FloatModel, LstmWeights
from edge_lstm.modelfile import Model, load_model, save_model
from edge_lstm.reference import network, replay
from edge_lstm.training import TrainingSpec, train
from edge_lstm_calibration import calibrate, quantise_native, quantise_tflite
from edge_lstm_calibration.quantise_step import quantise_step
from edge_lstm_export.c_source import write_c
from edge_lstm_export.emulators import emulate, program
from edge_lstm_export.emulators.base import Layout
from edge_lstm_export.size import flash_parts, link, ram_parts

OUTPUT = Path(__file__).resolve().parent.parent / "build" / "bench"

CELLS = ("lstm", "gru", "rnn", "fastgrnn")
UNITS = (12, 24, 48)
EPOCHS = {"japanese_vowels": 60, "fsdd": 20, "har": 16}
CORE = "cortex-m4"
STEPS = 64
"""Steps of a recording that are run on the core."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """One place in the table, or one seed of it."""

    set: str
    cell: str
    units: int
    seed: int

    def spec(self) -> TrainingSpec:
        return replace(RECIPES[self.set].spec(self.seed), cell=self.cell, units=(self.units,), epochs=EPOCHS[self.set])

    def file(self, models: Path) -> Path:
        return models / f"{self.set}-{self.cell}-{self.units}-{self.seed}.safetensors"


@lru_cache(maxsize=3)
def case_of(name: str, seed: int) -> Case:
    return prepare(name, seed, quick=False)


def float_row(place: Place, models: Path) -> Row:
    """Train and judge."""
    case = case_of(place.set, place.seed)
    start = time.perf_counter()
    model = train(case.train, case.validation, case.interface, place.spec()).model
    seconds = time.perf_counter() - start
    save_model(model, place.file(models))
    return {
        "model": sha256(place.file(models)),
        "accuracy": accuracy_of(model, case),
        "parameters": model.parameters,
        "seconds": round(seconds, 1),
        "trained": model.interface.provenance["trained"],
    }


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def accuracy_of(model: Model, case: Case) -> float:
    series = [x[:n] for x, n in zip(case.test.inputs, case.test.lengths, strict=True)]
    if isinstance(model, FloatModel):
        outputs = replay(network(model), [model.interface.scaling.apply(s) for s in series])
    else:
        codes = replay(network(model), [model.encoding.encode(s) for s in series])
        outputs = [model.decoding.decode(y) for y in codes]
    return float(evaluate(outputs, case.test, model.interface, case.windows)["accuracy"])


def native_row(place: Place, models: Path) -> Row:
    model, case = trained(place, models), case_of(place.set, place.seed)
    return {"accuracy": accuracy_of(quantise_native(model, calibrate(model, case.calibration), "w8a16"), case)}


def tflite_row(place: Place, models: Path) -> Row:
    """Of the fused file where there is one for the cell, else of the one with explicit state."""
    model, case = trained(place, models), case_of(place.set, place.seed)
    fused = all(isinstance(layer, LstmWeights) for layer in model.layers)
    quantise = quantise_tflite if fused else quantise_step
    integers = quantise(model, calibrate(model, case.calibration))
    return {"accuracy": accuracy_of(integers, case), "file": "fused" if fused else "explicit state"}


def device_row(place: Place, models: Path) -> Row:
    """Bytes of the linked program and instructions of a step, head included, on the emulated core."""
    model, case, core = trained(place, models), case_of(place.set, place.seed), load_core(CORE)
    native = quantise_native(model, calibrate(model, case.calibration), "w8a16")
    source = write_c(native, kernel_set_name=core.kernels)
    image = link(source, Board(core.name, "", core, ""), native.interface.task.predicts_labels)
    layout = Layout.of(native)
    codes = native.encoding.encode(max(case.calibration, key=len)[:STEPS])
    ran = emulate(core, program(core, source), layout, [codes], None)
    return {
        "flash": sum(flash_parts(image).values()),
        "ram": sum(ram_parts(image, layout.state_bytes, core).values()) + ran.stack_bytes,
        "instructions": float(np.median(ran.counts)),
    }


def trained(place: Place, models: Path) -> FloatModel:
    model = load_model(place.file(models))
    assert isinstance(model, FloatModel)
    return model


JOBS: dict[str, Callable[[Place, Path], Row]] = {
    "float": float_row,
    "native": native_row,
    "tflite": tflite_row,
    "device": device_row,
}
"""Columns of the table; all but the first need the trained model. ``device`` is of the first seed alone, because counts
hang on shapes."""


def settings_of(place: Place) -> str:
    """Of what decides a model: settings and data."""
    case = case_of(place.set, place.seed)
    said = [place.spec().as_json(), case.interface.provenance, case.interface.channels]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def run_job(kind: str, place: Place, models: Path, known: dict[str, Row]) -> tuple[str, Row]:
    """(key, row) of a job: the one that is known if nothing has changed since, else a new one.

    A job that fails gives a row with the reason; it is not kept, so the next run tries again.
    """
    file = place.file(models)
    if kind != "float" and not file.is_file():
        return "", {"failed": "there is no trained model"}
    made_from = settings_of(place) if kind == "float" else sha256(file)[:16]
    key = f"{kind} {place.set} {place.cell} {place.units} {place.seed} {made_from}"
    if key in known and (kind != "float" or known[key]["model"] == sha256(file)):
        return key, known[key]
    try:
        return key, JOBS[kind](place, models)
    except Exception as error:
        return "", {"failed": f"{type(error).__name__}: {error}".split("\n")[0]}


def known_rows(file: Path) -> dict[str, Row]:
    """Rows by key. A line that a kill cut short is left out."""
    rows = {}
    for line in file.read_text().splitlines() if file.is_file() else ():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        rows[record["key"]] = record["row"]
    return rows


def work(
    places: Sequence[Place], kind: str, models: Path, known: dict[str, Row], rows: Path, jobs: int
) -> Iterator[tuple[Place, Row]]:
    """The rows of a kind, as they are finished; each is on disk before it is given."""
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        futures = {pool.submit(run_job, kind, place, models, known): place for place in places}
        for future in as_completed(futures):
            key, row = future.result()
            if key and known.get(key) != row:
                with rows.open("a") as file:
                    file.write(json.dumps({"key": key, **asdict(futures[future]), "kind": kind, "row": row}) + "\n")
            yield futures[future], row


Found = dict[str, dict[Place, Row]]


def mean(found: Found, kind: str, places: Sequence[Place]) -> tuple[float, float] | None:
    """Mean and spread, in percent; None unless every seed is there."""
    values = [100 * row["accuracy"] for row in (found[kind].get(p, {}) for p in places) if "accuracy" in row]
    return (float(np.mean(values)), float(np.std(values))) if len(values) == len(places) else None


def table(found: Found, sets: Sequence[str], cells: Sequence[str], units: Sequence[int], seeds: int) -> str:
    """Markdown."""
    lines = [
        "| set | cell | units | parameters | float % | int8 w8a16 % | int8 TFLite % | flash B | RAM B | instructions |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in sets:
        for cell in cells:
            for width in units:
                places = [Place(name, cell, width, seed) for seed in range(seeds)]
                device = found["device"].get(places[0], {})
                parameters = found["float"].get(places[0], {}).get("parameters")
                figures = [_percent(mean(found, kind, places)) for kind in ("float", "native", "tflite")]
                counts = [_count(device.get(key)) for key in ("flash", "ram", "instructions")]
                row = [name, cell, str(width), _count(parameters), *figures, *counts]
                lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _percent(figures: tuple[float, float] | None) -> str:
    return "–" if figures is None else f"{figures[0]:.2f} ± {figures[1]:.2f}"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def costs(found: Found, cells: Sequence[str]) -> Iterator[str]:
    """What int8 costs on the mean over all places, in points."""
    for cell in cells:
        for kind in ("native", "tflite"):
            there = [p for p, row in found[kind].items() if p.cell == cell and "accuracy" in row]
            if there:
                lost = [100 * (found["float"][p]["accuracy"] - found[kind][p]["accuracy"]) for p in there]
                yield f"{cell}: {kind} loses {np.mean(lost):+.3f} points on the mean of {len(lost)} models"


def failures(found: Found) -> Iterator[str]:
    """Every reason, with how often and where first."""
    reasons: dict[tuple[str, str, str], list[Place]] = {}
    for kind, rows in found.items():
        for place, row in rows.items():
            if "failed" in row:
                reasons.setdefault((kind, place.cell, row["failed"]), []).append(place)
    for (kind, cell, reason), places in reasons.items():
        yield f"NOT COMPUTED {kind} of {cell}, {len(places)} × (first {places[0]}): {reason}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", default=",".join(EPOCHS))
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--units", default=",".join(map(str, UNITS)))
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--float", action="store_true", help="train and judge float models alone")
    parser.add_argument("--fresh", default="", help=f"compute anew, though it is known: of {', '.join(JOBS)}")
    parser.add_argument("--models", type=Path, default=OUTPUT / "cells", help="folder of the models and of cells.jsonl")
    asked = parser.parse_args()
    sets, cells = asked.sets.split(","), asked.cells.split(",")
    units = [int(width) for width in asked.units.split(",")]
    fresh = asked.fresh.split(",") if asked.fresh else []
    for names, choices in ((sets, EPOCHS), (cells, CELLS), (fresh, JOBS)):
        for name in names:
            if name not in choices:
                parser.error(f"{name!r} is not known; choose from {', '.join(choices)}")
    asked.models.mkdir(parents=True, exist_ok=True)
    # Seed by seed, so that what an interrupted run leaves is a whole table of fewer seeds.
    every = [Place(*p) for p in ((s, c, u, k) for k in range(asked.seeds) for s in sets for u in units for c in cells)]
    rows = asked.models / "cells.jsonl"
    found: Found = {}
    for kind in ("float",) if asked.float else tuple(JOBS):
        places = [p for p in every if p.seed == 0] if kind == "device" else every
        found[kind] = {}
        known = {} if kind in fresh else known_rows(rows)
        for place, row in work(places, kind, asked.models, known, rows, asked.jobs):
            found[kind][place] = row
            print(kind, place, row, file=sys.stderr, flush=True)
    found = {kind: found.get(kind, {}) for kind in JOBS}
    print(machine())
    print(table(found, sets, cells, units, asked.seeds))
    print("\n".join([*costs(found, cells), *failures(found)]))
    return 1 if any(True for _ in failures(found)) else 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
