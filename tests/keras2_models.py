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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
