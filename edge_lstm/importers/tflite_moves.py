"""TFLite operators that only move numbers, carried out on an array that has a number for every place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.chain import Array
from edge_lstm.importers.tflite_graph import Graph, Operator


def _integers(graph: Graph, index: int) -> Array:
    _, codes = graph.stored(index, "shape")
    if codes.dtype.kind != "i" or codes.size > 8:
        raise ModelError("moves numbers as its tensors do not say; convert the model again")
    return codes.astype(np.int64)


def _reshape(graph: Graph, operator: Operator, places: Array) -> Array:
    shape = _integers(graph, operator.input(1)) if operator.input(1) >= 0 else operator.options.NewShapeAsNumpy()
    return places.reshape([int(n) for n in np.ravel(shape)])


def _as_file_says(graph: Graph, operator: Operator, places: Array) -> Array:
    """SQUEEZE and EXPAND_DIMS keep the order, and the file gives the shape."""
    return places.reshape(graph.tensor(operator.outputs[0]).shape)


def _transpose(graph: Graph, operator: Operator, places: Array) -> Array:
    return places.transpose([int(k) for k in _integers(graph, operator.input(1)).ravel()])


def _strided_slice(graph: Graph, operator: Operator, places: Array) -> Array:
    begin, end, stride = (_integers(graph, operator.input(k)).ravel() for k in (1, 2, 3))
    options = operator.options
    if options.EllipsisMask() or options.NewAxisMask() or options.Offset() or not len(begin) == len(end) == len(stride):
        raise ModelError("slices in a way that no converter of an LSTM does; convert the model again")
    picks: list[Any] = []
    for k in range(len(begin)):
        bit = 1 << k
        if options.ShrinkAxisMask() & bit:
            picks.append(int(begin[k]))
        else:
            start = None if options.BeginMask() & bit else int(begin[k])
            picks.append(slice(start, None if options.EndMask() & bit else int(end[k]), int(stride[k])))
    return np.asarray(places[tuple(picks)])


def _slice(graph: Graph, operator: Operator, places: Array) -> Array:
    begin, size = (_integers(graph, operator.input(k)).ravel() for k in (1, 2))
    stops = [None if n < 0 else b + n for b, n in zip(begin, size, strict=True)]
    return places[tuple(slice(int(b), stop) for b, stop in zip(begin, stops, strict=True))]


def _gather(graph: Graph, operator: Operator, places: Array) -> Array:
    if operator.options and operator.options.BatchDims():
        raise ModelError("picks otherwise in each sequence; convert the model again")
    picked = _integers(graph, operator.input(1))
    if (picked < 0).any():
        raise ModelError("picks a step of negative number; convert the model again")
    return np.take(places, picked, axis=operator.options.Axis() if operator.options else 0)


MOVES: dict[str, Callable[[Graph, Operator, Array], Array]] = {
    "RESHAPE": _reshape,
    "SQUEEZE": _as_file_says,
    "EXPAND_DIMS": _as_file_says,
    "TRANSPOSE": _transpose,
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _slice,
    "GATHER": _gather,
}
