"""FastGRNN (Kusupati et al., 2018) as a Keras layer; its equations are in ``edge_lstm.cell_weights``."""

from __future__ import annotations

from functools import cache
from typing import Any

ZETA, NU = 1.0, -4.0
"""Initial values before the sigmoid, and ones for both biases: those of the authors' own code."""


@cache
def fast_grnn_layer(keras: Any) -> Any:
    """The class of the layer. It is made here because its base class comes with TensorFlow, which is imported late.

    Its variables are kernel (F, H), recurrent (H, H), bias (2, H), and zeta and nu before the sigmoid. Called with
    (B, T, F) it returns the hidden states (B, T, H) and the last of them.
    """
    import tensorflow as tf

    class FastGrnn(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
        def __init__(self, units: int, kernel_initializer: Any, recurrent_initializer: Any, **others: Any) -> None:
            super().__init__(**others)
            self.units, self._initial = units, (kernel_initializer, recurrent_initializer)

        def build(self, shape: Any) -> None:
            kernel, recurrent = self._initial
            self.kernel = self.add_weight(shape=(shape[-1], self.units), initializer=kernel, name="kernel")
            self.recurrent = self.add_weight(shape=(self.units, self.units), initializer=recurrent, name="recurrent")
            self.bias = self.add_weight(shape=(2, self.units), initializer="ones", name="bias")
            self.zeta = self.add_weight(shape=(), initializer=keras.initializers.Constant(ZETA), name="zeta")
            self.nu = self.add_weight(shape=(), initializer=keras.initializers.Constant(NU), name="nu")

        def call(self, x: Any) -> tuple[Any, Any]:
            # What needs no hidden state is done for all steps at once: the loop is what costs.
            over_x = tf.transpose(tf.matmul(x, self.kernel), [1, 0, 2])
            recurrent, z_bias, n_bias = tf.convert_to_tensor(self.recurrent), self.bias[0], self.bias[1]
            zeta, nu = tf.sigmoid(self.zeta), tf.sigmoid(self.nu)

            def step(h: Any, rows: Any) -> Any:
                p = rows + tf.matmul(h, recurrent)
                z, n = tf.sigmoid(p + z_bias), tf.tanh(p + n_bias)
                return z * h + (zeta * (1.0 - z) + nu) * n

            states = tf.scan(step, over_x, initializer=tf.zeros_like(over_x[0]))
            return tf.transpose(states, [1, 0, 2]), states[-1]

    return FastGrnn
