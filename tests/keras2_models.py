"""``python keras2_models.py FOLDER``: models as Keras 2 saves them, and what it computes from them.

Needs tf-keras, which the tests do not: what it writes is in ``tests/keras2_saved``, made by tf-keras 2.21.
``outputs.npz`` holds for every file outputs by its name, all of the inputs ``x`` (B, T, F).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

FEATURES, STEPS, BATCH = 3, 9, 4

NAMES = {
    "lstm": ("lstm",),
    "gru": ("gru",),
    "gru_before": ("gru",),
    "rnn": ("rnn",),
    "wrapped": ("gru",),
    "mixed": ("rnn", "gru", "lstm", "gru"),
}
"""Name of a file → its cells."""

EXPORTED = {
    f"{kind}-{steps}-{every}-{head}.onnx": (kind, steps, every, head)
    for kind in ("LSTM", "GRU")
    for steps in ("free", "fixed")
    for every in ("last", "every")
    for head in ("linear", "softmax")
}
"""ONNX file of two layers, as tf2onnx writes it → class, steps, what the layers give, activation of the head."""

LOOPS = ("SimpleRNN-free-last-linear.onnx", "SimpleRNN-fixed-every-softmax.onnx")
"""Those that tf2onnx leaves loops."""


def main(folder: Path) -> None:
    import tf_keras as keras

    keras.utils.set_random_seed(1)
    layers = keras.layers

    def options(every: bool = False) -> dict[str, object]:
        return {"bias_initializer": "glorot_uniform", "return_sequences": every}

    stacks = {
        "lstm": [layers.LSTM(5, **options())],
        "gru": [layers.GRU(5, **options())],
        "gru_before": [layers.GRU(5, reset_after=False, **options())],
        "rnn": [layers.SimpleRNN(5, **options())],
        "wrapped": [layers.RNN(layers.GRUCell(5, bias_initializer="glorot_uniform"))],
        "mixed": [
            layers.SimpleRNN(6, **options(True)),
            layers.GRU(5, reset_after=False, **options(True)),
            layers.LSTM(4, **options(True)),
            layers.GRU(3, **options()),
        ],
    }
    x = np.random.default_rng(2).normal(0, 1, (BATCH, STEPS, FEATURES)).astype(np.float32)
    outputs = {"x": x}
    for name, stack in stacks.items():
        current = entry = keras.Input((None, FEATURES))
        for layer in (*stack, layers.Dense(2, bias_initializer="glorot_uniform")):
            current = layer(current)
        model = keras.Model(entry, current)
        outputs[name] = np.asarray(model(x, training=False))
        for ending in (".keras", ".h5"):
            model.save(folder / f"{name}{ending}")
    np.savez(folder / "outputs.npz", **outputs)

    export(folder)


def export(folder: Path) -> None:
    """The files of ``EXPORTED`` and ``LOOPS``."""
    # tf2onnx 1.17 asks NumPy for names that it no longer has.
    np.object, np.bool = object, bool  # type: ignore[attr-defined, misc, assignment]
    import tensorflow as tf
    import tf2onnx
    import tf_keras as keras

    for name in (*EXPORTED, *LOOPS):
        kind, steps, every, head = name.removesuffix(".onnx").split("-")
        layer = getattr(keras.layers, kind)
        start = {"bias_initializer": "glorot_uniform"}
        shape = (None, STEPS if steps == "fixed" else None, FEATURES)
        model = keras.Sequential(
            [
                keras.Input(shape[1:]),
                layer(5, return_sequences=True, **start),
                layer(4, return_sequences=every == "every", **start),
                keras.layers.Dense(2, activation=head, **start),
            ]
        )
        signature = [tf.TensorSpec(shape, tf.float32, name="x")]
        function = tf.function(model, input_signature=signature)
        tf2onnx.convert.from_function(function, input_signature=signature, opset=14, output_path=str(folder / name))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
