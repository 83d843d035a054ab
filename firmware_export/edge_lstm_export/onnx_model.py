"""The float model as ONNX: one ``LSTM`` op a layer, the state handed in and out, physical units at both ends.

Inputs: ``x`` (steps, batch, C) in the channels' physical units, then ``layer0/h``, ``layer0/c``, … (1, batch, H).
Outputs: ``y`` (steps, batch, O), logits or targets in physical units, then ``layer0/h_new``, ``layer0/c_new``, …
Steps and batch are free, so one file serves a sequence, a chunk and a single sample of a stream.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from edge_lstm.errors import MissingDependencyError
from edge_lstm.model import FloatModel, Interface, LstmWeights, Scaling
from edge_lstm.tensor_names import cell_state, hidden_state

NEW = "_new"
"""Suffix of a state's name on its way out."""

_OPSET = 17
# The oldest file format that may hold opset 17, so that older runtimes load it too.
_IR_VERSION = 8
# ONNX orders the gates i, o, f, c; this project i, f, g, o.
_ONNX_GATES = [0, 3, 1, 2]


def onnx_model(model: FloatModel) -> bytes:
    """The file. Equal models give equal bytes.

    Raises:
        MissingDependencyError: if the extra ``onnx`` is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingDependencyError(
            "writing an ONNX file needs the package onnx, which is not installed: pip install 'edge-lstm[onnx]'"
        ) from error
    graph = _Graph(onnx)
    interface = model.interface
    graph.input("x", ("steps", "batch", len(interface.channels)))
    graph.output("y", ("steps", "batch", model.head.outputs))
    current = graph.scale("x", interface.scaling)
    for index, layer in enumerate(model.layers):
        current = graph.lstm(index, layer, current)
    logits = graph.dense(current, model.head.weights, model.head.bias)
    graph.unscale(logits, "y", interface.target_scaling)
    return graph.serialise(interface)


class _Graph:
    """Nodes, constants and ends under construction."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, shape: tuple[str | int, ...]) -> str:
        self._inputs.append(self._end(name, shape))
        return name

    def output(self, name: str, shape: tuple[str | int, ...]) -> str:
        self._outputs.append(self._end(name, shape))
        return name

    def scale(self, x: str, scaling: Scaling) -> str:
        """Physical units → network input."""
        centred = self._node("Sub", [x, self._constant("scaling/offset", scaling.offset)], "x_centred")
        return self._node("Div", [centred, self._constant("scaling/scale", scaling.scale)], "x_scaled")

    def unscale(self, y: str, name: str, scaling: Scaling) -> str:
        """Network output → physical units; for labels this changes nothing."""
        stretched = self._node("Mul", [y, self._constant("target_scaling/scale", scaling.scale)], "y_stretched")
        return self._node("Add", [stretched, self._constant("target_scaling/offset", scaling.offset)], name)

    def lstm(self, index: int, layer: LstmWeights, x: str) -> str:
        """(steps, batch, F) → (steps, batch, H), with the layer's state as input and output of the graph."""
        name, shape = f"layer{index}", (1, "batch", layer.units)
        own_bias = np.zeros_like(layer.bias)  # ONNX adds a second bias to the recurrent product
        operands = [
            x,
            self._constant(f"{name}/W", _gate_rows(layer.kernel)),
            self._constant(f"{name}/R", _gate_rows(layer.recurrent)),
            self._constant(f"{name}/B", np.concatenate([_gate_rows(layer.bias), _gate_rows(own_bias)], axis=1)),
            "",  # every sequence of a batch has the same length
            self.input(hidden_state(index), shape),
            self.input(cell_state(index), shape),
        ]
        all_h = f"{name}/sequence"
        results = [all_h, self.output(hidden_state(index) + NEW, shape), self.output(cell_state(index) + NEW, shape)]
        self._nodes.append(self._onnx.helper.make_node("LSTM", operands, results, name=name, hidden_size=layer.units))
        # (steps, directions, batch, H): there is one direction.
        return self._node("Squeeze", [all_h, self._constant("direction", [1], np.int64)], f"{name}/output")

    def dense(self, h: str, weights: Any, bias: Any) -> str:
        product = self._node("MatMul", [h, self._constant("head/W", weights.T)], "head/product")
        return self._node("Add", [product, self._constant("head/b", bias)], "head/output")

    def serialise(self, interface: Interface) -> bytes:
        helper = self._onnx.helper
        graph = helper.make_graph(self._nodes, "edge-lstm", self._inputs, self._outputs, self._constants)
        model = helper.make_model(graph, producer_name="edge-lstm", opset_imports=[helper.make_opsetid("", _OPSET)])
        model.ir_version = _IR_VERSION
        model.doc_string = "edge-lstm: float LSTM, state in and out, physical units at both ends"
        helper.set_model_props(model, {key: json.dumps(value) for key, value in sorted(_described(interface).items())})
        return bytes(model.SerializeToString(deterministic=True))

    def _node(self, kind: str, inputs: list[str], output: str) -> str:
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [output], name=output))
        return output

    def _constant(self, name: str, values: Any, dtype: Any = np.float32) -> str:
        if all(constant.name != name for constant in self._constants):
            array = np.ascontiguousarray(values, dtype)
            self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def _end(self, name: str, shape: tuple[str | int, ...]) -> Any:
        return self._onnx.helper.make_tensor_value_info(name, self._onnx.TensorProto.FLOAT, shape)


def _gate_rows(values: Any) -> Any:
    """(4, H, ...) in this project's gate order → (1, 4H, ...) in that of ONNX."""
    return values[_ONNX_GATES].reshape(1, -1, *values.shape[2:])


def _described(interface: Interface) -> dict[str, Any]:
    """What a reader of the file must know and the graph does not say; JSON values."""
    task = interface.task
    return {
        "channels": list(interface.channels),
        "outputs": list(task.outputs),
        "task": task.kind,
        "window": task.window,
        "horizon": task.horizon,
        "rate_hz": interface.rate_hz,
        "output_meaning": "logits" if task.predicts_labels else "physical units",
    }
