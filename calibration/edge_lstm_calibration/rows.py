"""Rows of the ``native`` arithmetic: real weights to int8 with a scale a row, so that no accumulator can overflow.

The acc24 rule: for any codes within their limits every accumulator stays below 2**23. It holds by construction, because
a row's step is at least what its largest possible sum asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from edge_lstm.arithmetic import native
from edge_lstm.errors import QuantisationError
from edge_lstm.integer import Affine, Int64
from edge_lstm.model import Float64
from edge_lstm_calibration.rounding import LARGEST, round_to_nearest, round_with_compensation

_TINY = 1e-9
_RESERVE = 0.98
"""Share of 2**23 given to the weights before they are rounded; rounding moves the sum by little."""
_COARSER = 1.05


class Statistics(Protocol):
    """How the columns of a block move."""

    @property
    def mean(self) -> Float64: ...

    @property
    def covariance(self) -> Float64: ...


@dataclass(frozen=True, eq=False)
class Columns:
    """What a block of rows is multiplied with: codes of step ``scale`` within ``±limit``.

    Args:
        scale: (N,) real value of one code.
        limit: (N,) largest magnitude of a code.
    """

    scale: Float64
    limit: Int64

    def beside(self, other: Columns) -> Columns:
        return Columns(np.concatenate([self.scale, other.scale]), np.concatenate([self.limit, other.limit]))

    def first(self, count: int) -> Columns:
        return Columns(self.scale[:count], self.limit[:count])

    def over(self, steps: int) -> Columns:
        """Those of as many steps side by side."""
        return Columns(np.tile(self.scale, steps), np.tile(self.limit, steps))


def hidden_columns(units: int, bits: int, reach_bits: int = 0) -> Columns:
    """A hidden state within ±2**reach_bits, in codes of ``bits`` bits and a sign, as the columns of the next block."""
    return Columns(np.full(units, 2.0 ** (reach_bits - bits)), np.full(units, 1 << bits))


def weight_steps(weights: Float64, columns: Columns) -> Float64:
    """(R,) steps at which the largest weight of a row is ±127."""
    return np.asarray(np.maximum(np.abs(weights * columns.scale).max(axis=1) / LARGEST, _TINY))


def reach_steps(weights: Float64, bias: Float64, columns: Columns) -> Float64:
    """(R,) least steps at which a row's largest possible sum stays below 2**23."""
    reach = np.abs(weights) @ (columns.scale * columns.limit) + np.abs(bias)
    return np.asarray(reach / (_RESERVE * native.ACCUMULATOR_LIMIT))


def quantise_rows(weights: Any, bias: Any, columns: Columns, gain: Float64, moments: Statistics | None) -> Affine:
    """One block: rows (R, N) over ``columns``, with ``gain`` output codes to the unit."""
    return quantise_blocks([(weights, columns)], bias, gain, moments)[0]


def quantise_blocks(
    parts: list[tuple[Any, Columns]], bias: Any, gain: Float64, moments: Statistics | None
) -> list[Affine]:
    """Blocks of rows whose results add up, each part (R, N_k) over its columns with its own row scales.

    The bias and the rounding half of the first block are in its integer bias; the others carry their half only.
    ``moments`` are those of all columns side by side, in real units; None rounds to nearest.
    """
    exact = [(np.asarray(weights, np.float64), columns) for weights, columns in parts]
    offsets = [np.asarray(bias, np.float64) * (k == 0) for k in range(len(parts))]
    steps = [
        np.maximum(weight_steps(weights, columns), reach_steps(weights, offset, columns))
        for (weights, columns), offset in zip(exact, offsets, strict=True)
    ]
    while True:
        blocks = _rounded(exact, offsets, steps, gain, moments)
        over = [reach(b, columns) >= native.ACCUMULATOR_LIMIT for b, (_, columns) in zip(blocks, exact, strict=True)]
        if not any(rows.any() for rows in over):
            return blocks
        steps = [np.where(rows, step * _COARSER, step) for rows, step in zip(over, steps, strict=True)]


def _rounded(
    parts: list[tuple[Float64, Columns]],
    offsets: list[Float64],
    least_steps: list[Float64],
    gain: Float64,
    moments: Statistics | None,
) -> list[Affine]:
    multipliers = [native.round_multiplier_up(step * gain) for step in least_steps]
    # The step is what the rounded multiplier stands for, so that requantisation is exact.
    steps = [m * 2.0**-s / gain for m, s in multipliers]
    per_code = [weights * columns.scale for weights, columns in parts]
    joint = np.concatenate(per_code, axis=1)
    step = np.concatenate([np.broadcast_to(s[:, None], p.shape) for s, p in zip(steps, per_code, strict=True)], axis=1)
    if moments is None:
        codes, correction = round_to_nearest(joint, step), np.zeros(len(joint))
    else:
        scale = np.concatenate([columns.scale for _, columns in parts])
        codes = round_with_compensation(joint, step, moments.covariance / np.outer(scale, scale))
        correction = (joint - codes * step) @ (moments.mean / scale)
    blocks = []
    for k, (offset, (m, s), row_step) in enumerate(zip(offsets, multipliers, steps, strict=True)):
        taken, codes = np.split(codes, [per_code[k].shape[1]], axis=1)
        rounding_half = 2.0 ** (s - 1) / m
        integer_bias = np.rint((offset + correction * (k == 0)) / row_step + rounding_half).astype(np.int32)
        blocks.append(Affine(taken.astype(np.int8), integer_bias, m.astype(np.int32), s.astype(np.int32)))
    return blocks


def reach(block: Affine, columns: Columns) -> Int64:
    """(R,) largest magnitude an accumulator can have, for any codes within the limits."""
    weights, bias = np.abs(block.weights.astype(np.int64)), np.abs(block.bias.astype(np.int64))
    return np.asarray(weights @ columns.limit + bias)


def require_shifts(block: Affine, where: str, allowed: range = native.SHIFTS) -> None:
    """Raise QuantisationError if a row's multiplier is not one the kernels can apply."""
    bad = [int(s) for s in block.shift if s not in allowed]
    if bad:
        raise QuantisationError(
            f"{where}: a row needs a shift of {bad[0]}, kernels have {allowed.start}..{allowed.stop - 1}; "
            "its weights are far larger or smaller than its inputs: check the scaling of the data"
        )
