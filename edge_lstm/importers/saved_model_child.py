"""``python -m edge_lstm.importers.saved_model_child FOLDER QUESTION ANSWER``: TensorFlow, in a process of its own."""

from __future__ import annotations

import os
import sys

import numpy as np


def main(folder: str, question: str, answer: str) -> None:
    """``.npy`` files of inputs (B, T, F) and of what the model's one signature gives."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import tensorflow as tf

    loaded = tf.saved_model.load(folder)
    signatures = dict(loaded.signatures)
    function = signatures.get("serving_default") or next(iter(signatures.values()))
    (name,) = function.structured_input_signature[1]
    (output,) = function(**{name: tf.constant(np.load(question))}).values()
    np.save(answer, output.numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
