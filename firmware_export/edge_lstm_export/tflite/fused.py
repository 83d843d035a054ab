"""The fused int8 model: one UNIDIRECTIONAL_SEQUENCE_LSTM a layer and a FULLY_CONNECTED head, one step a call, the state
kept inside as variable tensors.
"""

from __future__ import annotations

import numpy as np

from edge_lstm.errors import ExportError
from edge_lstm.integer import Quant, TfliteDense, TfliteLstm, TfliteModel
from edge_lstm.model import GATES
from edge_lstm.tensor_names import cell_state, hidden_state
from edge_lstm_export.tflite import operators
from edge_lstm_export.tflite.graph import Graph
from edge_lstm_export.tflite.rules import check


def fused_tflite(model: TfliteModel) -> bytes:
    """The file: int8 input ``x`` (1, 1, C), int8 output ``y`` (1, O).

    Raises:
        ExportError: if a rule that the runtimes do not check themselves is broken.
    """
    _check_joints(model)
    graph = fused_graph(model)
    check(graph)
    return graph.serialise()


def fused_graph(model: TfliteModel) -> Graph:
    """The graph, not yet checked."""
    graph = Graph("edge-lstm: fused int8 LSTM, one step a call, state inside")
    first = model.layers[0]
    x = current = graph.tensor("x", np.int8, (1, 1, first.features), first.input)
    for index, layer in enumerate(model.layers):
        current = _layer(graph, index, layer, current)
    y = _head(graph, model.head, current)
    graph.finish([x], [y])
    return graph


def _check_joints(model: TfliteModel) -> None:
    """One tensor joins two layers, so it can have one quantisation only."""
    readers: list[TfliteLstm | TfliteDense] = [*model.layers[1:], model.head]
    for index, (below, above) in enumerate(zip(model.layers, readers, strict=True)):
        if above.input != below.hidden:
            raise ExportError(
                f"layer {index} gives {below.hidden} but what reads it expects {above.input}; quantise the model anew"
            )


def _layer(graph: Graph, index: int, layer: TfliteLstm, x: int) -> int:
    name, units = f"layer{index}", layer.units
    kernel, recurrent, bias = [], [], []
    for k, gate in enumerate(GATES):
        scale, own_scale = float(layer.kernel_scale[k]), float(layer.recurrent_scale[k])
        kernel.append(graph.tensor(f"{name}/W_{gate}", np.int8, layer.kernel[k].shape, Quant(scale), layer.kernel[k]))
        recurrent.append(
            graph.tensor(f"{name}/R_{gate}", np.int8, layer.recurrent[k].shape, Quant(own_scale), layer.recurrent[k])
        )
        bias_quant = Quant(bias_scale(scale, layer.input))
        bias.append(graph.tensor(f"{name}/b_{gate}", np.int32, (units,), bias_quant, layer.bias[k]))
    state = [
        graph.tensor(hidden_state(index), np.int8, (1, units), layer.hidden, variable=True),
        graph.tensor(cell_state(index), np.int16, (1, units), Quant(2.0**layer.cell_exponent), variable=True),
    ]
    # Numbers 0-3 belong to layer normalisation and are never read; TFLite takes the scale of h from number 4.
    intermediates = [graph.tensor(f"{name}/intermediate{k}", np.float32, (0,)) for k in range(4)]
    intermediates.append(graph.tensor(f"{name}/intermediate4", np.int8, (0,), layer.hidden))
    output = graph.tensor(f"{name}/output", np.int8, (1, 1, units), layer.hidden)
    operators.lstm(graph, x, kernel, recurrent, bias, state, output, intermediates)
    return output


def _head(graph: Graph, head: TfliteDense, x: int) -> int:
    outputs = head.weights.shape[0]
    weights = graph.tensor("head/W", np.int8, head.weights.shape, Quant(head.weight_scale), head.weights)
    bias = graph.tensor("head/b", np.int32, (outputs,), Quant(bias_scale(head.weight_scale, head.input)), head.bias)
    y = graph.tensor("y", np.int8, (1, outputs), head.output)
    operators.fully_connected(graph, x, weights, bias, y)
    return y


def bias_scale(weight_scale: float, source: Quant) -> float:
    """Scale of the accumulator: the float32 product, as the runtimes form it."""
    return float(np.float32(weight_scale) * np.float32(source.scale))
