"""The explicit-state model: one step, int8 tensors and plain int8 operators only, the state handed in and out.

It is made for the Edge TPU, whose compiler knows no variable tensors and no int16, and for users who want to own the
state. The Edge TPU compiler itself is closed and was not run on it.
"""

from __future__ import annotations

import numpy as np

from edge_lstm.integer import Quant, TfliteDense
from edge_lstm.integer_step import SIGMOID_OUTPUT, TANH_OUTPUT, StepLstm, StepModel
from edge_lstm.model import GATES
from edge_lstm.tensor_names import cell_state, hidden_state
from edge_lstm_export.tflite import operators
from edge_lstm_export.tflite.fused import bias_scale
from edge_lstm_export.tflite.graph import Graph
from edge_lstm_export.tflite.rules import check

NEW = "_new"
"""Suffix of a state tensor's name on its way out."""


def step_tflite(model: StepModel) -> bytes:
    """The file: inputs x (1, C), h0 (1, H), c0 (1, H), h1, …; outputs y (1, O), the new h0, c0, h1, …; all int8.

    Raises:
        ExportError: if a rule that the runtimes do not check themselves is broken.
    """
    graph = Graph("edge-lstm: int8 LSTM of plain operators, one step a call, state in and out")
    first = model.layers[0]
    x = current = graph.tensor("x", np.int8, (1, first.features), first.hidden)
    states, new_states = [], []
    for index, layer in enumerate(model.layers):
        h = graph.tensor(hidden_state(index), np.int8, (1, layer.units), layer.hidden)
        c = graph.tensor(cell_state(index), np.int8, (1, layer.units), layer.cell)
        current, c_new = _layer(graph, index, layer, current, h, c)
        states += [h, c]
        new_states += [current, c_new]
    y = _dense(graph, "head", "y", model.head, current)
    graph.finish([x, *states], [y, *new_states])
    check(graph)
    return graph.serialise()


def _layer(graph: Graph, index: int, layer: StepLstm, x: int, h: int, c: int) -> tuple[int, int]:
    """Add one layer; returns the new h and c."""
    name, units = f"layer{index}", layer.units

    def tensor(label: str, quant: Quant, width: int = units) -> int:
        return graph.tensor(f"{name}/{label}", np.int8, (1, width), quant)

    joint = tensor("x_and_h", layer.hidden, layer.features + units)
    operators.concatenation(graph, x, h, joint)
    gates = {}
    for gate, block in zip(GATES, layer.gates, strict=True):
        pre = _dense(graph, f"{name}/{gate}", f"{name}/{gate}_pre", block, joint)
        gates[gate] = tensor(gate, TANH_OUTPUT if gate == "g" else SIGMOID_OUTPUT)
        operators.squash(graph, "TANH" if gate == "g" else "LOGISTIC", pre, gates[gate])
    kept, added = tensor("kept", layer.kept), tensor("added", layer.added)
    operators.mul(graph, gates["f"], c, kept)
    operators.mul(graph, gates["i"], gates["g"], added)
    c_new = graph.tensor(cell_state(index) + NEW, np.int8, (1, units), layer.cell)
    operators.add(graph, kept, added, c_new)
    squashed = tensor("tanh_c", TANH_OUTPUT)
    operators.squash(graph, "TANH", c_new, squashed)
    h_new = graph.tensor(hidden_state(index) + NEW, np.int8, (1, units), layer.hidden)
    operators.mul(graph, gates["o"], squashed, h_new)
    return h_new, c_new


def _dense(graph: Graph, name: str, output: str, block: TfliteDense, x: int) -> int:
    rows = block.weights.shape[0]
    weights = graph.tensor(f"{name}/W", np.int8, block.weights.shape, Quant(block.weight_scale), block.weights)
    bias = graph.tensor(f"{name}/b", np.int32, (rows,), Quant(bias_scale(block.weight_scale, block.input)), block.bias)
    y = graph.tensor(output, np.int8, (1, rows), block.output)
    operators.fully_connected(graph, x, weights, bias, y)
    return y
