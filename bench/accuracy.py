"""Accuracy on real data: float and integer networks side by side, several seeds.

    python bench/accuracy.py [--sets har,fsdd] [--seeds 3] [--quick] [--fresh]

Trains with the recipes of ``recipes.py`` on the sets of ``sets.py`` and prints a table; all figures go to
``build/bench/accuracy.json``. Trained models are kept in ``build/bench/models`` and used again as long as settings and
data are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from numpy.typing import NDArray
from recipes import RECIPES, Recipe
from sets import SETS

from edge_lstm.datasets.scaling import fit_input_scaling, fit_target_scaling
from edge_lstm.datasets.sequences import Sequences, make_sequences, outputs_of, task_of
from edge_lstm.errors import QuantisationError
from edge_lstm.integer import NativeModel, Scheme, TfliteModel
from edge_lstm.metrics import agreement, evaluate, signal_to_noise
from edge_lstm.model import FloatModel, Interface
from edge_lstm.modelfile import load_model, save_model
from edge_lstm.reference import network, replay
from edge_lstm.training import TrainingSpec, train
from edge_lstm_calibration import calibrate, quantise_native, quantise_tflite

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "build" / "bench"

Array = NDArray[Any]
IntegerModel = NativeModel | TfliteModel
Quantiser = Callable[[FloatModel, list[Array]], "IntegerModel | None"]


def _native(scheme: Scheme) -> Quantiser:
    return lambda model, recordings: quantise_native(model, calibrate(model, recordings), scheme)


QUANTISERS: list[tuple[str, Quantiser]] = [
    ("native", _native("w8a16")),
    ("native-w8a8", _native("w8a8")),
    ("tflite", lambda model, recordings: quantise_tflite(model, calibrate(model, recordings))),
]
"""Integer columns of the table: name, and how a float model and its calibration recordings (physical, (T, C)) become
an integer model; None leaves the cell empty."""

CALIBRATION_RECORDINGS = 1000


@dataclass(frozen=True, eq=False)
class Case:
    """One set at one seed, ready to train and to judge."""

    name: str
    recipe: Recipe
    spec: TrainingSpec
    interface: Interface
    train: Sequences
    validation: Sequences | None
    test: Sequences
    windows: list[list[tuple[int, int]]] | None
    calibration: list[Array]

    @property
    def model_file(self) -> Path:
        parts = [self.spec.as_json(), self.interface.provenance, self.interface.channels]
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
        for sequences in (self.train, self.validation):
            if sequences is not None:
                digest.update(sequences.inputs.tobytes() + sequences.targets.tobytes())
        return OUTPUT / "models" / f"{self.name}-{self.spec.seed}-{digest.hexdigest()[:16]}.safetensors"


def prepare(name: str, seed: int, quick: bool) -> Case:
    """The set as the command line would prepare it."""
    dataset, task, splits = SETS[name](seed)
    outputs = outputs_of(dataset, task)
    inputs = fit_input_scaling(splits.train, "standard")
    interface = Interface(
        channels=dataset.channels,
        scaling=inputs,
        task=task_of(dataset, task, outputs),
        target_scaling=fit_target_scaling(splits.train, task, outputs, inputs, "standard"),
        rate_hz=dataset.rate_hz,
        front_end=dataset.front_end,
        provenance={"data": dataset.fingerprint(), "split": splits.by},
    )
    whole = replace(task, chunk=max(r.steps for r in dataset.recordings))
    windows, judged = None, splits.test
    if task.kind == "anomaly":
        # Windows are hit or missed on the test recordings as they come, anomalies and all.
        whole, windows = replace(whole, normal=()), [_spans(r.step_labels != "normal") for r in judged.recordings]
    return Case(
        name=name,
        recipe=RECIPES[name],
        spec=RECIPES[name].spec(seed, quick),
        interface=interface,
        train=make_sequences(splits.train, task, outputs),
        validation=None if splits.validation is None else make_sequences(splits.validation, task, outputs),
        test=make_sequences(judged, whole, outputs),
        windows=windows,
        calibration=_spread([np.asarray(r.series) for r in splits.train.recordings]),
    )


def _spread(recordings: Sequence[Array]) -> list[Array]:
    """Evenly over all recordings, so that no class is left out by its place."""
    count = min(CALIBRATION_RECORDINGS, len(recordings))
    return [recordings[k] for k in np.linspace(0, len(recordings) - 1, count).round().astype(int)]


def trained(case: Case, fresh: bool) -> tuple[FloatModel, float]:
    """The float model, from the cache if it is there, and the seconds its training took."""
    file, note = case.model_file, case.model_file.with_suffix(".json")
    if file.is_file() and note.is_file() and not fresh:
        model = load_model(file)
        assert isinstance(model, FloatModel)
        return model, json.loads(note.read_text())["seconds"]
    start = time.perf_counter()
    result = train(case.train, case.validation, case.interface, case.spec)
    seconds = time.perf_counter() - start
    save_model(result.model, file)
    note.write_text(json.dumps({"seconds": seconds, "best_epoch": result.best_epoch, "curve": result.curve}))
    return result.model, seconds


def judge(case: Case, fresh: bool) -> dict[str, Any]:
    """Metrics of the float network and of every integer one."""
    model, seconds = trained(case, fresh)
    series = [x[:n] for x, n in zip(case.test.inputs, case.test.lengths, strict=True)]
    reference = replay(network(model), [model.interface.scaling.apply(s) for s in series])
    found = {
        "seed": case.spec.seed,
        "parameters": model.parameters,
        "seconds": round(seconds, 1),
        "trained": model.interface.provenance.get("trained"),
        "float": evaluate(reference, case.test, model.interface, case.windows),
    }
    for name, quantise in QUANTISERS:
        try:
            integer = quantise(model, case.calibration)
        except QuantisationError as error:
            found.setdefault("refused", {})[name] = str(error)
            continue
        if integer is None:
            continue
        codes = replay(network(integer), [integer.encoding.encode(s) for s in series])
        outputs = [integer.decoding.decode(y) for y in codes]
        found[name] = evaluate(outputs, case.test, model.interface, case.windows)
        found[name]["signal_to_noise_db"] = signal_to_noise(reference, outputs)
        if model.interface.task.predicts_labels:
            ends = [[y[-1:] for y in many] for many in (reference, outputs)]
            found[name]["agreement"] = agreement(*ends)
    if case.name == "air_quality":
        found["ridge_24h_mae"] = ridge_mae(case)
    return found


def ridge_mae(case: Case, penalty: float = 1.0) -> float:
    """MAE of ridge regression on all the scaled values of a window, fitted on training and validation windows."""
    parts = [case.train] if case.validation is None else [case.train, case.validation]
    design = [_design(case, part) for part in (*parts, case.test)]
    truth = [part.targets[:, -1, 0].astype(np.float64) for part in (*parts, case.test)]
    a, b = np.concatenate(design[:-1]), np.concatenate(truth[:-1])
    weights = np.linalg.solve(a.T @ a + penalty * np.eye(a.shape[1]), a.T @ b)
    return float(np.abs(design[-1] @ weights - truth[-1]).mean())


def _design(case: Case, sequences: Sequences) -> Array:
    scaled = case.interface.scaling.apply(sequences.inputs).reshape(len(sequences), -1)
    return np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)


def _spans(flags: Array) -> list[tuple[int, int]]:
    """Runs of true flags as (first, one past the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def summary(recipe: Recipe, runs: Sequence[dict[str, Any]], column: str) -> dict[str, float] | None:
    """Mean and spread over seeds of a column's metric."""
    values = [run[column][recipe.metric] for run in runs if column in run]
    if not values:
        return None
    return {"mean": float(np.mean(values)), "spread": float(np.std(values)), "worst": _worst(recipe, values)}


def _worst(recipe: Recipe, values: Sequence[float]) -> float:
    return float(min(values) if recipe.higher else max(values))


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """The figures as aligned text."""
    columns = ["float", *(name for name, _ in QUANTISERS)]
    rows = [["set", "metric", "target", *columns, "seconds", "notes"]]
    for name, runs in results.items():
        recipe = RECIPES[name]
        sums = {c: summary(recipe, runs, c) for c in columns}
        cells = ["-" if s is None else _figure(recipe, s["mean"], s["spread"]) for s in sums.values()]
        aim = "-" if recipe.target is None else f"{'>=' if recipe.higher else '<'} {recipe.target * recipe.scale:g}"
        mark = "" if recipe.reached(sums["float"]["mean"]) else "  MISSED"  # type: ignore[index]  # float is there
        seconds = f"{np.mean([run['seconds'] for run in runs]):.0f}"
        rows.append([name, f"{recipe.metric} {recipe.unit}", aim, cells[0] + mark, *cells[1:], seconds, _notes(runs)])
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _figure(recipe: Recipe, mean: float, spread: float) -> str:
    digits = 2 if recipe.scale != 1 or recipe.metric == "windows_hit" else 4
    return f"{mean * recipe.scale:.{digits}f} ± {spread * recipe.scale:.{digits}f}"


def _notes(runs: Sequence[dict[str, Any]]) -> str:
    parts = [
        f"seed {run['seed']}: {name} refused ({message.split(';')[0]})"
        for run in runs
        for name, message in run.get("refused", {}).items()
    ]
    if "ridge_24h_mae" in runs[0]:
        parts.append(f"24 h ridge {runs[0]['ridge_24h_mae']:.4f}")
    if "alarm_fraction_outside" in runs[0]["float"]:
        outside = 100 * np.mean([run["float"]["alarm_fraction_outside"] for run in runs])
        parts.append(f"alarms outside windows {outside:.2f} %")
    return "; ".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", default=",".join(RECIPES), help=f"of {', '.join(RECIPES)}")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0")
    parser.add_argument("--quick", action="store_true", help="two epochs, one seed: does it run at all")
    parser.add_argument("--fresh", action="store_true", help="train again even if the model is kept")
    arguments = parser.parse_args()
    names = arguments.sets.split(",")
    unknown = [name for name in names if name not in RECIPES]
    if unknown:
        parser.error(f"set {unknown[0]!r} is not known; choose from {', '.join(RECIPES)}")
    results: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        results[name] = []
        for seed in range(1 if arguments.quick else arguments.seeds):
            found = judge(prepare(name, seed, arguments.quick), arguments.fresh)
            results[name].append(found)
            metric = RECIPES[name].metric
            print(f"{name} seed {seed}: {metric} {found['float'][metric]:.4f}, {found['seconds']} s", flush=True)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    columns = ["float", *(name for name, _ in QUANTISERS)]
    report = {
        name: {
            "target": RECIPES[name].target,
            "summary": {c: summary(RECIPES[name], runs, c) for c in columns},
            "runs": runs,
        }
        for name, runs in results.items()
    }
    (OUTPUT / "accuracy.json").write_text(json.dumps(report, indent=1, sort_keys=True))
    print(machine())
    print(table(results))
    met = all(RECIPES[n].reached(summary(RECIPES[n], r, "float")["mean"]) for n, r in results.items())  # type: ignore[index]
    return 0 if met or arguments.quick else 1


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
