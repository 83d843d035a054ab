"""A float model to a verified bundle: calibrate, quantise, write, verify."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.architecture import ARCHITECTURES
from edge_lstm.board import Board, load_board
from edge_lstm.bundle import C_FOLDER, MANIFEST, MODEL_FILES, Bundle
from edge_lstm.evaluation import evaluate, refuse_other_sensor_or_task
from edge_lstm.files import new_directory
from edge_lstm.integer import CArithmetic
from edge_lstm.metrics import Metrics
from edge_lstm.model import FloatModel
from edge_lstm.modelfile import Model, encode_model
from edge_lstm.pipeline import Prepared, load_float_model
from edge_lstm.project import ExportSpec
from edge_lstm.streaming.facts import Facts
from edge_lstm_calibration import calibrate, drift_table, error_report, quantise_native, quantise_tflite
from edge_lstm_calibration.quantise_step import quantise_step
from edge_lstm_calibration.quantise_tflite import can_fuse
from edge_lstm_export.bundle_writer import Files, Integers, float_files, int8_files, write_bundle
from edge_lstm_export.c_source import float_state_bytes, native_state_bytes, tflm_kernel_set, tflm_state_bytes
from edge_lstm_export.c_source.kernel_sets import kernel_set
from edge_lstm_export.firmware.project import Firmware, project_files
from edge_lstm_export.firmware.toolchain import TOOLCHAINS
from edge_lstm_export.keras_model import keras_obstacle
from edge_lstm_export.linux import linux_files
from edge_lstm_export.npu import for_accelerators, require_compilers
from edge_lstm_export.verify import verify

Recordings = Sequence[NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Exported:
    """What ``export_bundle`` wrote.

    Args:
        bundle: its directory.
        accuracy: metrics by ``float``, ``int8`` (native) and ``tflite``; by ``step``, of the explicit-state file, where
            a layer is no LSTM.
        quantisation: what it cost, by ``native`` and, where there is one, ``tflite``: see
            ``edge_lstm_calibration.error_report``.
        verification: the JSON of the report.
        accelerators: by ``npu`` and ``edgetpu`` what was asked for: see ``edge_lstm_export.npu``.
        notes: what a user should know about it, a sentence each.
    """

    bundle: Path
    sizes: dict[str, int]
    accuracy: dict[str, Metrics]
    quantisation: dict[str, Any]
    verification: dict[str, Any]
    accelerators: dict[str, Any]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "bundle": str(self.bundle), "notes": list(self.notes)}


@dataclass(frozen=True, eq=False)
class _Contents:
    """A bundle before it is written: its files, the models to judge, and what the manifest says besides."""

    files: Files
    c_state: int
    models: dict[str, Model]
    tables: dict[str, Any]
    notes: tuple[str, ...] = ()


def export_bundle(prepared: Prepared, model_file: Path, directory: Path) -> Exported:
    """Write the bundle that the project's ``[export]`` table asks for.

    Calibration replays training recordings; accuracies and golden vectors are of the test part. The bundle takes
    its place only when every artefact was found equal to the reference.

    Raises:
        VerificationError: if an artefact disagrees with the reference.
        MissingDependencyError: if the kernels of a board could not be run for want of an emulator or a compiler.
        EdgeLstmError: of any other stage. What was at ``directory`` is then still there.
    """
    project, judged = prepared.project, prepared.judged()
    require_compilers(project.export.npu, project.export.edgetpu)
    model = load_float_model(model_file)
    refuse_other_sensor_or_task(model.interface, prepared.dataset, project.task)
    learnt, unseen = ([r.series for r in part.recordings] for part in (prepared.parts.train, judged))
    facts = Facts.of_data(project.data)
    with new_directory(directory, MANIFEST) as work:
        if project.export.int8:
            contents = _quantised(
                project.name, model, project.export, facts, spread(learnt, project.export.calibration), unseen
            )
        else:
            state = float_state_bytes(model.layers)
            contents = _Contents(float_files(model, unseen), state, {"float": model}, {}, _no_keras(model))
        accuracy = {name: evaluate(each, judged, project.task) for name, each in contents.models.items()}
        # Of all that was learnt from, not of what calibration took: with recordings left out, nothing lasts as long.
        tables = contents.tables | {"stream": facts.to_json(), "drift": drift_table(learnt)}
        manifest = write_bundle(work, project.name, model, contents.files, contents.c_state, accuracy, tables)
        report = verify(Bundle.open(work))
        report.require_ok()
        report.require_proven()
    named = {"int8" if name == "native" else name: metrics for name, metrics in accuracy.items()}
    not_run = tuple(f"{check.target} was not checked: {check.not_run}" for check in report.not_run)
    cost = contents.tables.get("quantisation", {})
    accelerators = {name: table for name, table in contents.tables.items() if name in ("npu", "edgetpu")}
    notes = (*contents.notes, *not_run)
    return Exported(directory, manifest["sizes"], named, cost, report.to_json(), accelerators, notes)


def _no_keras(model: FloatModel) -> tuple[str, ...]:
    obstacle = keras_obstacle(model)
    return () if obstacle is None else (f"no .keras file: {obstacle}",)


def spread(recordings: Recordings, most: int) -> list[NDArray[Any]]:
    """At most ``most`` recordings, evenly over all of them, so that no class is left out by its place."""
    chosen = np.unique(np.linspace(0, len(recordings) - 1, min(most, len(recordings))).round().astype(int))
    return [recordings[k] for k in chosen]


def _quantised(
    name: str, model: FloatModel, spec: ExportSpec, facts: Facts, learnt: Recordings, unseen: Recordings
) -> _Contents:
    board = load_board(spec.board) if spec.board else None
    architectures, linux_notes = _architectures(spec, board)
    kernels = board.core.kernels if board else "portable"
    calibration = calibrate(model, learnt, spec.observer, spec.percentile)
    native = quantise_native(model, calibration, spec.scheme)
    with ThreadPoolExecutor(1) as pool:
        # Compilers are processes of their own: they work while the rest is computed here.
        linux = pool.submit(linux_files, native, encode_model(native), facts, name, architectures)
        fused = quantise_tflite(model, calibration) if can_fuse(model) else None
        integers = Integers(native, fused, quantise_step(model, calibration))
        reports = {"native": {"scheme": spec.scheme, **error_report(model, native, unseen)}}
        if fused is not None:
            reports["tflite"] = error_report(model, fused, unseen)
        files = int8_files(model, integers, unseen, kernels, spec.c_arithmetic) | linux.result()
    in_tflite: dict[str, Model] = {"step": integers.step} if fused is None else {"tflite": fused}
    models: dict[str, Model] = {"float": model, "native": integers.native, **in_tflite}
    tables = {
        "c": {
            "arithmetic": spec.c_arithmetic,
            "kernels": kernels,
            "board": board and board.name,
            "core": board and board.core.name,
        },
        "calibration": {
            "recordings": len(calibration.recordings),
            "steps": calibration.steps,
            "observer": calibration.observer,
            "warnings": list(calibration.warnings),
        },
        "quantisation": reports,
    }
    compiled, placed = for_accelerators(files, [layer.units for layer in model.layers], spec.npu, spec.edgetpu)
    state = (
        tflm_state_bytes(fused, tflm_kernel_set(kernels))
        if spec.c_arithmetic == "tflm" and fused is not None
        else native_state_bytes(integers.native, kernel_set(kernels))
    )
    project = _firmware(name, spec.c_arithmetic, integers, board, files)
    notes = (*model.notes, *calibration.warnings, *linux_notes)
    return _Contents(files | compiled | project, state, models, tables | placed, notes)


def _architectures(spec: ExportSpec, board: Board | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which Linux boards get a library and a program, and what to know about it."""
    if spec.linux is not None or (board is not None and board.flash is not None):
        return spec.architectures, ()
    if TOOLCHAINS["zig"].command() is None:
        return (), (f"no programs for Linux boards: zig is not installed; {TOOLCHAINS['zig'].install}",)
    return ARCHITECTURES, ()


def _firmware(name: str, arithmetic: CArithmetic, integers: Integers, board: Board | None, files: Files) -> Files:
    """The project around the C: what makes it a library and a program for a board."""
    sources = [path.removeprefix(f"{C_FOLDER}/") for path in files if path.startswith(f"{C_FOLDER}/")]
    model = integers.tflite if arithmetic == "tflm" and integers.tflite is not None else integers.native
    firmware = Firmware(name, model, arithmetic, files[MODEL_FILES[arithmetic]], board)
    return {f"{C_FOLDER}/{path}": content for path, content in project_files(firmware, sources).items()}
