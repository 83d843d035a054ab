"""The way of a project up to its float model, and how good what came of it is: recordings → parts → model → metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_lstm.bundle import FLOAT_MODEL, Bundle
from edge_lstm.datasets.read import read_dataset
from edge_lstm.datasets.recording import Dataset, shortened
from edge_lstm.datasets.scaling import fit_input_scaling, fit_target_scaling
from edge_lstm.datasets.sequences import Sequences, make_sequences, outputs_of, task_of
from edge_lstm.datasets.split import Splits, split_as
from edge_lstm.errors import BundleError, DataError, ExportError, ModelError, ProjectError
from edge_lstm.evaluation import evaluate
from edge_lstm.integer import NativeModel, TfliteModel
from edge_lstm.integer_step import StepModel
from edge_lstm.metrics import Metrics
from edge_lstm.model import AnomalyRule, FloatModel, Interface, Task
from edge_lstm.modelfile import Model, is_model_file, load_model, save_model
from edge_lstm.project import Project
from edge_lstm.training.fit import CURVE_FILE, train
from edge_lstm.transfer import Source

OnEpoch = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A project's recordings, parted, and the interface a model trained on them has."""

    project: Project
    dataset: Dataset
    parts: Splits
    outputs: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the readers did to the data."""
        return self.dataset.notes

    def part(self, name: str) -> Dataset:
        """``train``, ``validation`` or ``test``.

        Raises:
            DataError: if the split has no such part.
        """
        parts = self.parts.parts()
        if name not in parts:
            raise DataError(f"the split has no {name} part; it has {', '.join(parts)}: give [split] {name} a share")
        return parts[name]

    def judged(self) -> Dataset:
        """What a finished model is judged by: the test part, or the next best there is."""
        return self.parts.test or self.parts.validation or self.parts.train

    def task(self) -> Task:
        """The task; the threshold of an anomaly task is infinite until training learns it."""
        wanted = self.project.task
        rule = AnomalyRule(wanted.smoothing, math.inf, wanted.quantile) if wanted.kind == "anomaly" else None
        return task_of(self.dataset, wanted, self.outputs, rule)

    def interface(self, source: Source | None = None) -> Interface:
        """What surrounds the network: scaling fitted on the training part, task, where the data came from.

        Args:
            source: a model to start from, whose scaling is kept.
        """
        project, train, task = self.project, self.parts.train, self.task()
        keep = project.scaling.constant == "keep"
        if source is None:
            inputs = fit_input_scaling(train, project.scaling.inputs, allow_constant=keep)
        else:
            inputs = source.model.interface.scaling
        targets = source.target_scaling(task) if source is not None else None
        if targets is None:
            targets = fit_target_scaling(
                train, project.task, self.outputs, inputs, project.scaling.targets, allow_constant=keep
            )
        return Interface(
            channels=self.dataset.channels,
            scaling=inputs,
            task=task,
            target_scaling=targets,
            rate_hz=self.dataset.rate_hz,
            front_end=self.dataset.front_end,
            provenance={"data": self.dataset.fingerprint(), "split": self.parts.by},
        )


@dataclass(frozen=True, eq=False)
class Trained:
    """What ``train_model`` made and where it lies, and what a user should know about it, a sentence each."""

    file: Path
    curve_file: Path
    model: FloatModel
    epochs: int
    best_epoch: int
    metrics: dict[str, Metrics]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "model": str(self.file),
            "curve": str(self.curve_file),
            "parameters": self.model.parameters,
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "notes": list(self.notes),
            **self.metrics,
        }


def prepare(project: Project) -> Prepared:
    """Read a project's recordings and part them.

    Raises:
        ProjectError: if the project names no data.
        DataError: if the data cannot be read or parted as asked.
    """
    if project.data.path is None:
        raise ProjectError(f"{project.folder / 'edge-lstm.toml'} [data]: key 'path' is missing; name the recordings")
    path = project.folder / project.data.path
    if path.is_dir() and project.folder.resolve().is_relative_to(path.resolve()):
        raise ProjectError(
            f"[data] path {project.data.path!r} holds the project itself, whose outputs would be taken for recordings; "
            "put the recordings into a folder of their own"
        )
    dataset = read_dataset(path, project.data)
    parts = split_as(dataset, project.split)
    return Prepared(project, dataset, parts, outputs_of(dataset, project.task))


def train_model(
    prepared: Prepared,
    file: Path,
    resume: bool = False,
    on_epoch: OnEpoch | None = None,
    source: Source | None = None,
) -> Trained:
    """Train on the training part, stop by the validation part, judge by the test part.

    Args:
        file: the model file; beside it, a folder ``.training`` takes the checkpoint and the curve of every epoch.
        resume: go on from the last checkpoint.
        source: a trained model to start from.

    Raises:
        ProjectError: if the project does not agree with the model to start from.
        TrainingError, DataError, MissingDependencyError: if training cannot start, continue or resume.
    """
    refuse_foreign(file)
    directory = file.with_suffix(".training")
    project, parts = prepared.project, prepared.parts
    spec, start = project.training, None
    begun: tuple[str, ...] = ()
    if source is not None:
        source.refuse_other_sensor(prepared.dataset)
        spec, start = source.training(project), source.start(prepared.task())
        begun = source.notes(prepared.task(), prepared.dataset)
    interface = prepared.interface(source)
    late = spec.late if source is None else source.model.interface.look_ahead
    learnt = make_sequences(parts.train, project.task, prepared.outputs, late)
    watched = None
    if parts.validation is not None:
        watched = make_sequences(parts.validation, project.task, prepared.outputs, late)
    result = train(
        learnt,
        watched,
        interface,
        spec,
        directory,
        resume,
        on_epoch,
        start,
    )
    model = result.model
    save_model(model, file)
    metrics = {"float": evaluate(model, prepared.judged(), project.task)}
    notes = (*begun, *_left_out("training", learnt), *_left_out("validation", watched), *_judged_by(prepared))
    return Trained(file, directory / CURVE_FILE, model, result.epochs, result.best_epoch, metrics, notes)


def source_at(path: Path, frozen: int, output: Path) -> Source:
    """The model to start from.

    Raises:
        ModelError: if it is no float model.
        ProjectError: if it lies where the new one goes, or has fewer layers than are to be frozen.
    """
    if output.exists() and path.exists() and output.samefile(path):
        raise ProjectError(f"{path}: is the model to start from, and would be replaced; give another --output")
    return Source(load_float_model(path), str(path), frozen)


def refuse_foreign(file: Path) -> None:
    """Raise ExportError if a model file cannot be written here without somebody's file being lost, before any work."""
    if file.is_dir():
        raise ExportError(f"{file}: is a folder; give the name of a model file to write")
    if file.exists() and not is_model_file(file):
        raise ExportError(f"{file}: exists and is no model file, so it is not replaced; choose another output")


def _left_out(part: str, sequences: Sequences | None) -> tuple[str, ...]:
    if sequences is None or not sequences.skipped:
        return ()
    names = shortened(sequences.skipped, 3)
    return (f"the {part} part leaves out {names}: shorter than a window or the horizon, or without a target",)


def _judged_by(prepared: Prepared) -> tuple[str, ...]:
    part = next(name for name, dataset in prepared.parts.parts().items() if dataset is prepared.judged())
    return () if part == "test" else (f"there is no test part: the metrics are of the {part} part",)


def evaluate_path(prepared: Prepared, path: Path | None = None, part: str = "test") -> dict[str, Metrics]:
    """Metrics under ``float``, ``int8`` (native) and ``tflite``, as far as they are there.

    Args:
        path: a model file or a bundle. None takes the project's model and, if it was made from that very model,
            the project's bundle.

    Raises:
        ModelError, BundleError: if ``path`` is neither.
    """
    dataset = prepared.part(part)
    models = _project_models(prepared.project) if path is None else _models_at(path)
    return {name: evaluate(model, dataset, prepared.project.task) for name, model in models.items()}


def _project_models(project: Project) -> dict[str, Model]:
    model, made_from = load_float_model(project.model_file), project.bundle_folder / FLOAT_MODEL
    if made_from.is_file() and made_from.read_bytes() == project.model_file.read_bytes():
        return _models_at(project.bundle_folder)
    return {"float": model}


def _models_at(path: Path) -> dict[str, Model]:
    if not path.is_dir():
        model = load_model(path)
        return {_NAMES[type(model)]: model}
    bundle = Bundle.open(path)
    models = {name: bundle.model(a) for name, a in _ARITHMETICS.items() if a in bundle.arithmetics}
    if "tflite" in models:
        models.pop("step", None)  # made for accelerators; what TensorFlow Lite runs is the fused file
    if not models:
        raise BundleError(f"{path}: holds no model; export the bundle again")
    return models


_NAMES: dict[type, str] = {FloatModel: "float", NativeModel: "int8", TfliteModel: "tflite", StepModel: "step"}
_ARITHMETICS = {"float": "float", "int8": "native", "tflite": "tflite", "step": "step"}


def load_float_model(path: Path) -> FloatModel:
    """The float model in a model file or in a bundle.

    Raises:
        ModelError: if it holds another kind.
    """
    if path.is_dir():
        return Bundle.open(path).float_model
    model = load_model(path)
    if not isinstance(model, FloatModel):
        raise ModelError(f"{path}: is an integer model; give the float model that train wrote")
    return model
