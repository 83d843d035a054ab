"""The reference as a runtime: what every other back end must print."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edge_lstm.integer import Arithmetic, TfliteModel
from edge_lstm.model import FloatModel
from edge_lstm.modelfile import Model
from edge_lstm.reference import State, network

Array = NDArray[Any]


class ReferenceRuntime:
    """One stream through the NumPy reference.

    Args:
        arithmetic: ``native``, ``tflite``, ``tflm`` or ``step``; or ``float``, for a ``FloatModel``, whose "codes" are
            scaled samples and scaled outputs in float64.
    """

    name = "reference"

    def __init__(self, model: Model, arithmetic: str) -> None:
        self.arithmetic = cast(Arithmetic, arithmetic)
        self._network = network(model, self.arithmetic if isinstance(model, TfliteModel) else None)
        self._dtype = np.float64 if isinstance(model, FloatModel) else np.int32
        self._outputs = len(model.interface.task.outputs)
        self._state = self._network.zero_state(1)

    def reset(self) -> None:
        self._state = self._network.zero_state(1)

    def step(self, codes: Any) -> Array:
        """(C,) → (O,)."""
        self._state, y = self._network.step(self._state, np.asarray(codes)[None])
        return np.asarray(y[0], self._dtype)

    def run(self, codes: Any) -> Array:
        """(T, C) → (T, O), the state carried on."""
        codes = np.asarray(codes)
        if not len(codes):
            return np.empty((0, self._outputs), self._dtype)
        return np.stack([self.step(row) for row in codes])

    def get_state(self) -> State:
        return tuple((h[0].copy(), c[0].copy()) for h, c in self._state)

    def set_state(self, state: State) -> None:
        zero = self._network.zero_state(1)
        self._state = tuple(
            (np.asarray(h, h0.dtype)[None], np.asarray(c, c0.dtype)[None])
            for (h, c), (h0, c0) in zip(state, zero, strict=True)
        )
