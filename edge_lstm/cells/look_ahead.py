"""Bidirectional layers that look ahead by N steps, of any cells within: ``edge_lstm.halves`` has the equations.

What they carry is one vector: c of the forward half, x of the last N steps, f of the last N steps, the oldest first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_lstm.cells.common import Array, Cell, CellTap


class LookAhead:
    """Two cells as one.

    Args:
        carries_c: whether the forward half carries anything besides its hidden state.
        still: code of a zero input.
    """

    def __init__(
        self, forward: Cell, backward: Cell, features: int, steps: int, *, carries_c: bool = True, still: int = 0
    ) -> None:
        self.units = 2 * forward.units
        self._forward, self._backward, self._features, self._steps = forward, backward, features, steps
        self._carries_c, self._still = carries_c, still

    def zero_state(self, batch: int) -> tuple[Array, Array]:
        h, c = self._forward.zero_state(batch)
        x = np.full((batch, self._steps * self._features), self._still, h.dtype)
        return np.concatenate([h, h], axis=1), self._joined(c, x, np.tile(h, (1, self._steps)))

    def step(self, h: Array, c: Array, x: Array, tap: CellTap | None = None) -> tuple[Array, Array]:
        c_before, x_before, f_before = self._parts(c)
        units = self._forward.units
        newest = f_before[:, -units:]
        f, c_new = self._forward.step(newest, c_before if self._carries_c else newest, x, _half(tap, "forward"))
        window = np.concatenate([x_before, x], axis=1)
        b, c_back = self._backward.zero_state(len(x))
        for x_then in np.split(window, self._steps + 1, axis=1)[::-1]:
            b, c_back = self._backward.step(b, c_back, x_then, _half(tap, "backward"))
        h_new = np.concatenate([f_before[:, :units], b], axis=1)
        f_after = np.concatenate([f_before[:, units:], f], axis=1)
        kept = self._joined(c_new, window[:, self._features :], f_after)
        if tap is not None:
            for name, value in (("x", x), ("h_before", h), ("c", kept), ("h", h_new)):
                tap(name, value)
        return h_new, kept

    def _parts(self, c: Array) -> list[Array]:
        """c of the forward half, x and f of the steps before."""
        widths = self._steps * self._features, self._steps * self._forward.units
        first = c.shape[1] - sum(widths)
        return np.split(c, [first, first + widths[0]], axis=1)

    def _joined(self, c: Array, x: Array, f: Array) -> Array:
        return np.concatenate([c, x, f] if self._carries_c else [x, f], axis=1)


class NativeLookAhead(LookAhead):
    """The same in memory of int32: x and f are int16 codes, two in each number, and nought where one is left over."""

    def _parts(self, c: Array) -> list[Array]:
        widths = self._steps * self._features, self._steps * self._forward.units
        words = [-(-width // 2) for width in widths]
        first = c.shape[1] - sum(words)
        own, *packed = np.split(c, [first, first + words[0]], axis=1)
        codes = [np.ascontiguousarray(part).view(np.int16) for part in packed]
        return [own, *(code[:, :width] for code, width in zip(codes, widths, strict=True))]

    def _joined(self, c: Array, x: Array, f: Array) -> Array:
        return np.concatenate([c, _packed(x), _packed(f)], axis=1)


def _packed(codes: Array) -> Array:
    """(B, N) codes → (B, N / 2 rounded up) int32."""
    even = np.zeros((len(codes), 2 * -(-codes.shape[1] // 2)), np.int16)
    even[:, : codes.shape[1]] = codes
    return even.view(np.int32)


def _half(tap: CellTap | None, name: str) -> Any:
    return None if tap is None else lambda tensor, value: tap(f"{name}/{tensor}", value)
