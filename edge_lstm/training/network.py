"""The Keras network, and the float model its weights become.

Shapes: B = batch, T = steps, F = features, H = units, O = outputs. Keras keeps an LSTM kernel as (F, 4H) with the
gates i, f, c, o side by side; this project keeps (4, H, F).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.errors import MissingDependencyError
from edge_lstm.model import DenseWeights, FloatModel, Interface, LstmWeights


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
    """Stacked LSTM layers and a dense head, applied at every step of (B, T, F), T and B free.

    Kernels start Glorot uniform, recurrent weights orthogonal, biases zero but the forget gate's, which is one.
    """

    def __init__(self, features: int, units: Sequence[int], outputs: int, dropout: float, seed: int) -> None:
        self.tf, keras = require_keras()
        self.features = features
        self.dropout = dropout
        self.layers = [
            keras.layers.LSTM(
                width,
                return_sequences=True,
                return_state=True,
                kernel_initializer=keras.initializers.GlorotUniform(seed=_seed(seed, index, 0)),
                recurrent_initializer=keras.initializers.Orthogonal(seed=_seed(seed, index, 1)),
                unit_forget_bias=True,
                name=f"lstm_{index}",
            )
            for index, width in enumerate(units)
        ]
        self.head = keras.layers.Dense(
            outputs, kernel_initializer=keras.initializers.GlorotUniform(seed=_seed(seed, len(units), 0)), name="head"
        )
        for layer, width in zip(self.layers, (features, *units), strict=False):
            layer.build((None, None, width))
        self.head.build((None, None, units[-1]))

    @property
    def variables(self) -> list[Any]:
        """kernel, recurrent, bias of each layer, then kernel and bias of the head."""
        return [v for layer in (*self.layers, self.head) for v in layer.trainable_variables]

    def __call__(self, x: Any) -> Any:
        """(B, T, F) → (B, T, O)."""
        return self.run(x)[0]

    def run(self, x: Any, dropout_seed: Any = None) -> tuple[Any, list[Any]]:
        """(B, T, F) → (B, T, O) and the cell state (B, H) of each layer after the last step, padding included.

        With a ``dropout_seed`` (two integers) the layers' outputs are dropped out.
        """
        cells = []
        for index, layer in enumerate(self.layers):
            x, _, cell = layer(x)
            cells.append(cell)
            if dropout_seed is not None and self.dropout > 0:
                seed = self.tf.stack([dropout_seed[0], dropout_seed[1] * len(self.layers) + index])
                x = self.tf.nn.experimental.stateless_dropout(x, self.dropout, seed)
        return self.head(x), cells


def _seed(seed: int, layer: int, which: int) -> int:
    return int(np.random.SeedSequence((seed, layer, which)).generate_state(1)[0] >> 1)


def to_float_model(arrays: Sequence[NDArray[np.float32]], interface: Interface) -> FloatModel:
    """Keras arrays, ordered as ``Network.variables``, → float model."""
    *recurrent, head_kernel, head_bias = arrays
    layers = tuple(_lstm_weights(*recurrent[at : at + 3]) for at in range(0, len(recurrent), 3))
    return FloatModel(layers, DenseWeights(head_kernel.T, head_bias), interface)


def _lstm_weights(
    kernel: NDArray[np.float32], recurrent: NDArray[np.float32], bias: NDArray[np.float32]
) -> LstmWeights:
    units = recurrent.shape[0]
    return LstmWeights(
        kernel=kernel.T.reshape(4, units, -1),
        recurrent=recurrent.T.reshape(4, units, units),
        bias=bias.reshape(4, units),
    )
