"""Loss of every target, by name. Shapes: B = batch, T = steps, O = outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_lstm.errors import ProjectError
from edge_lstm.model import Task
from edge_lstm.training.spec import TrainingSpec

HUBER_DELTA = 1.0
"""Residual, in scaled units, at which the Huber loss turns from square to straight."""

Losses = Callable[[Any, Any], Any]


def losses(tf: Any, task: Task, spec: TrainingSpec) -> Losses:
    """The function (outputs (B, T, O), targets) → loss of each target, shaped like the targets.

    Raises:
        ProjectError: if the loss does not suit the task.
    """
    name = spec.loss
    if name == "auto":
        name = "cross-entropy" if task.predicts_labels else "huber"
    if (name == "cross-entropy") != task.predicts_labels:
        suits = "cross-entropy" if task.predicts_labels else "mse, mae, huber"
        raise ProjectError(f"[training] loss {name!r} does not suit the task {task.kind!r}; choose {suits} or auto")
    return _LOSSES[name](tf, spec)


def _cross_entropy(tf: Any, spec: TrainingSpec) -> Losses:
    def each(outputs: Any, targets: Any) -> Any:
        logs = tf.nn.log_softmax(outputs)
        right = tf.gather(logs, targets, axis=-1, batch_dims=2)
        return -(1 - spec.label_smoothing) * right - spec.label_smoothing * tf.reduce_mean(logs, axis=-1)

    return each


def _mse(tf: Any, spec: TrainingSpec) -> Losses:  # noqa: ARG001 - one signature a row
    return lambda outputs, targets: tf.square(outputs - targets)


def _mae(tf: Any, spec: TrainingSpec) -> Losses:  # noqa: ARG001 - one signature a row
    return lambda outputs, targets: tf.abs(outputs - targets)


def _huber(tf: Any, spec: TrainingSpec) -> Losses:  # noqa: ARG001 - one signature a row
    def each(outputs: Any, targets: Any) -> Any:
        residual = tf.abs(outputs - targets)
        square = tf.minimum(residual, HUBER_DELTA)
        return 0.5 * tf.square(square) + HUBER_DELTA * (residual - square)

    return each


_LOSSES: dict[str, Callable[[Any, TrainingSpec], Losses]] = {
    "cross-entropy": _cross_entropy,
    "mse": _mse,
    "mae": _mae,
    "huber": _huber,
}
