"""``python keras_models.py FOLDER``: trained-looking Keras models for import, with what Keras computes from them.

All in one process, because TensorFlow takes seconds to start. Each file that can be imported has a ``FILE.npz`` beside
it of inputs x (B, T, F) and outputs y.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np

FEATURES, STEPS, BATCH = 3, 11, 4


def grid() -> dict[str, dict[str, Any]]:
    """Name → how a plain stack is built."""
    axes = itertools.product((1, 2, 3), (True, False), (True, False), (True, False), (".keras", ".h5"))
    return {
        "-".join(["plain", str(depth), ("free", "bias")[bias], ("last", "every")[every], ("graph", "row")[row]])
        + ending: {
            "depth": depth,
            "bias": bias,
            "every": every,
            "row": row,
        }
        for depth, bias, every, row, ending in axes
    }


ALIKE = (
    *(
        "softmax.keras",
        "softmax.h5",
        "sigmoid.keras",
        "timedistributed.keras",
        "timedistributed.h5",
        "normalised.keras",
    ),
    *("normalised.h5", "constants.keras", "stateful.keras", "headless.keras", "activation.keras", "fixed.keras"),
)
REFUSED = {
    "masking": "Masking",
    "gru": "GRU",
    "bidirectional": "Bidirectional",
    "conv": "Conv1D",
    "lambda": "Lambda",
    "batchnorm": "BatchNormalization",
    "backwards": "go_backwards",
    "hard": "hard_sigmoid",
    "relu": "relu",
    "two_heads": "one dense head",
    "sigmoids": "2 sigmoids",
    "branch": "branch or join",
    "nested": "model within the model",
    "custom": "class of your own",
    "mixed": "computes in mixed_float16",
    "relu_head": "a head here is linear",
}
"""Name of a model that cannot be imported → what the refusal says."""


def main(folder: Path) -> None:
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers

    @keras.saving.register_keras_serializable("tests")
    class Doubling(layers.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

    def lstm(units: int = 5, every: bool = False, **options: Any) -> Any:
        return (
            layers.LSTM(units, return_sequences=every, bias_initializer="glorot_uniform", **options)
            if options.get("use_bias", True)
            else layers.LSTM(units, return_sequences=every, **options)
        )

    def dense(units: int = 2, activation: str | None = None, **options: Any) -> Any:
        return layers.Dense(units, activation, bias_initializer="glorot_uniform", **options)

    def row(*stack: Any, batch_shape: Any = (None, None, FEATURES)) -> Any:
        return keras.Sequential([keras.Input(batch_shape=batch_shape), *stack])

    def graph(*stack: Any) -> Any:
        x = entry = keras.Input((None, FEATURES))
        for layer in stack:
            x = layer(x)
        return keras.Model(entry, x)

    def write(model: Any, name: str, alike: bool = True) -> None:
        model.save(folder / name)
        if alike:
            x = np.random.default_rng(2).normal(0, 1, (BATCH, STEPS, FEATURES)).astype(np.float32)
            np.savez(folder / f"{name}.npz", x=x, y=np.asarray(model(x, training=False)))

    for name, asked in grid().items():
        stack: list[Any] = []
        for k in range(asked["depth"]):
            every = asked["every"] or k < asked["depth"] - 1
            stack += [
                lstm(6 - k, every, use_bias=asked["bias"], dropout=0.2, recurrent_dropout=0.1),
                layers.Dropout(0.3),
            ]
        stack.append(layers.Dense(2, use_bias=asked["bias"]))
        write((row if asked["row"] else graph)(*stack), name)

    learnt = layers.Normalization()
    learnt.adapt(np.random.default_rng(3).normal(4, 7, (50, 5, FEATURES)))
    for ending in (".keras", ".h5"):
        write(row(lstm(), dense(3, "softmax")), f"softmax{ending}")
        write(row(lstm(every=True), layers.TimeDistributed(dense(2))), f"timedistributed{ending}")
        write(row(learnt, lstm(), dense()), f"normalised{ending}")
    write(row(layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 0.5, 0.0]), lstm(), dense()), "constants.keras")
    write(row(lstm(), dense(1, "sigmoid")), "sigmoid.keras")
    write(row(lstm(stateful=True), dense(), batch_shape=(BATCH, STEPS, FEATURES)), "stateful.keras")
    write(row(lstm()), "headless.keras")
    write(row(lstm(), dense(3), layers.Activation("softmax")), "activation.keras")
    write(row(lstm(), dense(), batch_shape=(None, STEPS, FEATURES)), "fixed.keras")
    write(row(lstm(32), dense(9, "softmax"), batch_shape=(None, None, 12)), "vowels.keras", alike=False)

    fork = entry = keras.Input((None, FEATURES))
    fork = lstm()(fork)
    refused = {
        "masking": row(layers.Masking(), lstm(), dense()),
        "gru": row(layers.GRU(4), dense()),
        "bidirectional": row(layers.Bidirectional(lstm()), dense()),
        "conv": row(layers.Conv1D(4, 3), lstm(), dense()),
        "lambda": row(layers.Lambda(lambda x: x * 2), lstm(), dense()),
        "batchnorm": row(layers.BatchNormalization(), lstm(), dense()),
        "backwards": row(lstm(go_backwards=True), dense()),
        "hard": row(lstm(recurrent_activation="hard_sigmoid"), dense()),
        "relu": row(lstm(activation="relu"), dense()),
        "two_heads": row(lstm(), dense(4), dense()),
        "sigmoids": row(lstm(), dense(2, "sigmoid")),
        "branch": keras.Model(entry, layers.Add()([dense()(fork), dense()(fork)])),
        "nested": row(row(lstm(every=True), layers.Dropout(0.1)), lstm(), dense()),
        "custom": row(Doubling(), lstm(), dense()),
        "mixed": row(lstm(dtype="mixed_float16"), dense()),
        "relu_head": row(lstm(), dense(2, "relu")),
    }
    if set(refused) != set(REFUSED):
        raise SystemExit("the table of refusals is not what is built")
    for name, model in refused.items():
        write(model, f"{name}.keras", alike=False)
    refused["gru"].save(folder / "gru.h5")
    row(lstm(), dense()).save_weights(folder / "bare.weights.h5")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
