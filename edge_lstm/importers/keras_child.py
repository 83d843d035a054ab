"""``python -m edge_lstm.importers.keras_child FILE QUESTION ANSWER``: Keras over inputs, in a process of its own."""

from __future__ import annotations

import os
import sys

import numpy as np


def main(file: str, question: str, answer: str) -> None:
    """``.npy`` files of inputs (B, T, F) and of what the model gives. Code in the file is refused by ``safe_mode``."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import keras

    model = keras.saving.load_model(file, compile=False, safe_mode=True)
    np.save(answer, np.asarray(model(np.load(question), training=False)))


if __name__ == "__main__":
    main(*sys.argv[1:])
