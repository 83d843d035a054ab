"""The float32 model as a TFLite file: scaled sample in, network output out.

A stack of LSTMs is a fused file with its state inside; any other cell makes it an explicit-state file.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_lstm.model import GATES, FloatModel, LstmWeights
from edge_lstm.tensor_names import cell_state, hidden_state
from edge_lstm_export.tflite import operators
from edge_lstm_export.tflite.float_step import float_step_graph
from edge_lstm_export.tflite.graph import Graph
from edge_lstm_export.tflite.rules import check


def float_tflite(model: FloatModel) -> bytes:
    """The file: float32 ``x`` in, a *scaled* sample, (1, 1, C) where all layers are LSTMs, else (1, C) and the states;
    float32 ``y`` (1, O) out, logits or scaled targets.

    Raises:
        ExportError: if a rule that the runtimes do not check themselves is broken.
    """
    graph = float_graph(model)
    check(graph)
    return graph.serialise()


def float_graph(model: FloatModel) -> Graph:
    """The graph, not yet checked."""
    fused = [layer for layer in model.layers if isinstance(layer, LstmWeights)]
    return _fused_graph(model, fused) if len(fused) == len(model.layers) else float_step_graph(model)


def _fused_graph(model: FloatModel, layers: Sequence[LstmWeights]) -> Graph:
    graph = Graph("edge-lstm: fused float32 LSTM, one step a call, state inside")
    x = current = graph.tensor("x", np.float32, (1, 1, model.layers[0].features))
    for index, layer in enumerate(layers):
        current = _layer(graph, index, layer, current)
    weights = graph.tensor("head/W", np.float32, model.head.weights.shape, data=model.head.weights)
    bias = graph.tensor("head/b", np.float32, model.head.bias.shape, data=model.head.bias)
    y = graph.tensor("y", np.float32, (1, model.head.outputs))
    operators.fully_connected(graph, current, weights, bias, y)
    graph.finish([x], [y])
    return graph


def _layer(graph: Graph, index: int, layer: LstmWeights, x: int) -> int:
    name, units = f"layer{index}", layer.units
    parts = {"W": layer.kernel, "R": layer.recurrent, "b": layer.bias}
    kernel, recurrent, bias = (
        [
            graph.tensor(f"{name}/{part}_{gate}", np.float32, values[k].shape, data=values[k])
            for k, gate in enumerate(GATES)
        ]
        for part, values in parts.items()
    )
    state = [
        graph.tensor(hidden_state(index), np.float32, (1, units), variable=True),
        graph.tensor(cell_state(index), np.float32, (1, units), variable=True),
    ]
    output = graph.tensor(f"{name}/output", np.float32, (1, 1, units))
    operators.lstm(graph, x, kernel, recurrent, bias, state, output)
    return output
