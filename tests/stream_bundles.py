"""Small bundles, one a kind of task, and samples for them: fixtures of the stream, bundle and command line tests."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from models import float_model, recordings
from step_models import cell_model

from edge_lstm.bundle import LIBRARY, MODEL_FILES, SCHEMA, TFLITE_FUSED, TFLITE_STEP
from edge_lstm.compiler import compile_shared
from edge_lstm.model import AnomalyRule, FloatModel, LstmWeights, Scaling, Task
from edge_lstm.modelfile import encode_model, interface_to_json
from edge_lstm_calibration import calibrate, quantise_native, quantise_tflite
from edge_lstm_calibration.quantise_step import quantise_step
from edge_lstm_export.c_source import host_sources
from edge_lstm_export.tflite import fused_tflite, step_tflite

CHANNELS = ("ax", "ay", "az")

TASKS = {
    "classify": Task("classify", ("circle", "rest", "shake"), window=5),
    "tag": Task("tag", ("circle", "rest", "shake")),
    "regress": Task("regress", ("speed", "tilt", "force"), window=4),
    "forecast": Task("forecast", CHANNELS, horizon=3, target_channels=(0, 1, 2)),
    "anomaly": Task("anomaly", CHANNELS, horizon=1, target_channels=(0, 1, 2), anomaly=AnomalyRule(0.2, 0.9, 0.995)),
}

SCALING = Scaling([1.0, -20.0, 300.0], [0.5, 10.0, 40.0])
"""Physical units far from the network's."""


def small_model(kind: str, seed: int = 0, cells: tuple[str, ...] = ()) -> FloatModel:
    """Random weights, two LSTM layers of 6 and 5 units or those of ``step_models``, three outputs."""
    task = TASKS[kind]
    target = Scaling.identity(3) if task.predicts_labels else SCALING
    if cells:
        model = cell_model(list(zip(cells, (6, 5, 4), strict=False)), 3, 3, seed)
    else:
        model = float_model(features=3, units=(6, 5), outputs=3, seed=seed)
    return model.with_interface(channels=CHANNELS, scaling=SCALING, task=task, target_scaling=target)


def write_small_bundle(
    folder: Path, kind: str, seed: int = 0, artefacts: bool = False, cells: tuple[str, ...] = ()
) -> Path:
    """A bundle with the models alone, which is enough for the reference; or with what the other back ends run."""
    model = small_model(kind, seed, cells)
    calibration = calibrate(model, recordings(model))
    fused = all(isinstance(layer, LstmWeights) for layer in model.layers)
    models = {
        "native": quantise_native(model, calibration),
        **({"tflite": quantise_tflite(model, calibration)} if fused else {}),
        "step": quantise_step(model, calibration),
        "float": model,
    }
    contents = {MODEL_FILES[arithmetic]: encode_model(each) for arithmetic, each in models.items()}
    if artefacts:
        if fused:
            contents[TFLITE_FUSED] = fused_tflite(models["tflite"])
        contents[TFLITE_STEP] = step_tflite(models["step"])
        contents[LIBRARY.format(machine=platform.machine())] = compile_shared(host_sources(models["native"]))
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    manifest = {
        "schema": SCHEMA,
        "name": kind,
        "files": {n: {"sha256": hashlib.sha256(c).hexdigest(), "bytes": len(c)} for n, c in contents.items()},
        "arithmetics": {},
        "interface": interface_to_json(model.interface),
        "sizes": {},
        "accuracy": {},
        "tools": {},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Kind of task → a small bundle of it, made once; tests must not change it."""
    made: dict[str, Path] = {}

    def bundle(kind: str) -> Path:
        if kind not in made:
            made[kind] = write_small_bundle(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return bundle


@pytest.fixture(scope="session")
def runnable_bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small bundles that every back end can run."""
    folder = tmp_path_factory.mktemp("runnable")
    return {kind: write_small_bundle(folder / kind, kind, artefacts=True) for kind in ("classify", "anomaly")}


LATE = ("both lstm", "rnn")
"""Cells that look ahead by 3 steps."""


@pytest.fixture(scope="session")
def unfused_bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small bundles of cells that TFLite has no fused operator of, for every back end that can run them."""
    folder = tmp_path_factory.mktemp("unfused")
    cells = {"classify": ("conv 5", "gru", "rnn"), "anomaly": ("lstm peephole", "rnn relu", "fastgrnn"), "tag": LATE}
    return {kind: write_small_bundle(folder / kind, kind, artefacts=True, cells=each) for kind, each in cells.items()}


@pytest.fixture(scope="session")
def samples() -> np.ndarray:
    """(60, 3) samples in the small models' physical units."""
    return SCALING.undo(np.random.default_rng(9).normal(0, 1, (60, 3)))


@pytest.fixture
def own_bundle(tmp_path: Path) -> Path:
    """A small tag bundle that the test may change."""
    return write_small_bundle(tmp_path / "own", "tag")


@pytest.fixture
def other_model_bundle(tmp_path: Path) -> Path:
    """A tag bundle with other weights."""
    return write_small_bundle(tmp_path / "other", "tag", seed=5)
