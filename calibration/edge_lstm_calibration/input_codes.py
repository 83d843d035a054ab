"""Int8 codes of the samples, channel by channel, for formats that know one scale a tensor only.

A tensor of 8-bit codes has one scale, so a channel with a wide range would coarsen all others. Instead every channel is
encoded with its own step around its own centre, and what the format's one scale misreads is folded into the first
layer: with ``u = scale · (code - zero)`` as the runtime reads it, the scaled sample is ``x = gain · u + offset``, so
the kernel becomes ``W · gain`` and the bias takes ``W · offset``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_lstm.integer import Encoding, Quant
from edge_lstm.model import ConvWeights, Float64, FloatModel, LstmWeights, Scaling
from edge_lstm_calibration.calibrate import Calibration, Moments

STEPS = 240
"""Codes from one end of a calibrated range to the other. The rest of the 256 is headroom, for devices do leave the
range they were calibrated on, and a clipped sample costs far more than a coarser step. A channel of few equidistant
levels, such as a flag, is encoded without any error: 240 divides by 1 to 6, 8, 10, 12, 15 and 16."""

_STILL = 1e-9


@dataclass(frozen=True, eq=False)
class InputCodes:
    """Args:
    centre: (C,) scaled value of code 0.
    step: (C,) scaled value of one code.
    """

    centre: Float64
    step: Float64

    @classmethod
    def of(cls, model: FloatModel, calibration: Calibration) -> InputCodes:
        """Codes whose middle 240 steps span the calibrated range of each channel."""
        ranges = np.array([calibration.range(0, "x", k) for k in range(len(model.interface.channels))])
        low, high = ranges[:, 0], ranges[:, 1]
        if isinstance(model.layers[0], ConvWeights):
            # What it remembers before the first sample is zero, which then has to be the code 0.
            high = np.maximum(np.abs(low), np.abs(high))
            low = -high
        # A channel that never moved gets a scaled unit to either side, so that a device's change does not saturate: a
        # token that calibration did not see is 1.
        width = np.where(high - low < _STILL, 2.0, high - low)
        return cls((low + high) / 2, width / STEPS)

    def encoding(self, scaling: Scaling, lowest: int = -128) -> Encoding:
        """Physical sample → code in ``lowest``..127."""
        channels = len(self.step)
        return Encoding(
            scaling.undo(self.centre).astype(np.float32),
            (1.0 / (scaling.scale * self.step)).astype(np.float32),
            0,
            np.full(channels, lowest, np.int32),
            np.full(channels, 127, np.int32),
        )

    def reading(self, quant: Quant) -> tuple[Float64, Float64]:
        """(C,) gain and (C,) offset of ``x = gain · u + offset``."""
        return self.step / quant.scale, self.centre + quant.zero * self.step


@dataclass(frozen=True, eq=False)
class Moved:
    """Mean (N,) and covariance (N, N) of columns, the first of them u in place of x."""

    mean: Float64
    covariance: Float64

    @classmethod
    def of(cls, moments: Moments, gain: Float64, offset: Float64) -> Moved:
        """Of the moments of [x | …]; ``gain`` and ``offset`` (F,) as ``InputCodes.reading`` gives them."""
        gains, offsets = np.ones(len(moments.mean)), np.zeros(len(moments.mean))
        gains[: len(gain)], offsets[: len(gain)] = gain, offset
        return cls((moments.mean - offsets) / gains, moments.covariance / np.outer(gains, gains))

    def take(self, columns: slice) -> Moved:
        """Those of some of the columns."""
        return Moved(self.mean[columns], self.covariance[columns, columns])


@dataclass(frozen=True, eq=False)
class Folded:
    """An LSTM layer that takes u in place of its inputs, and the statistics of [u | h].

    Args:
        weights: (4, H, F + H), kernel and recurrent side by side.
        bias: (4, H).
        mean: (F + H,).
        covariance: (F + H, F + H).
    """

    weights: Float64
    bias: Float64
    mean: Float64
    covariance: Float64

    @classmethod
    def of(cls, layer: LstmWeights, calibration: Calibration, index: int, gain: Float64, offset: Float64) -> Folded:
        """``gain`` and ``offset`` (F,) as ``InputCodes.reading`` gives them; ones and zeros above the first layer."""
        gains = np.concatenate([gain, np.ones(layer.units)])
        offsets = np.concatenate([offset, np.zeros(layer.units)])
        weights = np.concatenate([layer.kernel, layer.recurrent], axis=2).astype(np.float64)
        moved = Moved.of(calibration.moments[index], gain, offset)
        return cls(weights * gains, layer.bias + weights @ offsets, moved.mean, moved.covariance)
