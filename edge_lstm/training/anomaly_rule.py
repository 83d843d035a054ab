"""Learn when a forecast residual is an anomaly, from recordings replayed as a device sees them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_lstm.datasets.sequences import Sequences
from edge_lstm.model import AnomalyRule, Float32, FloatModel
from edge_lstm.reference import network, replay
from edge_lstm.streaming.anomaly import anomaly_scores, learn_threshold

SMOOTHING = 0.1
QUANTILE = 0.995

Series = tuple[Float32, NDArray[np.bool_]]


def with_anomaly_rule(model: FloatModel, parts: Sequence[Sequences]) -> FloatModel:
    """The model with a threshold: the quantile of its scores at the steps that were foretold and are normal.

    Args:
        model: its rule, if it has one, says smoothing and quantile; the defaults are 0.1 and 0.995.
        parts: training and validation sequences, in physical units. Chunks of one recording are put together
            again, so that the state is carried through it.

    Raises:
        ModelError: if no normal step has a score.
    """
    rule = model.interface.task.anomaly or AnomalyRule(SMOOTHING, math.inf, QUANTILE)
    model = model.with_interface(task=replace(model.interface.task, anomaly=rule))
    recordings = [series for part in parts for series in whole_recordings(part)]
    scaled = [model.interface.scaling.apply(series) for series, _ in recordings]
    outputs = replay(network(model), scaled)
    scores = [
        np.where(normal, anomaly_scores(model.interface, series, output), np.nan)
        for (series, normal), output in zip(recordings, outputs, strict=True)
    ]
    learnt = replace(rule, threshold=learn_threshold(scores, rule.quantile))
    return model.with_interface(task=replace(model.interface.task, anomaly=learnt))


def whole_recordings(sequences: Sequences) -> list[Series]:
    """Recordings (T, C) put together from their chunks, and (T,) whether each step was a target one step before."""
    pieces: list[list[int]] = []
    end: tuple[int, int] | None = None
    for row in np.lexsort((sequences.start, sequences.recording)):
        at = (int(sequences.recording[row]), int(sequences.start[row]))
        if at == end:
            pieces[-1].append(int(row))
        else:
            pieces.append([int(row)])
        end = (at[0], at[1] + int(sequences.lengths[row]))
    return [_joined(sequences, rows) for rows in pieces]


def _joined(sequences: Sequences, rows: list[int]) -> Series:
    series = np.concatenate([sequences.inputs[row, : sequences.lengths[row]] for row in rows])
    foretold = np.concatenate([sequences.has_target[row, : sequences.lengths[row]] for row in rows])
    return series, np.concatenate([[False], foretold[:-1]])
