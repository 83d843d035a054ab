"""Values at the ends of what their codes hold: inputs of every sample, states and outputs of a step now and then.

A gate's pre-activation does not leave the kernels and is not watched; the manifest's quantisation report has its share
on the test data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.integer import NativeModel, TfliteModel
from edge_lstm.model import Float64

if TYPE_CHECKING:
    from edge_lstm.modelfile import Model
    from edge_lstm.runtimes.base import State


class Inputs:
    """Values beyond what the input codes tell apart, by channel: exact.

    Args:
        limits: (C,) lowest and highest physical values; None for a float model, which clamps nothing.
    """

    def __init__(self, channels: Sequence[str], limits: tuple[Float64, Float64] | None) -> None:
        self._channels, self._limits = channels, limits
        self._clamped: NDArray[np.int64] = np.zeros(len(channels), np.int64)

    def add(self, samples: Float64) -> None:
        """Count (N, C) physical samples."""
        if self._limits is not None:
            low, high = self._limits
            self._clamped += ((samples < low) | (samples > high)).sum(axis=0)

    def to_json(self) -> dict[str, int] | None:
        return None if self._limits is None else dict(zip(self._channels, self._clamped.tolist(), strict=True))


class States:
    """Codes of hidden states, cells and outputs at their limits, in the steps that were looked at.

    Args:
        model: an integer model of the fused or the native family.
        arithmetic: what computes it.
    """

    def __init__(self, model: NativeModel | TfliteModel, arithmetic: str) -> None:
        from edge_lstm.reference import network
        from edge_lstm_calibration.report import tensor_codes

        self.steps = 0
        layers = len(model.layers)
        self._rows: dict[tuple[int, str], list[int]] = {}
        codes = tensor_codes(model)
        states = [(layer, tensor) for layer in range(layers) for tensor in ("c", "h") if (layer, tensor) in codes]
        wanted = [*states, (layers, "y")]
        self._limits = {key: (codes[key].low, codes[key].high) for key in wanted}
        self._rows = {key: [0, 0] for key in wanted}
        self._head: Callable[[Any], Any] = network(
            model,
            None if isinstance(model, NativeModel) else arithmetic,  # type: ignore[arg-type]
        ).head

    def add(self, state: State) -> None:
        """Look at the state behind a step; the outputs are computed from it, since runtimes give them away."""
        self.steps += 1
        for layer, (h, c) in enumerate(state):
            if (layer, "c") in self._limits:
                self._count((layer, "c"), c)
            self._count((layer, "h"), h)
        self._count((len(state), "y"), self._head(np.asarray(state[-1][0], np.int64)[None]))

    def to_json(self) -> list[dict[str, Any]]:
        """Rows of ``layer``, ``tensor`` and ``saturated``: the share of the values seen."""
        return [
            {"layer": layer, "tensor": tensor, "saturated": round(at / seen, 6) if seen else None}
            for (layer, tensor), (at, seen) in self._rows.items()
        ]

    def _count(self, key: tuple[int, str], codes: Any) -> None:
        low, high = self._limits[key]
        values = np.asarray(codes)
        row = self._rows[key]
        row[0] += int(((values <= low) | (values >= high)).sum())
        row[1] += values.size


def states_of(model: Model, arithmetic: str) -> States | None:
    """What watches the states of a model; None for a float one, which has no limits, and for the explicit-state one."""
    return States(model, arithmetic) if isinstance(model, NativeModel | TfliteModel) else None
