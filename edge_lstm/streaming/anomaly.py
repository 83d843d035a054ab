"""The anomaly score: how far a sample lies from what the network foretold one step before, smoothed.

residual(t) = mean over targets of |y(t-1) - scaled x(t)|, with y the network's output, a scaled forecast one step
ahead; score(t) = score(t-1) + smoothing · (residual(t) - score(t-1)), starting from 0. The first step has neither.

This is the only place where the score is computed: learning the threshold, evaluating and streaming all call it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.errors import InputError, ModelError
from edge_lstm.model import AnomalyRule, Float64, Interface


class AnomalyScorer:
    """Scores one stream, a step at a time.

    Args:
        interface: of a model whose task is ``anomaly``.

    Raises:
        ModelError: if the model has no anomaly rule.
    """

    def __init__(self, interface: Interface) -> None:
        self._interface = interface
        self._rule = rule_of(interface)
        self._targets = list(interface.task.target_channels)
        self.reset()

    def reset(self) -> None:
        """Forget the score and the last forecast."""
        self._score = 0.0
        self._forecast: Float64 | None = None

    def score(self, physical: Any, output: Any) -> float | None:
        """Score of the sample (C,) in physical units; ``output`` (O,) is the forecast made at it, for the next one.

        None at the first step, which nothing foretold.
        """
        forecast, self._forecast = self._forecast, np.array(output, np.float64)
        if forecast is None:
            return None
        sample = np.asarray(physical, np.float64)[self._targets]
        misses = np.abs(forecast - self._interface.target_scaling.apply(sample))
        # An exact sum is the same in every language, whatever its order.
        residual = math.fsum(misses.tolist()) / len(misses)
        self._score += self._rule.smoothing * (residual - self._score)
        return self._score

    def judge(self, physical: Any, output: Any) -> dict[str, Any]:
        """The same as the fields ``score`` and ``anomaly`` of a prediction."""
        score = self.score(physical, output)
        return {"score": score, "anomaly": None if score is None else score > self._rule.threshold}

    def state(self) -> dict[str, Any]:
        """What the scorer remembers, as JSON values that bring back the same bits."""
        return {"score": self._score, "forecast": None if self._forecast is None else self._forecast.tolist()}

    def restore(self, state: Any) -> None:
        """Go on from what ``state`` gave.

        Raises:
            InputError: if it is not such a state, or one of another number of outputs.
        """
        try:
            score, forecast = float(state["score"]), state["forecast"]
            array = None if forecast is None else np.array(forecast, np.float64)
        except (TypeError, KeyError, ValueError) as error:
            raise InputError(f"stream state: no anomaly score in it ({error}); reset the stream instead") from error
        if array is not None and array.shape != (len(self._targets),):
            raise InputError(
                f"stream state: its forecast has {array.size} values, this model makes {len(self._targets)}; "
                "reset the stream instead"
            )
        self._score, self._forecast = score, array


def rule_of(interface: Interface) -> AnomalyRule:
    """The model's anomaly rule.

    Raises:
        ModelError: if it has none.
    """
    if interface.task.anomaly is None:
        raise ModelError(f"a {interface.task.kind} model without an anomaly rule gives no scores; train it as anomaly")
    return interface.task.anomaly


def anomaly_scores(interface: Interface, series: Any, outputs: Any) -> Float64:
    """(T,) scores of a recording (T, C) in physical units, NaN at the first step; ``outputs`` (T, O) are forecasts."""
    scorer = AnomalyScorer(interface)
    scores = [scorer.score(x, y) for x, y in zip(series, outputs, strict=True)]
    return np.array([np.nan if score is None else score for score in scores])


def alarms(interface: Interface, series: Any, outputs: Any) -> NDArray[np.bool_]:
    """(T,) whether each step is an anomaly."""
    return np.asarray(anomaly_scores(interface, series, outputs) > rule_of(interface).threshold)


def learn_threshold(scores: Sequence[Float64], quantile: float) -> float:
    """The quantile of the scores of normal recordings, NaN left out.

    Raises:
        ModelError: if there is no score.
    """
    pooled = np.concatenate([np.asarray(s, np.float64) for s in scores]) if scores else np.zeros(0)
    pooled = pooled[np.isfinite(pooled)]
    if not pooled.size:
        raise ModelError("no normal step has a score, so no threshold can be learned; give longer normal recordings")
    return float(np.quantile(pooled, quantile))
