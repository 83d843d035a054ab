"""Networks at the ends of what the native arithmetic allows, which random ones do not reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from c_nets import random_native

from edge_lstm.integer import NativeModel, Scheme

LARGEST = (1 << 23) - 1
"""Of an accumulator."""


def with_shifts(model: NativeModel, shifts: Sequence[int]) -> NativeModel:
    """The model whose rows shift by numbers of ``shifts``, one after the other."""
    return _changed(model, lambda block: {"shift": np.resize(shifts, len(block.shift))})


def with_largest_sums(model: NativeModel, shift: int) -> NativeModel:
    """The model whose accumulators are constants at both limits, under the largest multiplier."""

    def block_of(block: Any) -> dict[str, Any]:
        rows = len(block.bias)
        return {
            "weights": np.zeros_like(block.weights),
            "bias": np.resize([LARGEST, -LARGEST, -LARGEST, 1, LARGEST, -1, 0], rows),
            "multiplier": np.full(rows, 255),
            "shift": np.full(rows, shift),
        }

    return _changed(model, block_of)


def with_running_cells(scheme: Scheme) -> NativeModel:
    """Four units whose cells run to one limit or the other in some 130 steps and stay, and four ordinary ones."""
    gates = np.array([[1] * 4, [1] * 4, [1, -1, 1, -1], [1] * 4]) << 22

    def block_of(block: Any) -> dict[str, Any]:
        rows = np.arange(32).reshape(4, 8)[:, :4]
        weights, bias, shift = block.weights.copy(), block.bias.copy(), block.shift.copy()
        weights[rows], bias[rows], shift[rows] = 0, gates, 9
        return {"weights": weights, "bias": bias, "shift": shift}

    return _changed(random_native(3, 3, [8], 5, scheme), block_of)


def _changed(model: NativeModel, change: Any) -> NativeModel:
    layers = [replace(x, blocks=tuple(replace(b, **change(b)) for b in x.blocks)) for x in model.layers]
    return replace(model, layers=tuple(layers))
