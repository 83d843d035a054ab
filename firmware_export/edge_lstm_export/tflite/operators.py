"""The two operators with many operands, laid out as the TFLite kernels read them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_lstm.tflite_schema import schema
from edge_lstm_export.tflite.graph import ABSENT, Graph

# Peepholes (3 tensors), projection (2) and layer normalisation (4): this project's cell has none of them.
_NO_PEEPHOLES = [ABSENT] * 3
_NO_PROJECTION = [ABSENT] * 2
_NO_LAYER_NORM = [ABSENT] * 4
# Version 2 of these operators is the one that brought int8.
_FIRST_INT8 = 2


def lstm(
    graph: Graph,
    x: int,
    kernel: Sequence[int],
    recurrent: Sequence[int],
    bias: Sequence[int],
    state: Sequence[int],
    output: int,
    intermediates: Sequence[int] = (),
) -> None:
    """UNIDIRECTIONAL_SEQUENCE_LSTM over its 24 operands; gates run i, f, g, o, ``state`` is (h, c)."""
    options = schema().UnidirectionalSequenceLSTMOptionsT()
    options.fusedActivationFunction = schema().ActivationFunctionType.TANH
    operands = [x, *kernel, *recurrent, *_NO_PEEPHOLES, *bias, *_NO_PROJECTION, *state, *_NO_LAYER_NORM]
    graph.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [output], 1, options, intermediates)


def fully_connected(
    graph: Graph, x: int, weights: int, bias: int, output: int, version: int = 4, *, rectify: bool = False
) -> None:
    """FULLY_CONNECTED: (1, N) or (1, 1, N) in, (1, R) out, nothing below 0 if it is to rectify."""
    options = schema().FullyConnectedOptionsT()
    if rectify:
        options.fusedActivationFunction = schema().ActivationFunctionType.RELU
    graph.operator("FULLY_CONNECTED", [x, weights, bias], [output], version, options)


def concatenation(graph: Graph, a: int, b: int, output: int) -> None:
    """CONCATENATION of (1, N) and (1, M) along the last axis; all three tensors share one quantisation."""
    options = schema().ConcatenationOptionsT()
    options.axis = 1
    graph.operator("CONCATENATION", [a, b], [output], _FIRST_INT8, options)


def tail(graph: Graph, x: int, start: int, count: int, output: int, *, version: int) -> None:
    """SLICE of (1, N): the ``count`` numbers from ``start`` on, in the same quantisation.

    Args:
        version: 1 for floats, 2 for int8.
    """
    begin, size = (
        graph.tensor(f"{graph.main.tensors[output].name}/{label}", np.int32, (2,), data=values)
        for label, values in (("begin", (0, start)), ("size", (1, count)))
    )
    graph.operator("SLICE", [x, begin, size], [output], version, schema().SliceOptionsT())


def squash(graph: Graph, kind: str, x: int, output: int) -> None:
    """LOGISTIC, TANH or RELU, value by value."""
    graph.operator(kind, [x], [output], _FIRST_INT8)


def mul(graph: Graph, a: int, b: int, output: int) -> None:
    """MUL of two tensors of one shape."""
    graph.operator("MUL", [a, b], [output], _FIRST_INT8, schema().MulOptionsT())


def add(graph: Graph, a: int, b: int, output: int) -> None:
    """ADD of two tensors of one shape."""
    graph.operator("ADD", [a, b], [output], _FIRST_INT8, schema().AddOptionsT())


def sub(graph: Graph, a: int, b: int, output: int) -> None:
    """SUB of two tensors of one shape."""
    graph.operator("SUB", [a, b], [output], _FIRST_INT8, schema().SubOptionsT())
