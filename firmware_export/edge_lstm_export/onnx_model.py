"""The float model as ONNX: one recurrent op a layer, the state handed in and out, physical units at both ends.

Inputs: ``x`` (steps, batch, C) in the channels' physical units, then ``layer0/h``, ``layer0/c``, … (1, batch, H).
Outputs: ``y`` (steps, batch, O), logits or targets in physical units, then ``layer0/h_new``, ``layer0/c_new``, …
Only an LSTM has a ``c``, and a convolution, whose inputs of the steps before it is; a layer that looks ahead has
``layer0/x`` and ``layer0/f``, inputs and hidden states of the steps before. Steps and batch are free, so one
file serves a sequence, a chunk and a single sample of a stream.

ONNX (operators LSTM, GRU and RNN of opset 14) has an op for each cell but FastGRNN, which is a ``Scan`` of plain ops
over the steps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from edge_lstm.errors import MissingDependencyError
from edge_lstm.model import (
    GATES,
    BidirectionalWeights,
    ConvWeights,
    DenseLayerWeights,
    FastGrnnWeights,
    FloatModel,
    GruWeights,
    Interface,
    LstmWeights,
    PeepholeLstmWeights,
    RecurrentWeights,
    RnnWeights,
    Scaling,
)
from edge_lstm.tensor_names import cell_state, hidden_state
from edge_lstm_export.onnx_look_ahead import NO_END, look_ahead

NEW = "_new"
"""Suffix of a state's name on its way out."""

_OPSET = 17
# The oldest file format that may hold opset 17, so that older runtimes load it too.
_IR_VERSION = 8
# ONNX orders the gates of an LSTM i, o, f, c; this project i, f, g, o. Those of a GRU are z, r, h in both.
_LSTM_GATES = [0, 3, 1, 2]


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
        current = _LAYERS[type(layer)](graph, index, layer, current)
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
        centred = self.node("Sub", [x, self.constant("scaling/offset", scaling.offset)], "x_centred")
        return self.node("Div", [centred, self.constant("scaling/scale", scaling.scale)], "x_scaled")

    def unscale(self, y: str, name: str, scaling: Scaling) -> str:
        """Network output → physical units; for labels this changes nothing."""
        stretched = self.node("Mul", [y, self.constant("target_scaling/scale", scaling.scale)], "y_stretched")
        return self.node("Add", [stretched, self.constant("target_scaling/offset", scaling.offset)], name)

    def cell(self, index: int, layer: RecurrentWeights, x: str) -> str:
        """(steps, batch, F) → (steps, batch, H), with the layer's state as input and output of the graph."""
        name, shape = f"layer{index}", (1, "batch", layer.units)
        states = (hidden_state(index), *([cell_state(index)] if layer.gates == GATES else []))
        given = [self.input(state, shape) for state in states]
        every = f"{name}/sequence"
        self.recurrent(layer, name, x, given, [every, *(self.output(state + NEW, shape) for state in states)])
        return self.one_direction(every, f"{name}/output")

    def recurrent(
        self, layer: RecurrentWeights, name: str, x: str, states: list[str], results: list[str], **options: Any
    ) -> None:
        """The op of a layer: (steps, batch, F) → all and the last hidden states, the last cell state."""
        op = _OPS[type(layer)](layer)
        operands = [
            x,
            self.constant(f"{name}/W", _rows(op.kernel)),
            self.constant(f"{name}/R", _rows(op.recurrent)),
            self.constant(f"{name}/B", np.concatenate([_rows(op.bias), _rows(op.over_h)], axis=1)),
            "",  # every sequence of a batch has the same length
            *states,
        ]
        if op.peephole is not None:
            operands.append(self.constant(f"{name}/P", _rows(op.peephole)))
        options |= {**op.options, "hidden_size": layer.units}
        self._nodes.append(self._onnx.helper.make_node(op.name, operands, results, name=name, **options))

    def one_direction(self, x: str, name: str) -> str:
        """(steps, directions, batch, H) → (steps, batch, H)."""
        return self.node("Squeeze", [x, self.axis("direction", 1)], name)

    def reshape(self, x: str, shape: tuple[int, ...], name: str) -> str:
        return self.node("Reshape", [x, self.constant(f"{name}_shape", shape, np.int64)], name)

    def fastgrnn(self, index: int, layer: FastGrnnWeights, x: str) -> str:
        """The same of a FastGRNN; the graph's state has an axis of directions, as those of ONNX's own ops have."""
        name, shape = f"layer{index}", (1, "batch", layer.units)
        h = self.node("Squeeze", [self.input(hidden_state(index), shape), self.axis("first", 0)], f"{name}/h_flat")
        all_h, last_h = f"{name}/output", f"{name}/h_last"
        body = self._fastgrnn_step(name, layer)
        scan = self._onnx.helper.make_node("Scan", [h, x], [last_h, all_h], name=name, body=body, num_scan_inputs=1)
        self._nodes.append(scan)
        self.node("Unsqueeze", [last_h, self.axis("first", 0)], self.output(hidden_state(index) + NEW, shape))
        return all_h

    def dense_layer(self, index: int, layer: DenseLayerWeights, x: str) -> str:
        """(steps, batch, F) → (steps, batch, H); it takes no state, and gives its last step as one."""
        name = f"layer{index}"
        product = self.node("MatMul", [x, self.constant(f"{name}/W", layer.kernel[0].T)], f"{name}/product")
        return self._squashed(index, layer, self.node("Add", [product, self._bias(name, layer)], f"{name}/pre"))

    def conv(self, index: int, layer: ConvWeights, x: str) -> str:
        """The same of a convolution, over its state and x one after the other."""
        name, before = f"layer{index}", layer.span - 1
        shape = (1, "batch", layer.cells)
        apart = self.constant(f"{name}/apart", (-1, before, layer.features), np.int64)
        older = self.node("Reshape", [self.input(cell_state(index), shape), apart], f"{name}/before")
        older = self.node("Transpose", [older], f"{name}/before_by_feature", perm=[0, 2, 1])
        newer = self.node("Transpose", [x], f"{name}/x_by_feature", perm=[1, 2, 0])
        window = self.node("Concat", [older, newer], f"{name}/window", axis=2)
        kernel = layer.kernel[0].reshape(layer.units, layer.span, layer.features).transpose(0, 2, 1)
        rows = self.node("Conv", [window, self.constant(f"{name}/W", kernel), self._bias(name, layer)], f"{name}/rows")
        kept = [self.axis(f"{name}/kept", -before), self.axis("end", NO_END), self.axis("third", 2)]
        left = self.node(
            "Transpose", [self.node("Slice", [window, *kept], f"{name}/left")], f"{name}/after", perm=[0, 2, 1]
        )
        flat = self.constant(f"{name}/flat", (1, -1, layer.cells), np.int64)
        self.node("Reshape", [left, flat], self.output(cell_state(index) + NEW, shape))
        return self._squashed(index, layer, self.node("Transpose", [rows], f"{name}/pre", perm=[2, 0, 1]))

    def _bias(self, name: str, layer: DenseLayerWeights) -> str:
        return self.constant(f"{name}/b", layer.bias[0])

    def _squashed(self, index: int, layer: DenseLayerWeights, pre: str) -> str:
        op = _ACTIVATIONS[layer.activation]
        every = pre if op is None else self.node(op, [pre], f"layer{index}/output")
        self.last_step(index, every, layer.units)
        return every

    def last_step(self, index: int, every: str, units: int) -> None:
        """The hidden state of a layer that does not take it, as an output of the graph."""
        ends = [self.axis("last", -1), self.axis("end", NO_END), self.axis("first", 0)]
        self.node("Slice", [every, *ends], self.output(hidden_state(index) + NEW, (1, "batch", units)))

    def _fastgrnn_step(self, name: str, layer: FastGrnnWeights) -> Any:
        """The graph of one step: h (batch, H), x (batch, F) → the new h, twice: to carry and to hand on."""
        inner = _Graph(self._onnx)
        h = inner.input(f"{name}/step/h", ("batch", layer.units))
        x = inner.input(f"{name}/step/x", ("batch", layer.features))
        carried, told = (inner.output(f"{name}/step/{end}", ("batch", layer.units)) for end in ("h_new", "output"))

        def node(kind: str, a: str, b: str | None, result: str) -> str:
            return inner.node(kind, [a] if b is None else [a, b], f"{name}/step/{result}")

        def constant(label: str, values: Any) -> str:
            return inner.constant(f"{name}/{label}", values)

        over_x = node("MatMul", x, constant("W", layer.kernel[0].T), "over_x")
        over_h = node("MatMul", h, constant("R", layer.recurrent[0].T), "over_h")
        shared = node("Add", over_x, over_h, "shared")
        z = node("Sigmoid", node("Add", shared, constant("b_z", layer.bias[0]), "z_pre"), None, "z")
        n = node("Tanh", node("Add", shared, constant("b_n", layer.bias[1]), "n_pre"), None, "n")
        rest = node("Sub", constant("one", 1.0), z, "rest")
        taken = node("Mul", rest, constant("zeta", layer.zeta), "taken")
        share = node("Add", taken, constant("nu", layer.nu), "share")
        kept, added = node("Mul", z, h, "kept"), node("Mul", share, n, "added")
        node("Add", kept, added, "h_new")
        node("Identity", carried, None, told.rpartition("/")[2])
        return inner.graph(f"{name}/step")

    def dense(self, h: str, weights: Any, bias: Any) -> str:
        product = self.node("MatMul", [h, self.constant("head/W", weights.T)], "head/product")
        return self.node("Add", [product, self.constant("head/b", bias)], "head/output")

    def serialise(self, interface: Interface) -> bytes:
        helper, graph = self._onnx.helper, self.graph("edge-lstm")
        model = helper.make_model(graph, producer_name="edge-lstm", opset_imports=[helper.make_opsetid("", _OPSET)])
        model.ir_version = _IR_VERSION
        model.doc_string = "edge-lstm: float recurrent network, state in and out, physical units at both ends"
        helper.set_model_props(model, {key: json.dumps(value) for key, value in sorted(_described(interface).items())})
        return bytes(model.SerializeToString(deterministic=True))

    def graph(self, name: str) -> Any:
        return self._onnx.helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._constants)

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def axis(self, name: str, axis: int) -> str:
        return self.constant(name, [axis], np.int64)

    def constant(self, name: str, values: Any, dtype: Any = np.float32) -> str:
        if all(constant.name != name for constant in self._constants):
            array = np.ascontiguousarray(values, dtype)
            self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def _end(self, name: str, shape: tuple[str | int, ...]) -> Any:
        return self._onnx.helper.make_tensor_value_info(name, self._onnx.TensorProto.FLOAT, shape)


@dataclass(frozen=True, eq=False)
class _Op:
    """A layer as the op of ONNX that computes it.

    Args:
        kernel, recurrent, bias: gate by gate, in the order of the op.
        over_h: bias of the product with the hidden state.
        peephole: (3, H) of i, o, f.
    """

    name: str
    kernel: Any
    recurrent: Any
    bias: Any
    over_h: Any
    peephole: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)


def _lstm(layer: LstmWeights | PeepholeLstmWeights) -> _Op:
    order = _LSTM_GATES
    peephole = layer.peephole[[0, 2, 1]] if isinstance(layer, PeepholeLstmWeights) else None
    gates = layer.kernel[order], layer.recurrent[order], layer.bias[order], np.zeros_like(layer.bias)
    return _Op("LSTM", *gates, peephole)


def _gru(layer: GruWeights) -> _Op:
    """Its formula in ONNX is this project's."""
    over_h = np.zeros_like(layer.bias)
    over_h[2] = layer.reset_bias
    options = {"linear_before_reset": int(layer.reset_after)}
    return _Op("GRU", layer.kernel, layer.recurrent, layer.bias, over_h, options=options)


def _rnn(layer: RnnWeights) -> _Op:
    # Without the attribute an RNN of ONNX squashes with Tanh.
    options = {} if layer.activation == "tanh" else {"activations": [_ACTIVATIONS[layer.activation]]}
    return _Op("RNN", layer.kernel, layer.recurrent, layer.bias, np.zeros_like(layer.bias), options=options)


_OPS: dict[type, Callable[[Any], _Op]] = {
    LstmWeights: _lstm,
    PeepholeLstmWeights: _lstm,
    GruWeights: _gru,
    RnnWeights: _rnn,
}

_LAYERS: dict[type, Callable[[_Graph, int, Any, str], str]] = {
    **dict.fromkeys(_OPS, _Graph.cell),
    FastGrnnWeights: _Graph.fastgrnn,
    DenseLayerWeights: _Graph.dense_layer,
    ConvWeights: _Graph.conv,
    BidirectionalWeights: look_ahead,
}
"""The ops of each kind of layer."""

_ACTIVATIONS = {"linear": None, "relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


def _rows(values: Any) -> Any:
    """(G, H, ...) → (1, GH, ...): one direction, gates above each other."""
    return values.reshape(1, -1, *values.shape[2:])


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
        "anomaly": None if task.anomaly is None else asdict(task.anomaly),
        "front_end": interface.front_end,
        "output_meaning": "logits" if task.predicts_labels else "physical units",
    }
