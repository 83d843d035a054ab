"""The Keras network, and the float model its weights become.

Shapes: B = batch, T = steps, F = features, H = units, O = outputs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.errors import MissingDependencyError
from edge_lstm.model import DenseWeights, FloatModel, Interface
from edge_lstm.training.keras_layers import KERAS_CELLS, Arguments
from edge_lstm.training.spec import TrainingSpec
from edge_lstm.training.start import Start


def require_keras() -> tuple[Any, Any]:
    """The tensorflow and keras modules, quiet and in their reproducible arithmetic unless the user set them otherwise.

    Raises:
        MissingDependencyError: if TensorFlow is not installed.
    """
    # Read once, when TensorFlow is first imported. Its start-up lines would break a progress bar, and oneDNN's
    # kernels add in an order that depends on the machine.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise MissingDependencyError(
            "training needs TensorFlow, which is not installed; run: pip install 'edge-lstm[train]'"
        ) from error
    return tf, keras


class Network:
    """Stacked layers and a head, applied at every step of (B, T, F), T and B free.

    Kernels start Glorot uniform, recurrent weights orthogonal, biases zero but the forget gate's, which is one, and
    those of a FastGRNN; or all are what a ``Start`` holds.

    Args:
        features: F of the input.
        outputs: of the head.
        spec: of which cells, units, dropout and seed are taken.
        start: trained layers to begin with, as many as the spec asks for.
    """

    def __init__(self, features: int, outputs: int, spec: TrainingSpec, start: Start | None = None) -> None:
        self.tf, keras = require_keras()
        self.features, self.dropout, self.cells = features, spec.dropout, spec.cells
        self.frozen = () if start is None else start.layers[: start.frozen]
        known = (None,) * len(spec.units) if start is None else start.layers
        rows = [KERAS_CELLS[cell] for cell in spec.cells]
        self._arguments = [row.arguments(weights, spec) for row, weights in zip(rows, known, strict=True)]
        self.layers = [
            _layer(keras, index, cell, width, spec.seed, arguments)
            for index, (cell, width, arguments) in enumerate(zip(spec.cells, spec.units, self._arguments, strict=True))
        ]
        self.head = keras.layers.Dense(
            outputs,
            kernel_initializer=keras.initializers.GlorotUniform(seed=_seed(spec.seed, len(spec.units), 0)),
            name="head",
        )
        for layer, width in zip(self.layers, (features, *spec.widths), strict=False):
            layer.build((None, None, width))
        self.head.build((None, None, spec.widths[-1]))
        if start is not None:
            self._begin_with(start)

    @property
    def variables(self) -> list[Any]:
        """Those that training changes: of each layer that is not frozen, as Keras orders them, and of the head."""
        return [v for layer in (*self.layers[len(self.frozen) :], self.head) for v in layer.trainable_variables]

    def __call__(self, x: Any) -> Any:
        """(B, T, F) → (B, T, O)."""
        return self.run(x)[0]

    def run(self, x: Any, dropout_seed: Any = None) -> tuple[Any, list[tuple[Any, float]]]:
        """(B, T, F) → (B, T, O), and the states that could grow without end, each with its limit.

        A state (B, H) is that of a layer after the last step, padding included. With a ``dropout_seed`` (two integers)
        the layers' outputs are dropped out.
        """
        growing = []
        for index, (layer, cell) in enumerate(zip(self.layers, self.cells, strict=True)):
            row, result = KERAS_CELLS[cell], layer(x)
            x, *states = result if row.recurrent else (result,)
            if index < len(self.frozen):
                x = self.tf.stop_gradient(x)
            elif row.limit is not None:
                growing.append((states[-1], row.limit))
            if dropout_seed is not None and self.dropout > 0:
                seed = self.tf.stack([dropout_seed[0], dropout_seed[1] * len(self.layers) + index])
                x = self.tf.nn.experimental.stateless_dropout(x, self.dropout, seed)
        return self.head(x), growing

    def to_model(self, arrays: Sequence[NDArray[np.float32]], interface: Interface) -> FloatModel:
        """The float model of these values of ``variables``; frozen layers are what they were, to the bit."""
        left = list(arrays)

        def taken(layer: Any) -> list[NDArray[np.float32]]:
            return [left.pop(0) for _ in layer.trainable_variables]

        first = len(self.frozen)
        trained = [
            KERAS_CELLS[cell].weights(taken(layer), arguments)
            for cell, layer, arguments in zip(
                self.cells[first:], self.layers[first:], self._arguments[first:], strict=True
            )
        ]
        kernel, bias = taken(self.head)
        return FloatModel((*self.frozen, *trained), DenseWeights(kernel.T, bias), interface)

    def _begin_with(self, start: Start) -> None:
        for layer, weights in zip(self.layers, start.layers, strict=True):
            _assign(layer, KERAS_CELLS[weights.variant].variables(weights))
        if start.head is not None:
            _assign(self.head, [start.head.weights.T, start.head.bias])


def _layer(keras: Any, index: int, cell: str, units: int, seed: int, arguments: Arguments) -> Any:
    row = KERAS_CELLS[cell]
    initial = {"kernel_initializer": keras.initializers.GlorotUniform(seed=_seed(seed, index, 0))}
    if row.recurrent:
        initial["recurrent_initializer"] = keras.initializers.Orthogonal(seed=_seed(seed, index, 1))
    return row.layer(keras)(units, name=f"{cell}_{index}", **initial, **arguments)


def _assign(layer: Any, values: Sequence[NDArray[np.float32]]) -> None:
    for variable, value in zip(layer.trainable_variables, values, strict=True):
        variable.assign(value)


def _seed(seed: int, layer: int, which: int) -> int:
    return int(np.random.SeedSequence((seed, layer, which)).generate_state(1)[0] >> 1)
