"""Our Keras files in Keras: physical units at both ends, the layers called one by one with the state in the caller's
hands, because a file of Keras starts every call from zero.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from edge_lstm.errors import BundleError, MissingDependencyError
from edge_lstm.integer import Arithmetic
from edge_lstm.runtimes.base import Array, State


class KerasModel:
    """One stream through a file that ``edge_lstm_export.keras_model`` wrote.

    Raises:
        MissingDependencyError: if Keras or TensorFlow is not installed.
        BundleError: if Keras refuses the file.
    """

    name = "keras"
    arithmetic: Arithmetic = "float"

    def __init__(self, model_file: Path) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
        try:
            import keras
            import tensorflow as tf
        except ImportError as error:
            raise MissingDependencyError("Keras is not installed: pip install 'edge-lstm[train]'") from error
        try:
            model = keras.saving.load_model(model_file, compile=False, safe_mode=True)
        except Exception as error:  # what Keras says of a file it cannot read has no common class
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise BundleError(f"keras cannot load {model_file}: {said}; export it anew") from error
        self._scaling, *self._cells, self._head = model.layers
        for cell in self._cells:
            if _is_recurrent(cell):
                cell.return_sequences = cell.return_state = True
        samples = tf.TensorSpec((1, None, int(model.input_shape[-1])), tf.float32)
        states = [[tf.TensorSpec((1, width), tf.float32) for width in _widths(cell)] for cell in self._cells]
        # Traced once, for any number of steps.
        self._call = tf.function(self._forward, input_signature=[samples, states])
        self._values: list[list[Array]] = []
        self.reset()

    def reset(self) -> None:
        self._values = [[np.zeros((1, width), np.float32) for width in _widths(cell)] for cell in self._cells]

    def step(self, sample: Array) -> Array:
        """(C,) physical sample → (O,) logits, or targets in physical units."""
        return np.asarray(self.run(np.asarray(sample)[None])[0])

    def run(self, samples: Array) -> Array:
        """(T, C) → (T, O)."""
        y, states = self._call(np.asarray(samples, np.float32)[None], self._values)
        self._values = [[np.asarray(value) for value in layer] for layer in states]
        outputs: Array = np.asarray(y)[0]
        return outputs

    def get_state(self) -> State:
        # A cell that carries nothing beyond h has one state.
        return tuple((layer[0][0].copy(), layer[-1][0].copy()) for layer in self._values)

    def set_state(self, state: State) -> None:
        self._values = [
            [np.asarray(value, np.float32)[None] for value in layer[: len(own)]]
            for layer, own in zip(state, self._values, strict=True)
        ]

    def _forward(self, x: Any, states: Any) -> Any:
        x, new_states = self._scaling(x), []
        for cell, state in zip(self._cells, states, strict=True):
            if _is_recurrent(cell):
                x, *new_state = cell(x, initial_state=state)
            elif _taps(cell):
                x, new_state = _convolved(cell, x, state[1])
            else:
                x = cell(x)
                new_state = [x[:, -1]]
            new_states.append(new_state)
        return self._head(x), new_states


def _is_recurrent(layer: Any) -> bool:
    """Not so a dense layer, whose state is what it gave last."""
    return hasattr(layer, "cell")


def _taps(layer: Any) -> int:
    """Steps that a convolution spans; 0 of any other layer."""
    return int(layer.kernel_size[0]) if hasattr(layer, "kernel_size") else 0


def _convolved(layer: Any, x: Any, before: Any) -> tuple[Any, list[Any]]:
    """(1, T, F), and the inputs of the steps before (1, (taps - 1)·F) → (1, T, H), and the states then.

    The layer pads with zeros, so it is given the steps before as well, and what it makes of those is left out.
    """
    import tensorflow as tf

    kept = _taps(layer) - 1
    both = tf.concat([tf.reshape(before, (1, kept, x.shape[-1])), x], axis=1)
    y = layer(both)[:, kept:]
    return y, [y[:, -1], tf.reshape(both[:, -kept:], before.shape)]


def _widths(cell: Any) -> list[int]:
    """Of the states of a layer of Keras: a number, or as many as it has states."""
    if _taps(cell):
        taps, features, units = cell.kernel.shape
        return [units, (taps - 1) * features]
    if not _is_recurrent(cell):
        return [int(cell.units)]
    widths = cell.cell.state_size
    return list(widths) if isinstance(widths, list | tuple) else [int(widths)]
