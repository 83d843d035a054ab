"""``TF_USE_LEGACY_KERAS=1 PYTHONPATH=… python make.py FOLDER``: the files beside this one, by TensorFlow 2.21.

Only Keras 2 converts to the fused LSTM, and it is no dependency of this project: ``pip install --no-deps --target DIR
tf_keras`` and DIR in ``PYTHONPATH``. ``NAME.npz`` holds inputs x (B, T, F) and what Keras computes, y.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

FEATURES, STEPS = 3, 8


def main(folder: Path) -> None:
    import tensorflow as tf
    import tf_keras as keras

    keras.utils.set_random_seed(1)
    layers = keras.layers

    def lstm(units: int = 5, every: bool = False, **options: Any) -> Any:
        return layers.LSTM(units, return_sequences=every, bias_initializer="glorot_uniform", **options)

    def dense(units: int = 3, activation: str | None = None) -> Any:
        return layers.Dense(units, activation, bias_initializer="glorot_uniform")

    def row(*stack: Any, steps: int = STEPS) -> Any:
        x = entry = keras.Input((steps, FEATURES), batch_size=1)
        for layer in stack:
            x = layer(x)
        return keras.Model(entry, x)

    def example(model: Any, name: str) -> None:
        x = np.random.default_rng(2).normal(0, 1, (4, model.input_shape[1], FEATURES)).astype(np.float32)
        np.savez(folder / f"{name}.npz", x=x, y=np.concatenate([np.asarray(model(one[None])) for one in x]))

    def convert(model: Any, name: str, int8: bool = False, codes: bool = True) -> None:
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if int8:
            rng = np.random.default_rng(3)
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: (
                [rng.normal(0, 1, (1, STEPS, FEATURES)).astype(np.float32)] for _ in range(50)
            )
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            if codes:
                converter.inference_input_type = converter.inference_output_type = tf.int8
        (folder / f"{name}.tflite").write_bytes(converter.convert())
        example(model, name)

    scaling = layers.Normalization()
    scaling.adapt(np.random.default_rng(3).normal(4, 7, (50, STEPS, FEATURES)))
    convert(row(lstm(6, True), lstm(), dense(3, "softmax")), "last")
    convert(row(lstm(6, True), lstm(5, True), layers.TimeDistributed(dense())), "every")
    convert(row(lstm(), dense(1, "sigmoid")), "sigmoid")
    convert(row(scaling, lstm(), dense()), "scaled")
    convert(row(lstm(5, True), steps=1), "step")
    convert(row(lstm(6, True), lstm(), dense(3, "softmax")), "int8", int8=True)
    convert(row(lstm(), dense()), "int8_float_ends", int8=True, codes=False)
    convert(row(lstm(go_backwards=True), dense()), "backwards")
    convert(row(layers.Bidirectional(lstm()), dense()), "bidirectional")
    convert(row(lstm(time_major=True), dense()), "time_major")
    # A SavedModel of Keras 2; its graph has every layer in several forms, and packs well.
    model = keras.Sequential([keras.Input((None, FEATURES)), lstm(6, True), layers.Dropout(0.2), lstm(), dense()])
    model.save(folder / "keras2", save_format="tf")
    example_of = row(*model.layers)
    example(example_of, "keras2")
    shutil.make_archive(str(folder / "keras2"), "xztar", folder / "keras2")
    shutil.rmtree(folder / "keras2")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
