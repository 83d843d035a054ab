"""Our ONNX files in onnxruntime: physical units at both ends, float32 state handed in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edge_lstm.errors import BundleError, MissingDependencyError
from edge_lstm.integer import Arithmetic
from edge_lstm.runtimes.base import Array, State


class OnnxSession:
    """One stream through a file that ``edge_lstm_export.onnx_model`` wrote.

    Raises:
        MissingDependencyError: if onnxruntime is not installed.
        BundleError: if the file does not load.
    """

    name = "onnxruntime"
    arithmetic: Arithmetic = "float"

    def __init__(self, model_file: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingDependencyError("onnxruntime is not installed: pip install 'edge-lstm[onnx]'") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self._session: Any = onnxruntime.InferenceSession(str(model_file), options)
        except Exception as error:  # onnxruntime has a family of exceptions without a common public base
            raise BundleError(f"onnxruntime cannot load {model_file}: {error}; export it anew") from error
        self._states = [tensor for tensor in self._session.get_inputs() if tensor.name != "x"]
        self._values: list[Array] = []
        self.reset()

    def reset(self) -> None:
        self._values = [np.zeros((1, 1, int(tensor.shape[2])), np.float32) for tensor in self._states]

    def step(self, sample: Array) -> Array:
        """(C,) physical sample → (O,) logits, or targets in physical units."""
        return np.asarray(self.run(np.asarray(sample)[None])[0])

    def run(self, samples: Array) -> Array:
        """(T, C) → (T, O)."""
        fed = {tensor.name: value for tensor, value in zip(self._states, self._values, strict=True)}
        y, *self._values = self._session.run(None, {"x": np.asarray(samples, np.float32)[:, None, :], **fed})
        return np.asarray(y)[:, 0, :]

    def get_state(self) -> State:
        flat = [value.reshape(-1).copy() for value in self._values]
        return tuple(zip(flat[::2], flat[1::2], strict=True))

    def set_state(self, state: State) -> None:
        flat = [value for layer in state for value in layer]
        self._values = [np.asarray(value, np.float32).reshape(1, 1, -1) for value in flat]
