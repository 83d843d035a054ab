"""Int8 codes of the samples, channel by channel, for formats that know one scale a tensor only.

A TFLite tensor has one scale, so a channel with a wide range would coarsen all others. Instead every channel is encoded
over the whole of int8 with its own step, and what the format's one scale misreads is folded into the first layer: with
``u = scale · (code - zero)`` as the runtime reads it, the scaled sample is ``x = gain · u + offset``, so the kernel
becomes ``W · gain`` and the bias takes ``W · offset``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_lstm.integer import Encoding, Quant
from edge_lstm.model import Float64, FloatModel, LstmWeights, Scaling
from edge_lstm_calibration.calibrate import Calibration

LOWEST, HIGHEST = -128, 127
_STILL = 1e-9


@dataclass(frozen=True, eq=False)
class InputCodes:
    """Args:
    low: (C,) scaled value of code -128.
    step: (C,) scaled value of one code.
    """

    low: Float64
    step: Float64

    @classmethod
    def of(cls, model: FloatModel, calibration: Calibration) -> InputCodes:
        """Codes over the calibrated range of each channel."""
        ranges = np.array([calibration.range(0, "x", k) for k in range(len(model.interface.channels))])
        low, high = ranges[:, 0], ranges[:, 1]
        # A channel that never moved gets one scaled unit around it, so that a device's small change does not saturate.
        still = high - low < _STILL
        low, high = np.where(still, low - 0.5, low), np.where(still, high + 0.5, high)
        return cls(low, (high - low) / (HIGHEST - LOWEST))

    def encoding(self, scaling: Scaling) -> Encoding:
        """Physical sample → code."""
        channels = len(self.low)
        return Encoding(
            scaling.undo(self.low).astype(np.float32),
            (1.0 / (scaling.scale * self.step)).astype(np.float32),
            LOWEST,
            np.full(channels, LOWEST, np.int32),
            np.full(channels, HIGHEST, np.int32),
        )

    def reading(self, quant: Quant) -> tuple[Float64, Float64]:
        """(C,) gain and (C,) offset of ``x = gain · u + offset``."""
        return self.step / quant.scale, self.low + (quant.zero - LOWEST) * self.step


@dataclass(frozen=True, eq=False)
class Folded:
    """A layer that takes u in place of its inputs, and the statistics of [u | h].

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
        moments = calibration.moments[index]
        return cls(
            weights * gains,
            layer.bias + weights @ offsets,
            (moments.mean - offsets) / gains,
            moments.covariance / np.outer(gains, gains),
        )
