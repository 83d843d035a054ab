"""A layer that looks ahead, as a Keras layer; its equations are in ``edge_lstm.halves``."""

from __future__ import annotations

from functools import cache, partial
from typing import Any


@cache
def _layer(keras: Any) -> Any:
    """The class of the layer. It is made here because its base class comes with TensorFlow, which is imported late.

    Its variables are those of the forward half, then those of the backward half. Called with (B, T, F) it returns
    (B, T, 2·H) and the last states of the forward half.
    """
    import tensorflow as tf

    class LookAhead(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
        def __init__(
            self,
            units: int,
            half: Any,
            look_ahead: int,
            kernel_initializer: Any,
            recurrent_initializer: Any,
            name: str,
            **others: Any,
        ) -> None:
            super().__init__(name=name)
            self.look_ahead = look_ahead
            initial = {"kernel_initializer": kernel_initializer, "recurrent_initializer": recurrent_initializer}
            self.forward = half(units, return_sequences=True, return_state=True, **initial, **others)
            self.backward = half(units, **{key: _another(value) for key, value in initial.items()}, **others)

        def build(self, shape: Any) -> None:
            self.forward.build(shape)
            self.backward.build(shape)

        def call(self, x: Any) -> tuple[Any, ...]:
            late, steps = self.look_ahead, tf.shape(x)[1]
            forward, *states = self.forward(x)
            before = tf.pad(x, [[0, 0], [late, 0], [0, 0]])
            # (B, T, N + 1, F): the steps t, t - 1, … t - N, as the backward half reads them, each t by itself.
            read = tf.stack([before[:, late - back : late - back + steps] for back in range(late + 1)], axis=2)
            backward = self.backward(tf.reshape(read, [-1, late + 1, x.shape[-1]]))
            backward = tf.reshape(backward, [-1, steps, backward.shape[-1]])
            return (tf.concat([tf.pad(forward, [[0, 0], [late, 0], [0, 0]])[:, :steps], backward], axis=2), *states)

    return LookAhead


def look_ahead_layer(keras: Any, half: str) -> Any:
    """The class of the layer whose halves are Keras layers of the class named ``half``."""
    return partial(_layer(keras), half=getattr(keras.layers, half))


def _another(initializer: Any) -> Any:
    """Of the same kind; halves that begin alike would learn alike."""
    return type(initializer)(seed=initializer.seed ^ 1)
