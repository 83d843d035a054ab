"""Cells other than the plain LSTM, dense, convolution in floating point; their equations are in
``edge_lstm.cell_weights``.

Besides what every cell tells a tap, these tell ``over_x`` and ``over_h``: the rows over x and over h before they are
added, because integers saturate each by itself; a GRU that resets before its product tells ``reset``, which is r·h; an
LSTM with peepholes ``p·c``, those of i, f and o side by side; and a convolution ``window``, its last inputs side by
side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edge_lstm.cells.common import Array, CellTap, report, sigmoid
from edge_lstm.model import (
    GATES,
    ConvWeights,
    DenseLayerWeights,
    FastGrnnWeights,
    GruWeights,
    PeepholeLstmWeights,
    RecurrentWeights,
    RnnWeights,
)


class _FloatCell:
    """What they share, in float64, on (B, F) scaled inputs."""

    def __init__(self, weights: RecurrentWeights) -> None:
        self.units = weights.units
        self._kernel = weights.kernel.astype(np.float64).reshape(-1, weights.features).T
        self._recurrent = weights.recurrent.astype(np.float64).reshape(-1, weights.units).T
        self._bias = weights.bias.astype(np.float64)

    def zero_state(self, batch: int) -> tuple[Array, Array]:
        return np.zeros((batch, self.units)), np.zeros((batch, self.units))


class FloatGru(_FloatCell):
    def __init__(self, weights: GruWeights) -> None:
        super().__init__(weights)
        self._reset_after, self._reset_bias = weights.reset_after, weights.reset_bias.astype(np.float64)
        if not weights.reset_after:
            self._recurrent, self._over_reset = np.split(self._recurrent, [2 * self.units], axis=1)

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        units = self.units
        over_x = x @ self._kernel + self._bias.reshape(-1)
        over_h = h @ self._recurrent
        z_pre, r_pre = np.split(over_x[:, : 2 * units] + over_h[:, : 2 * units], 2, axis=1)
        z, r = sigmoid(z_pre), sigmoid(r_pre)
        if self._reset_after:
            over_h[:, 2 * units :] += self._reset_bias
            n_pre = over_x[:, 2 * units :] + r * over_h[:, 2 * units :]
        else:
            n_pre = over_x[:, 2 * units :] + (r * h) @ self._over_reset
        n = np.tanh(n_pre)
        h_new = z * c + (1 - z) * n
        if tap is not None:
            _tell_rows(tap, over_x, over_h)
            if not self._reset_after:
                tap("reset", r * h)
                tap("over_reset", (r * h) @ self._over_reset)
            report(tap, GruWeights.gates, x, h, (z_pre, r_pre, n_pre), (z, r, n), h_new, h_new)
        return h_new, h_new


class FloatPeepholeLstm(_FloatCell):
    def __init__(self, weights: PeepholeLstmWeights) -> None:
        super().__init__(weights)
        self._peephole = weights.peephole.astype(np.float64)

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        over_x, over_h = x @ self._kernel + self._bias.reshape(-1), h @ self._recurrent
        z_i, z_f, z_g, z_o = np.split(over_x + over_h, 4, axis=1)
        z_i, z_f = z_i + self._peephole[0] * c, z_f + self._peephole[1] * c
        i, f, g = sigmoid(z_i), sigmoid(z_f), np.tanh(z_g)
        c_new = f * c + i * g
        z_o = z_o + self._peephole[2] * c_new
        o = sigmoid(z_o)
        h_new = o * np.tanh(c_new)
        if tap is not None:
            _tell_rows(tap, over_x, over_h)
            tap(
                "p·c", np.concatenate([p * seen for p, seen in zip(self._peephole, (c, c, c_new), strict=True)], axis=1)
            )
            report(tap, GATES, x, h, (z_i, z_f, z_g, z_o), (i, f, g, o), c_new, h_new)
        return h_new, c_new


class FloatRnn(_FloatCell):
    def __init__(self, weights: RnnWeights) -> None:
        super().__init__(weights)
        self._activation = ACTIVATIONS[weights.activation]

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        del c  # carries nothing beyond h
        over_x, over_h = x @ self._kernel + self._bias[0], h @ self._recurrent
        pre = over_x + over_h
        h_new = self._activation(pre)
        if tap is not None:
            _tell_rows(tap, over_x, over_h)
            report(tap, RnnWeights.gates, x, h, (pre,), (h_new,), h_new, h_new)
        return h_new, h_new


class FloatFastGrnn(_FloatCell):
    def __init__(self, weights: FastGrnnWeights) -> None:
        super().__init__(weights)
        self._zeta, self._nu = weights.zeta, weights.nu

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        over_x, over_h = x @ self._kernel, h @ self._recurrent
        z_pre, n_pre = (over_x + over_h + bias for bias in self._bias)
        z, n = sigmoid(z_pre), np.tanh(n_pre)
        h_new = z * c + (self._zeta * (1 - z) + self._nu) * n
        if tap is not None:
            _tell_rows(tap, over_x + self._bias[0], over_h)
            report(tap, FastGrnnWeights.gates, x, h, (z_pre, n_pre), (z, n), h_new, h_new)
        return h_new, h_new


class FloatDense:
    def __init__(self, weights: DenseLayerWeights) -> None:
        self.units, self._activation = weights.units, ACTIVATIONS[weights.activation]
        self._kernel, self._bias = weights.kernel[0].T.astype(np.float64), weights.bias[0].astype(np.float64)

    def zero_state(self, batch: int) -> tuple[Array, Array]:
        return np.zeros((batch, self.units)), np.zeros((batch, self.units))

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        del c  # remembers nothing
        pre, h_new = self.rows(x)
        if tap is not None:
            tap("over_x", pre)
            report(tap, DenseLayerWeights.gates, x, h, (pre,), (h_new,), h_new, h_new)
        return h_new, h_new

    def rows(self, x: Array) -> tuple[Array, Array]:
        """(B, N) inputs → pre-activations and what the layer gives."""
        pre = x @ self._kernel + self._bias
        return pre, self._activation(pre)


class FloatConv:
    """Its c is the inputs of the steps before, (B, (taps - 1)·F), the oldest first."""

    def __init__(self, weights: ConvWeights) -> None:
        self.units, self._features, self._cells = weights.units, weights.features, weights.cells
        self._dense = FloatDense(weights)

    def zero_state(self, batch: int) -> tuple[Array, Array]:
        return np.zeros((batch, self.units)), np.zeros((batch, self._cells))

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        window = np.concatenate([c, x], axis=1)
        c_new = window[:, self._features :]
        pre, h_new = self._dense.rows(window)
        if tap is not None:
            tap("over_x", pre)
            tap("window", window)
            report(tap, ConvWeights.gates, x, h, (pre,), (h_new,), c_new, h_new)
        return h_new, c_new


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": np.asarray,
    "relu": lambda z: np.maximum(z, 0.0),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
}


def _tell_rows(tap: CellTap, over_x: Any, over_h: Any) -> None:
    tap("over_x", over_x)
    tap("over_h", over_h)
