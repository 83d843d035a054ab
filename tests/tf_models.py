"""``python tf_models.py tflite|heads|saved_model FOLDER``: models of Keras 3 as TensorFlow writes them.

All in one process, because TensorFlow takes seconds to start. Beside each is a ``NAME.npz`` of inputs x (B, T, F) and
outputs y.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

FEATURES, STEPS, BATCH = 3, 6, 3


def main(what: str, folder: Path) -> None:
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    layers = keras.layers

    def lstm(units: int = 5, every: bool = False, **options: Any) -> Any:
        return layers.LSTM(units, return_sequences=every, bias_initializer="glorot_uniform", **options)

    def dense(units: int = 3, activation: str | None = None) -> Any:
        return layers.Dense(units, activation, bias_initializer="glorot_uniform")

    def row(*stack: Any, batch: int | None = None, steps: int | None = None) -> Any:
        x = entry = keras.Input(batch_shape=(batch, steps, FEATURES))
        for layer in stack:
            x = layer(x)
        return keras.Model(entry, x)

    def example(model: Any, name: str) -> None:
        x = np.random.default_rng(2).normal(0, 1, (BATCH, STEPS, FEATURES)).astype(np.float32)
        size = model.input_shape[0] or BATCH
        y = np.concatenate([np.asarray(model(x[k : k + size])) for k in range(0, BATCH, size)])
        np.savez(folder / f"{name}.npz", x=x, y=y)

    def convert(name: str, *stack: Any, int8: bool = False) -> None:
        model = row(*stack, batch=1, steps=STEPS)
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if int8:
            rng = np.random.default_rng(3)
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: (
                [rng.normal(0, 1, (1, STEPS, FEATURES)).astype(np.float32)] for _ in range(50)
            )
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        (folder / f"{name}.tflite").write_bytes(converter.convert())
        example(model, name)

    def save(name: str, model: Any) -> None:
        export(name, model)
        tf.saved_model.save(model, folder / f"{name}-save")
        example(model, name)

    def export(name: str, model: Any) -> None:
        model.export(folder / f"{name}-export", verbose=False)

    class Label(layers.Layer):
        def call(self, x: Any) -> Any:
            return tf.argmax(x, -1, output_type=tf.int32)

    if what == "heads":
        convert("sigmoids", lstm(), dense(3, "sigmoid"))
        convert("label", lstm(), dense(3, "softmax"), Label())
        convert("label_every", lstm(every=True), dense(), Label())
        convert("label_int8", lstm(unroll=True), dense(), Label(), int8=True)
        convert("label_of_steps", lstm(every=True), dense(1), layers.Reshape((STEPS,)), Label())
        return
    if what == "tflite":
        convert("loop", lstm(6, True), lstm(), dense(3, "softmax"))
        convert("loop_every", lstm(6, True), lstm(5, True), dense())
        convert("loop_without_bias", lstm(use_bias=False), dense())
        convert("loop_gru", layers.GRU(5, bias_initializer="glorot_uniform"), dense())
        convert("loop_gru_before", layers.GRU(5, reset_after=False, bias_initializer="glorot_uniform"), dense())
        convert("dense", dense(4, "tanh"), lstm(), dense(4, "relu"), dense())
        convert("loop_rnn", layers.SimpleRNN(5), dense())
        convert("loop_rnn_relu", layers.SimpleRNN(5, activation="relu"), dense())
        convert("unrolled", lstm(6, True, unroll=True), lstm(unroll=True), dense())
        convert("unrolled_int8", lstm(unroll=True), dense(), int8=True)
        convert("bidirectional", layers.Bidirectional(lstm()), dense())
        convert("relu", lstm(activation="relu"), dense())
        convert("unrolled_gru", layers.GRU(5, unroll=True), dense())
        return
    scaling = layers.Normalization()
    scaling.adapt(np.random.default_rng(3).normal(4, 7, (50, STEPS, FEATURES)))
    save("last", row(lstm(6, True), layers.Dropout(0.2), lstm(), dense(3, "softmax")))
    save("every", row(lstm(3, True), lstm(3, True), dense(3)))
    save("sigmoid", row(lstm(use_bias=False), dense(1, "sigmoid")))
    save("dense", row(dense(4, "tanh"), lstm(), dense(4, "relu"), dense()))
    save("sigmoids", row(lstm(), dense(3, "sigmoid")))
    save("scaled", row(scaling, lstm(), dense()))
    save("gru", row(layers.GRU(5), layers.Dense(2)))
    save("rnn_relu", row(layers.SimpleRNN(5, activation="relu"), layers.Dense(2)))
    save("fixed", row(lstm(), dense(), steps=STEPS))
    save("sequential", keras.Sequential([keras.Input((None, FEATURES)), lstm(), dense()]))
    export("relu", row(lstm(activation="relu"), dense()))
    export("backwards", row(lstm(go_backwards=True), dense()))
    export("bidirectional", row(layers.Bidirectional(lstm()), dense()))
    export("conv", row(layers.Conv1D(4, 3), lstm(), dense()))
    fork = lstm()(entry := keras.Input((None, FEATURES)))
    export("branch", keras.Model(entry, layers.Add()([dense()(fork), dense()(fork)])))

    class Writing(tf.Module):
        """Writes a file when it is called: a SavedModel is a program."""

        @tf.function(input_signature=[tf.TensorSpec((None, None, FEATURES), tf.float32)])
        def __call__(self, x: Any) -> Any:
            tf.io.write_file("pwned", "x")
            return self.model(x)

    writing = Writing()
    writing.model = row(lstm(), dense())
    tf.saved_model.save(writing, folder / "writing")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
