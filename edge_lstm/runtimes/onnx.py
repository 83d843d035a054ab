"""Our ONNX files in onnxruntime: physical units at both ends, float32 state handed in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edge_lstm.errors import BundleError, MissingDependencyError
from edge_lstm.integer import Arithmetic
from edge_lstm.runtimes.base import Array, State
from edge_lstm.tensor_names import BESIDE_HIDDEN, NEW, hidden_state


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
        given = [tensor for tensor in self._session.get_outputs() if tensor.name != "y"]
        self._widths = {tensor.name.removesuffix(NEW): int(tensor.shape[2]) for tensor in given}
        # A dense layer gives what it gave last, and takes nothing.
        self._taken = [tensor.name for tensor in self._session.get_inputs() if tensor.name != "x"]
        self._values: dict[str, Array] = {}
        self.reset()

    def reset(self) -> None:
        self._values = {name: np.zeros((1, 1, width), np.float32) for name, width in self._widths.items()}

    def step(self, sample: Array) -> Array:
        """(C,) physical sample → (O,) logits, or targets in physical units."""
        return np.asarray(self.run(np.asarray(sample)[None])[0])

    def run(self, samples: Array) -> Array:
        """(T, C) → (T, O)."""
        taken = {name: self._values[name] for name in self._taken}
        y, *values = self._session.run(None, {"x": np.asarray(samples, np.float32)[:, None, :], **taken})
        self._values = dict(zip(self._widths, values, strict=True))
        return np.asarray(y)[:, 0, :]

    def get_state(self) -> State:
        flat = {name: value.reshape(-1) for name, value in self._values.items()}
        hidden = [flat[hidden_state(layer)] for layer in range(self._layers)]
        # A cell that carries nothing beyond h has no other input.
        return tuple((h.copy(), np.concatenate(self._rest(flat, layer) or [h])) for layer, h in enumerate(hidden))

    def set_state(self, state: State) -> None:
        given: dict[str, Array] = {}
        for layer, (h, c) in enumerate(state):
            rest = [name(layer) for name in BESIDE_HIDDEN if name(layer) in self._widths]
            ends = np.cumsum([self._widths[name] for name in rest])[:-1]
            given |= {hidden_state(layer): h, **dict(zip(rest, np.split(np.asarray(c), ends), strict=False))}
        self._values = {
            name: np.asarray(given[name], np.float32).reshape(1, 1, width) for name, width in self._widths.items()
        }

    def _rest(self, flat: dict[str, Array], layer: int) -> list[Array]:
        """What a layer carries besides its hidden state."""
        return [flat[name(layer)] for name in BESIDE_HIDDEN if name(layer) in flat]

    @property
    def _layers(self) -> int:
        return sum(hidden_state(layer) in self._widths for layer in range(len(self._widths)))
