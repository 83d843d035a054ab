"""How good outputs are, whichever network made them, and how near one network's outputs are to another's.

Shapes: N = sequences, T = steps of one, O = outputs. Outputs are logits or scaled targets, decoded to floats, so a
float and an integer network are judged by the same function. All results are JSON values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.datasets.sequences import Sequences
from edge_lstm.errors import DataError
from edge_lstm.model import Float64, Interface
from edge_lstm.streaming.anomaly import alarms

Array = NDArray[Any]
Metrics = dict[str, Any]
Spans = Sequence[tuple[int, int]]


def evaluate(
    outputs: Sequence[Array], sequences: Sequences, interface: Interface, windows: Sequence[Spans] | None = None
) -> Metrics:
    """Judge outputs wherever the sequences bear a target.

    Args:
        outputs: (T, O) of each sequence, from zero state to its end.
        windows: for ``anomaly``, the labelled anomalies of each sequence as (first step, step after the last).

    Returns:
        ``count`` of targets, and

        - labels: ``accuracy``, ``macro_f1``, ``recall`` by label, ``confusion`` (rows are the truth);
        - numbers: ``mae``, ``rmse``, ``r2`` over all outputs, in physical units, ``naive`` with the same for the
          naive guess (a forecast: the last value; else the centre of the training targets), and ``outputs`` with
          all of these for each output;
        - anomaly: the numbers of its forecast, ``alarm_fraction`` and, with ``windows``, ``windows``,
          ``windows_hit`` and ``alarm_fraction_outside``.

    Raises:
        DataError: if outputs and sequences do not match, or bear no target.
    """
    _refuse_misfit(outputs, sequences, interface)
    judged = [bears[:n] for bears, n in zip(sequences.has_target, sequences.lengths, strict=True)]
    if not any(bears.any() for bears in judged):
        raise DataError("no step of the sequences bears a target, so nothing can be judged; label them")
    truth, found, now = (
        np.concatenate([part[: len(bears)][bears] for part, bears in zip(parts, judged, strict=True)])
        for parts in (sequences.targets, outputs, sequences.inputs)
    )
    task = interface.task
    if task.predicts_labels:
        return _label_metrics(truth, found.argmax(axis=1), task.outputs)
    physical = interface.target_scaling.undo(found)
    if task.predicts_ahead:
        naive = now[:, list(task.target_channels)].astype(np.float64)
    else:
        naive = np.broadcast_to(interface.target_scaling.offset, physical.shape)
    numbers = _number_metrics(truth.astype(np.float64), physical, naive, task.outputs)
    return numbers if task.kind != "anomaly" else {**numbers, **_alarm_metrics(outputs, sequences, interface, windows)}


def agreement(a: Sequence[Array], b: Sequence[Array]) -> float:
    """Share of all steps (T, O) at which two networks find the same label likeliest."""
    return float(np.concatenate([x.argmax(axis=1) == y.argmax(axis=1) for x, y in zip(a, b, strict=True)]).mean())


def signal_to_noise(reference: Sequence[Array], test: Sequence[Array]) -> dict[str, float | None]:
    """Signal-to-noise of outputs (T, O) against the reference's, dB: 10 · log10(var(reference) / mean(error²)).

    The variance is each output's about its own mean, summed over the outputs as the error is.

    Returns:
        ``pooled`` over all steps, and ``median`` and ``p5`` (5th percentile) over the recordings. None stands for
        no noise at all, or no signal.
    """
    pooled = _decibels(np.concatenate(reference), np.concatenate(test))
    each = np.array([_decibels(r, t) for r, t in zip(reference, test, strict=True)])
    # Recordings without a signal (one step, a constant output) say nothing about noise.
    each = each[~np.isnan(each)]
    middle, low = (float(np.percentile(each, q, method="lower")) if each.size else math.nan for q in (50, 5))
    return {name: _json_number(value) for name, value in (("pooled", pooled), ("median", middle), ("p5", low))}


def _decibels(reference: Array, test: Array) -> float:
    reference, test = np.asarray(reference, np.float64), np.asarray(test, np.float64)
    signal = float(reference.var(axis=0).sum())
    noise = float(((test - reference) ** 2).mean(axis=0).sum())
    if signal == 0:
        return math.nan
    return math.inf if noise == 0 else 10 * math.log10(signal / noise)


def _json_number(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def _refuse_misfit(outputs: Sequence[Array], sequences: Sequences, interface: Interface) -> None:
    width = len(interface.task.outputs)
    expected = [(int(n), width) for n in sequences.lengths]
    for row, (output, shape) in enumerate(zip(outputs, expected, strict=False)):
        if output.shape != shape:
            raise DataError(f"sequence {row} has outputs {output.shape}, expected {shape}; replay the same sequences")
    if len(outputs) != len(expected):
        raise DataError(f"{len(outputs)} outputs are given for {len(expected)} sequences; replay the same sequences")


def _label_metrics(truth: Array, found: Array, labels: Sequence[str]) -> Metrics:
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, (truth, found), 1)
    hits, of_truth, of_found = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    # A label that neither occurs nor is found would drag the mean to a value nobody can reach.
    seen = of_truth + of_found > 0
    f1 = 2 * hits[seen] / (of_truth + of_found)[seen]
    return {
        "count": int(confusion.sum()),
        "accuracy": float(hits.sum() / confusion.sum()),
        "macro_f1": float(f1.mean()),
        "recall": {label: float(hits[k] / of_truth[k]) for k, label in enumerate(labels) if of_truth[k]},
        "confusion": confusion.tolist(),
    }


def _number_metrics(truth: Float64, found: Float64, naive: Float64, names: Sequence[str]) -> Metrics:
    each: dict[str, Metrics] = {}
    for k, name in enumerate(names):
        bears = ~np.isnan(truth[:, k])
        if bears.any():
            columns = [array[bears, k] for array in (truth, found, naive)]
            each[name] = {**_errors(columns[0], columns[1]), "naive": _errors(columns[0], columns[2])}
    mean = _mean_of(list(each.values()))
    return {"count": len(truth), **mean, "naive": _mean_of([m["naive"] for m in each.values()]), "outputs": each}


def _mean_of(metrics: Sequence[Metrics]) -> Metrics:
    return {key: float(np.mean([m[key] for m in metrics])) for key in ("mae", "rmse", "r2")}


def _errors(truth: Float64, found: Float64) -> Metrics:
    """The mean of the truth has an ``r2`` of 0, as has any wrong guess where the truth is constant."""
    error = found - truth
    squared, spread = float((error**2).mean()), float(truth.var())
    r2 = 1.0 - squared / spread if spread > 0 else float(squared == 0)
    return {"mae": float(np.abs(error).mean()), "rmse": math.sqrt(squared), "r2": r2}


def _alarm_metrics(
    outputs: Sequence[Array], sequences: Sequences, interface: Interface, windows: Sequence[Spans] | None
) -> Metrics:
    raised = [
        alarms(interface, inputs[:n], output)
        for inputs, n, output in zip(sequences.inputs, sequences.lengths, outputs, strict=True)
    ]
    metrics: Metrics = {"alarm_fraction": float(np.concatenate(raised).mean())}
    if windows is None:
        return metrics
    outside = [np.ones(len(alarm), bool) for alarm in raised]
    for free, spans in zip(outside, windows, strict=True):
        for start, stop in spans:
            free[start:stop] = False
    hits = [bool(alarm[a:b].any()) for alarm, spans in zip(raised, windows, strict=True) for a, b in spans]
    quiet = np.concatenate([alarm[free] for alarm, free in zip(raised, outside, strict=True)])
    return {
        **metrics,
        "windows": len(hits),
        "windows_hit": sum(hits),
        "alarm_fraction_outside": float(quiet.mean()) if quiet.size else 0.0,
    }
