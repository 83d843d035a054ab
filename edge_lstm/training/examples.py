"""Sequences made ready for the optimiser: scaled, every target with its weight.

Shapes: N = sequences, T = padded steps, C = channels, O = outputs. Padding is on the right; a forward LSTM
never lets it touch an earlier step, so weight zero is all the masking there is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_lstm.datasets.sequences import Sequences
from edge_lstm.errors import ProjectError, TrainingError
from edge_lstm.model import Float32, Interface
from edge_lstm.training.spec import ClassWeights, TrainingSpec

LAST_STEP_SHARE = 0.5
"""Share of a sequence's weight on its labelled step, where the answer counts; the ramp over all steps has the rest."""

LEAST_BATCHES = 8
"""Batches an epoch, at least: a few long recordings give few sequences, and an epoch must still be worth its name."""


@dataclass(frozen=True, eq=False)
class Examples:
    """What the optimiser sees.

    Args:
        inputs: (N, T, C) float32, scaled; padding is zero.
        lengths: (N,) steps in use.
        targets: (N, T) int32 labels, or (N, T, O) float32 scaled targets; zero where there is none.
        weights: shaped like ``targets``, float32: weight of each target in the loss; zero where there is none.
    """

    inputs: Float32
    lengths: NDArray[np.int64]
    targets: NDArray[np.int32] | Float32
    weights: Float32

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, rows: NDArray[np.int64]) -> Examples:
        """The rows asked for, cut to the longest among them."""
        steps = int(self.lengths[rows].max())
        return Examples(
            self.inputs[rows, :steps], self.lengths[rows], self.targets[rows, :steps], self.weights[rows, :steps]
        )


def examples(sequences: Sequences, interface: Interface) -> Examples:
    """Every target as it was given, all of weight one: what validation judges by.

    Raises:
        TrainingError: if no step has a target, or an input is not finite.
    """
    lengths = np.asarray(sequences.lengths, np.int64)
    used = np.arange(sequences.inputs.shape[1]) < lengths[:, None]
    inputs = np.where(used[..., None], interface.scaling.apply(sequences.inputs), 0.0).astype(np.float32)
    finite = np.isfinite(inputs).all(axis=(1, 2))
    if not finite.all():
        row = int(np.argmin(finite))
        raise TrainingError(f"training: sequence {row} holds an input that is not finite; fill or drop missing values")
    raw = np.asarray(sequences.targets)
    if interface.task.predicts_labels:
        present = (raw >= 0) & used
        targets: NDArray[np.int32] | Float32 = np.where(present, raw, 0).astype(np.int32)
    else:
        present = np.isfinite(raw) & used[..., None]
        scaled = interface.target_scaling.apply(np.where(present, raw, 0.0))
        targets = np.where(present, scaled, 0.0).astype(np.float32)
    if not present.any():
        raise TrainingError("training: no step of any sequence has a target; check the label or target column")
    return Examples(inputs, lengths, targets, present.astype(np.float32))


def taught(sequences: Sequences, interface: Interface, spec: TrainingSpec) -> Examples:
    """The same with the supervision and the class weights of the spec: what the optimiser learns from.

    Raises:
        TrainingError: as ``examples``.
        ProjectError: if a class weight names a label that the task lacks.
    """
    plain = examples(sequences, interface)
    if not interface.task.predicts_labels:
        return plain
    per_label = _label_weights(plain, interface.task.outputs, spec.class_weights)
    if interface.task.kind == "classify" and spec.supervision == "ramp":
        plain = _ramp(plain)
    return replace(plain, weights=plain.weights * per_label[plain.targets])


def batches(count: int, batch: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Rows of each batch of an epoch. The order depends on (seed, epoch) alone, so a resumed run repeats it."""
    order = np.random.default_rng((seed, epoch)).permutation(count)
    # A last batch of a few rows would weigh as much as a full one, so the rows are shared out evenly.
    return np.array_split(order, max(round(count / batch), min(count, LEAST_BATCHES)))


def _label_weights(plain: Examples, labels: tuple[str, ...], wanted: ClassWeights) -> Float32:
    if wanted == "balanced":
        counts = np.bincount(plain.targets[plain.weights > 0], minlength=len(labels))
        return np.asarray(counts.sum() / (np.maximum(counts, 1) * np.count_nonzero(counts)), np.float32)
    weights = np.ones(len(labels), np.float32)
    for label, weight in () if wanted == "none" else wanted:
        if label not in labels:
            raise ProjectError(f"[training] class_weights names label {label!r}; choose from {', '.join(labels)}")
        weights[labels.index(label)] = weight
    if not weights.any():
        raise ProjectError("[training] class_weights gives every label the weight 0; give one of them more than 0")
    return weights


def _ramp(plain: Examples) -> Examples:
    """Teach each sequence's last label at the steps before it too; the weights of a sequence add up to one."""
    steps = np.arange(plain.weights.shape[1])
    last = len(steps) - 1 - np.argmax(plain.weights[:, ::-1] > 0, axis=1)
    has_label = plain.weights.any(axis=1)
    ramp = np.where((steps <= last[:, None]) & has_label[:, None], steps + 1.0, 0.0)
    ramp /= np.maximum(ramp.sum(axis=1, keepdims=True), 1.0)
    ramp = LAST_STEP_SHARE * (has_label[:, None] & (steps == last[:, None])) + (1 - LAST_STEP_SHARE) * ramp
    labels = plain.targets[np.arange(len(plain)), last]
    targets = np.where(ramp > 0, labels[:, None], 0).astype(np.int32)
    return replace(plain, targets=targets, weights=ramp.astype(np.float32))
