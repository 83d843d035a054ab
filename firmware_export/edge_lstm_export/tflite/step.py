"""The explicit-state model: one step, int8 tensors and plain int8 operators only, the state handed in and out.

It is made for the Edge TPU, whose compiler knows no variable tensors and no int16, for cells that TFLite has no fused
operator of, and for users who want to own the state. The Edge TPU compiler itself is closed and was not run on it.
"""

from __future__ import annotations

import numpy as np

from edge_lstm.integer_step import StepModel
from edge_lstm.tensor_names import NEW, cell_state, hidden_before, hidden_state, inputs_before
from edge_lstm_export.tflite.graph import Graph
from edge_lstm_export.tflite.rules import check
from edge_lstm_export.tflite.step_layers import LAYERS, Place, dense, requantised

__all__ = ["NEW", "step_tflite"]

_NAMES = {"h": hidden_state, "c": cell_state, "x": inputs_before, "f": hidden_before}


def step_tflite(model: StepModel) -> bytes:
    """The file: inputs x (1, C), h0 (1, H), c0 (1, H), h1, …; outputs y (1, O), the new h0, c0, h1, …; all int8.

    A layer takes what it carries: a simple RNN no c, a convolution no h, and a dense layer nothing, but what a layer
    gives, its h, always goes out.

    Raises:
        ExportError: if a rule that the runtimes do not check themselves is broken.
    """
    kinds = " and ".join(dict.fromkeys(layer.kind.partition("_")[0].upper() for layer in model.layers))
    graph = Graph(f"edge-lstm: int8 {kinds} of plain operators, one step a call, state in and out")
    first = model.layers[0]
    x = current = graph.tensor("x", np.int8, (1, first.features), first.source)
    states, new_states = [], []
    for index, layer in enumerate(model.layers):
        state = [
            graph.tensor(_NAMES[part](index), np.int8, (1, width), quant)
            for part, (width, quant) in layer.state.items()
        ]
        if index and model.layers[index - 1].hidden != layer.source:
            current = requantised(graph, index, current, model.layers[index - 1], layer)
        new = LAYERS[type(layer)](Place(graph, f"layer{index}", layer.units), layer, current, *state)
        states += state
        new_states += new
        current = new[0]
    y = dense(graph, "head", "y", model.head, current)
    graph.finish([x, *states], [y, *new_states])
    check(graph)
    return graph.serialise()
