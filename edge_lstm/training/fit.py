"""Train a network: epochs, validation, early stopping, checkpoints, resuming."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from edge_lstm.datasets.sequences import Sequences
from edge_lstm.errors import ProjectError
from edge_lstm.model import FloatModel, Interface
from edge_lstm.modelfile import save_model
from edge_lstm.training.anomaly_rule import with_anomaly_rule
from edge_lstm.training.checkpoint import Arrays, Checkpoint, load_checkpoint, save_checkpoint
from edge_lstm.training.curve import Record, save_curve
from edge_lstm.training.examples import Examples, batches, examples, taught
from edge_lstm.training.network import Network
from edge_lstm.training.optimise import Optimisation, assign
from edge_lstm.training.schedule import next_factor, rates
from edge_lstm.training.spec import TrainingSpec
from edge_lstm.training.start import Start

CHECKPOINT_FILE = "checkpoint.safetensors"
CURVE_FILE = "curve.jsonl"
MODEL_FILE = "model.safetensors"

OnEpoch = Callable[[Record], None]


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What training gives.

    Args:
        model: the kept weights, with how they came about in its provenance.
        curve: one record an epoch: ``epoch`` (from 1), ``loss``, ``learning_rate``, ``best`` (the kept epoch so far)
            and, with a validation part, ``validation_loss`` and ``validation_accuracy`` or ``validation_mae``
            (physical units, over all outputs).
        best_epoch: the epoch whose weights were kept; the last one without a validation part.
        epochs: epochs run.
        stopped_early: whether patience ran out before the epochs did.
    """

    model: FloatModel
    curve: tuple[Record, ...]
    best_epoch: int
    epochs: int
    stopped_early: bool


def train(
    train: Sequences,
    validation: Sequences | None,
    interface: Interface,
    spec: TrainingSpec,
    directory: Path | str | None = None,
    resume: bool = False,
    on_epoch: OnEpoch | None = None,
    start: Start | None = None,
) -> TrainingResult:
    """Train a float model.

    The same arguments give the same model on the same machine, whether or not the run was killed and resumed: all
    randomness is a function of (seed, epoch) or (seed, step).

    Args:
        train: what is learnt. Targets lie where the network speaks of them: ``spec.late`` steps after their own.
        validation: what decides which epoch is kept and when to stop; None keeps the last of all epochs.
        interface: with scalings fitted on the training part. An ``anomaly`` task may bear a rule whose threshold
            is still to be learnt; its smoothing and quantile are kept.
        spec: network and training settings.
        directory: where the checkpoint and the curve are written after every epoch, and the model at the end.
        resume: go on from the checkpoint in ``directory``.
        on_epoch: called with the curve's new record after each epoch, once it is on disk.
        start: trained layers to begin with, of the spec's cells and units.

    Raises:
        MissingDependencyError: if TensorFlow is not installed.
        TrainingError: if the data bear no target, the loss is not finite, or there is nothing to resume.
        ProjectError: if the loss, a class weight or a cell does not suit the task.
    """
    if resume and directory is None:
        raise ProjectError("resume needs the directory of the training to go on with; give its output directory")
    if spec.late and interface.task.predicts_ahead:
        raise ProjectError(
            f"[model] cell looks {spec.late} steps ahead of what it says, and so cannot foretell, as the task "
            f"{interface.task.kind!r} does; choose a cell that does not look ahead, such as gru"
        )
    place = None if directory is None else Path(directory)
    run = _Run.prepare(train, validation, interface, spec, start)
    state = run.start()
    if place is not None and resume:
        state = load_checkpoint(place / CHECKPOINT_FILE, run.fingerprint)
        run.optimisation.restore(state.weights, state.average, state.optimiser)
    while not _finished(state, spec):
        state = run.epoch(state)
        if place is not None:
            save_checkpoint(place / CHECKPOINT_FILE, state)
            save_curve(place / CURVE_FILE, state.curve)
        if on_epoch is not None:
            on_epoch(dict(state.curve[-1]))
    model = run.optimisation.network.to_model(state.best, _with_provenance(interface, spec, state, start))
    if interface.task.kind == "anomaly":
        model = with_anomaly_rule(model, [train] if validation is None else [train, validation])
    if place is not None:
        save_model(model, place / MODEL_FILE)
    return TrainingResult(model, state.curve, state.best_epoch, state.epoch, state.epoch < spec.epochs)


@dataclass(frozen=True, eq=False)
class _Run:
    """One training: what stays the same from epoch to epoch, and the TensorFlow variables that do not."""

    spec: TrainingSpec
    interface: Interface
    taught: Examples
    judged: Examples | None
    optimisation: Optimisation
    fingerprint: str

    @classmethod
    def prepare(
        cls,
        train: Sequences,
        validation: Sequences | None,
        interface: Interface,
        spec: TrainingSpec,
        start: Start | None,
    ) -> _Run:
        learn = taught(train, interface, spec)
        judge = None if validation is None else examples(validation, interface)
        outputs = len(interface.task.outputs)
        network = Network(len(interface.channels), outputs, spec, start)
        optimisation = Optimisation(network, interface.task, spec)
        return cls(spec, interface, learn, judge, optimisation, _fingerprint(interface, spec, start, learn, judge))

    def start(self) -> Checkpoint:
        weights, average, optimiser = self._arrays()
        return Checkpoint(self.fingerprint, 0, weights, average, optimiser, weights, 0, math.inf, 1.0, 0)

    def epoch(self, before: Checkpoint) -> Checkpoint:
        """Train one epoch, judge it, and keep it if it is the best."""
        steps = len(batches(len(self.taught), self.spec.batch, self.spec.seed, before.epoch))
        all_rates = rates(self.spec, before.epoch, steps, before.factor)
        loss = self.optimisation.epoch(self.taught, before.epoch, all_rates)
        weights, average, optimiser = self._arrays()
        kept = average if self.spec.averaging > 0 else weights
        judged = self._judge(kept, weights)
        # Without a validation part the newest epoch is the best: its score falls for ever.
        score = judged.get("validation_loss", -float(before.epoch))
        better = score < before.best_score
        best_epoch = before.epoch + 1 if better else before.best_epoch
        record = {"epoch": before.epoch + 1, "loss": loss, "learning_rate": all_rates[-1], **judged, "best": best_epoch}
        factor, stalled = next_factor(self.spec, before.factor, 0 if better else before.stalled + 1)
        return Checkpoint(
            fingerprint=self.fingerprint,
            epoch=before.epoch + 1,
            weights=weights,
            average=average,
            optimiser=optimiser,
            best=kept if better else before.best,
            best_epoch=best_epoch,
            best_score=score if better else before.best_score,
            factor=factor,
            stalled=stalled,
            curve=(*before.curve, record),
        )

    def _judge(self, kept: Arrays, weights: Arrays) -> Record:
        if self.judged is None:
            return {}
        variables = self.optimisation.network.variables
        assign(variables, kept)
        outputs, loss = self.optimisation.judge(self.judged)
        found = {"validation_loss": loss}
        assign(variables, weights)
        pooled = np.concatenate(outputs)
        rows = zip(self.judged.targets, self.judged.weights, self.judged.lengths, strict=True)
        targets, present = (np.concatenate(a) for a in zip(*((t[:n], w[:n] > 0) for t, w, n in rows), strict=True))
        if self.interface.task.predicts_labels:
            found["validation_accuracy"] = float((pooled.argmax(axis=1) == targets)[present].mean())
        else:
            error = np.abs(pooled - targets) * self.interface.target_scaling.scale
            found["validation_mae"] = float(error[present].mean())
        return found

    def _arrays(self) -> tuple[Arrays, Arrays, Arrays]:
        weights = tuple(v.numpy() for v in self.optimisation.network.variables)
        average = tuple(v.numpy() for v in self.optimisation.average)
        return weights, average, self.optimisation.state()


def _finished(state: Checkpoint, spec: TrainingSpec) -> bool:
    return state.epoch >= spec.epochs or state.epoch - state.best_epoch >= spec.patience


def _with_provenance(interface: Interface, spec: TrainingSpec, state: Checkpoint, start: Start | None) -> Interface:
    trained = {"best_epoch": state.best_epoch, "epochs": state.epoch}
    trained |= {k: v for k, v in state.curve[state.best_epoch - 1].items() if k.startswith("validation_")}
    began = {} if start is None else {"from": start.as_json()}
    return replace(interface, provenance={**interface.provenance, **spec.as_json(), **began, "trained": trained})


def _fingerprint(interface: Interface, spec: TrainingSpec, start: Start | None, *data: Examples | None) -> str:
    """Of everything that decides the course of a training."""
    began = [] if start is None else [start.as_json()]
    digest = hashlib.sha256(json.dumps([spec.as_json(), asdict(interface.task), *began], sort_keys=True).encode())
    for part in data:
        for array in () if part is None else (part.inputs, part.lengths, part.targets, part.weights):
            digest.update(repr((array.shape, array.dtype.str)).encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
