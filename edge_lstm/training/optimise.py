"""One step and one pass of the optimiser, compiled by TensorFlow.

Shapes: B = batch, T = steps, F = features, O = outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_lstm.errors import TrainingError
from edge_lstm.model import Float32, Task
from edge_lstm.training.checkpoint import Arrays
from edge_lstm.training.examples import Examples, batches
from edge_lstm.training.losses import losses
from edge_lstm.training.network import Network, require_keras
from edge_lstm.training.spec import TrainingSpec

RMSPROP_DECAY = 0.9

JUDGED_STEPS = 1 << 16
"""Most batch × time steps judged at once: bounds the memory of the validation pass."""


class Optimisation:
    """The variables that change while training, and the two compiled functions that use them."""

    def __init__(self, network: Network, task: Task, spec: TrainingSpec) -> None:
        tf, keras = require_keras()
        self.network, self.spec, self._task, self._tf = network, spec, task, tf
        self.optimiser = _optimiser(keras, spec)
        self.optimiser.build(network.variables)
        self.average = [tf.Variable(v) for v in network.variables]
        self._loss = losses(tf, task, spec)
        number = "int32" if task.predicts_labels else "float32"
        rank = 2 if task.predicts_labels else 3
        arrays = [
            tf.TensorSpec([None, None, network.features], "float32"),
            tf.TensorSpec([None] * rank, number),
            tf.TensorSpec([None] * rank, "float32"),
        ]
        scalars = [tf.TensorSpec([], "float32"), tf.TensorSpec([], "int32")]
        self._step = tf.function(self._step_eagerly, input_signature=arrays + scalars)
        self._forward = tf.function(network.__call__, input_signature=arrays[:1])

    def epoch(self, examples: Examples, epoch: int, rates: Sequence[float]) -> float:
        """One pass in the order of (seed, epoch); returns the mean training loss a batch.

        Raises:
            TrainingError: if the loss stops being finite.
        """
        total = 0.0
        all_rows = list(batches(len(examples), self.spec.batch, self.spec.seed, epoch))
        for at, (rows, rate) in enumerate(zip(all_rows, rates, strict=True)):
            part = examples.take(rows)
            number = epoch * len(all_rows) + at
            loss = float(self._step(part.inputs, part.targets, part.weights, np.float32(rate), np.int32(number)))
            if not np.isfinite(loss):
                raise TrainingError(
                    f"training: the loss is {loss} in epoch {epoch + 1}, batch {at + 1}; "
                    f"lower learning_rate (now {self.spec.learning_rate:g})"
                )
            total += loss
        return total / len(all_rows)

    def judge(self, examples: Examples) -> tuple[list[Float32], float]:
        """(length, O) outputs of every sequence under the network's present weights, and their weighted mean loss."""
        found: list[Float32] = [np.zeros((0, 0), np.float32)] * len(examples)
        order = np.argsort(-examples.lengths, kind="stable")
        start, total = 0, 0.0
        while start < len(order):
            count = max(1, JUDGED_STEPS // int(examples.lengths[order[start]]))
            rows = order[start : start + count]
            part = examples.take(rows)
            outputs = self._forward(part.inputs)
            total += float((self._loss(outputs, part.targets).numpy() * part.weights).sum(dtype=np.float64))
            for row, output in zip(rows, outputs.numpy(), strict=True):
                found[row] = output[: examples.lengths[row]]
            start += count
        return found, total / float(examples.weights.sum(dtype=np.float64))

    def state(self) -> Arrays:
        return tuple(np.asarray(v.numpy()) for v in self.optimiser.variables)

    def restore(self, weights: Arrays, average: Arrays, optimiser: Arrays) -> None:
        assign(self.network.variables, weights)
        assign(self.average, average)
        assign(self.optimiser.variables, optimiser)

    def gradients(self, inputs: Any, targets: Any, weights: Any, number: Any) -> tuple[Any, list[Any]]:
        """Loss of a batch, with dropout and noise drawn for step ``number``, and its clipped gradients."""
        tf, spec = self._tf, self.spec
        seed = tf.stack([tf.constant(spec.seed, tf.int32), number])
        inputs, targets = self._disturbed(inputs, targets, seed)
        with tf.GradientTape() as tape:
            outputs, growing = self.network.run(inputs, seed)
            each = self._loss(outputs, targets)
            # A batch may hold no target at all when class weights are zero.
            loss = tf.math.divide_no_nan(tf.reduce_sum(each * weights), tf.reduce_sum(weights))
            objective = loss + sum(self._excess(state, limit) for state, limit in growing)
        gradients, _ = tf.clip_by_global_norm(tape.gradient(objective, self.network.variables), spec.clip_norm)
        return loss, gradients

    def _step_eagerly(self, inputs: Any, targets: Any, weights: Any, rate: Any, number: Any) -> Any:
        tf, variables = self._tf, self.network.variables
        loss, gradients = self.gradients(inputs, targets, weights, number)
        self.optimiser.learning_rate.assign(rate)
        self.optimiser.apply(gradients, variables)
        if self.spec.averaging > 0:
            # The early mean is short, or the random initial weights would stay in it for long.
            done = tf.cast(number, tf.float32)
            keep = tf.minimum(self.spec.averaging, (1.0 + done) / (10.0 + done))
            for mean, variable in zip(self.average, variables, strict=True):
                mean.assign(variable + keep * (mean - variable))
        return loss

    def _excess(self, state: Any, limit: float) -> Any:
        """What states (B, H) beyond the limit cost: zero for a network that stays within."""
        tf = self._tf
        return tf.reduce_mean(tf.reduce_sum(tf.square(tf.nn.relu(tf.abs(state) / limit - 1.0)), axis=1))

    def _disturbed(self, inputs: Any, targets: Any, seed: Any) -> tuple[Any, Any]:
        """The batch with the noise of the spec; negative step numbers keep its seeds apart from the dropout's."""
        tf, spec, shape = self._tf, self.spec, self._tf.shape(inputs)
        if spec.input_noise > 0:
            draw = tf.random.stateless_normal(shape, tf.stack([seed[0], -1 - 2 * seed[1]]))
            inputs += spec.input_noise * draw
        level_noise = spec.level_noise_for(self._task)
        if level_noise > 0:
            draw = tf.random.stateless_normal([shape[0], 1, shape[2]], tf.stack([seed[0], -2 - 2 * seed[1]]))
            inputs += level_noise * draw
            if self._task.predicts_ahead:
                # A forecast is of the channel as the sensor will show it, so it drifts with the channel.
                targets += level_noise * tf.gather(draw, list(self._task.target_channels), axis=2)
        return inputs, targets


def assign(variables: Sequence[Any], arrays: Arrays) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _optimiser(keras: Any, spec: TrainingSpec) -> Any:
    if spec.optimiser == "adam":
        return keras.optimizers.Adam(spec.learning_rate, weight_decay=spec.weight_decay or None)
    return keras.optimizers.RMSprop(spec.learning_rate, rho=RMSPROP_DECAY, weight_decay=spec.weight_decay or None)
