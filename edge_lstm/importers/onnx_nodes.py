"""What single nodes of an ONNX graph do: heads, scalings, probabilities.

Recurrent ones are in ``onnx_recurrent``, those that move axes in ``onnx_axes``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers import onnx_axes, onnx_conv
from edge_lstm.importers.chain import (
    Activation,
    Array,
    Does,
    Largest,
    Normalise,
    Part,
    Stretch,
    dense_weights,
    part,
    quiet,
)
from edge_lstm.importers.embedding import described, embedding
from edge_lstm.importers.onnx_node import Axes, Node, Taken
from edge_lstm.importers.onnx_recurrent import OPERATORS, axes_after, recurrent
from edge_lstm.importers.onnx_scan import PROGRAM, scan
from edge_lstm.importers.onnx_tensors import Constants
from edge_lstm.importers.scales import normalising
from edge_lstm.model import DenseWeights


def part_of(node: Node) -> tuple[Part, Axes]:
    """The part of a node and the axes of what it gives; an obstacle if it cannot be taken."""
    proto = node.proto
    name = proto.name or proto.output[node.taken]
    take = TAKEN.get(proto.op_type)
    if take is None or proto.domain not in ("", "ai.onnx"):
        why = REFUSED.get(proto.op_type, UNKNOWN)
        return Part(name, proto.op_type, obstacle=why), node.axes
    try:
        with quiet():
            does, axes, note = take(node)
    except ModelError as error:
        return Part(name, proto.op_type, obstacle=str(error)), _after(node)
    return Part(name, proto.op_type, does, note), axes


def _after(node: Node) -> Axes:
    """Axes to go on with after an obstacle, so that it is not the cause of others."""
    if node.proto.op_type in OPERATORS:
        return axes_after(node)
    return ("batch", "features") if node.proto.op_type == "Gemm" else node.axes


def _gemm(node: Node) -> Taken:
    attributes = node.attributes
    if node.axes != ("batch", "features") or attributes.get("transA", 0) or node.input(0) in node.constants:
        raise ModelError(
            f"is given ({', '.join(node.axes)}), a head takes (batch, features); pick the last step before it"
        )
    weights = node.constants.get(node.input(1), "B").astype(np.float64)
    if weights.ndim != 2:
        raise ModelError(f"its B has shape {weights.shape}; expected two axes")
    weights = attributes.get("alpha", 1.0) * (weights if attributes.get("transB", 0) else weights.T)
    bias = np.zeros(len(weights))
    if node.input(2):
        bias = attributes.get("beta", 1.0) * _spread(node.constants.get(node.input(2), "C"), len(weights))
    return dense_weights(weights, bias), node.axes, f"{len(weights)} outputs"


def with_bias(head: Part, proto: Any, constants: Constants) -> list[Part]:
    """A MatMul and the Add behind it."""
    name = proto.name or proto.output[0]
    weights = head.does
    bias = next((n for n in proto.input if n in constants), "")

    def build() -> Does:
        if not isinstance(weights, DenseWeights):
            raise ModelError("adds to nothing that is a head; export the model again")
        return dense_weights(weights.weights, _spread(constants.get(bias, "bias"), weights.outputs))

    joined = part(head.name, head.kind, build, head.note)
    if joined.obstacle:
        return [head, Part(name, "Add", obstacle=joined.obstacle)]
    return [joined, Part(name, "Add", note="the bias of the head")]


def _spread(bias: Array, outputs: int) -> Array:
    """A bias of one number or (…, O) with ones before."""
    flat = bias.astype(np.float64).ravel()
    if flat.size not in (1, outputs):
        raise ModelError(f"its bias has shape {bias.shape}; expected ({outputs},)")
    return np.broadcast_to(flat, (outputs,))


def _matmul(node: Node) -> Taken:
    """The head's weights. Its bias is in an Add behind it: see ``with_bias``."""
    if node.input(0) in node.constants or node.axes[-1:] != ("features",):
        raise ModelError("multiplies from the left or along another axis; put the weights right")
    weights = node.constants.get(node.input(1), "B")
    if weights.ndim != 2:
        raise ModelError(f"its B has shape {weights.shape}; expected two axes")
    return dense_weights(weights.T, np.zeros(weights.shape[1])), node.axes, f"{weights.shape[1]} outputs"


def _elementwise(node: Node) -> Taken:
    """``x - c``, ``x / c``, ``x · c``, ``x + c``: scale channels before the layers, outputs behind the head."""
    kind = node.proto.op_type
    held = [name in node.constants for name in node.proto.input]
    if held not in ([False, True], [True, False]) or (held[0] and kind in ("Sub", "Div")):
        raise ModelError("is no scaling by constants, x - c, x / c, x * c or x + c; export the model so")
    value = node.constants.get(node.input(held.index(True)), "constant").astype(np.float64)
    if value.size != max(value.shape, default=1) or (value.size > 1 and value.shape[-1] != value.size):
        raise ModelError(f"its constant has shape {value.shape}; expected one number a channel, along the last axis")
    if value.size > 1 and node.axes[-1:] != ("features",):
        raise ModelError(
            f"is given ({', '.join(node.axes)}), it scales along the last; put it before the transposition"
        )
    value = value.ravel()
    offset = {"Sub": -value, "Add": value}.get(kind, np.zeros(1))
    scale = value if kind == "Mul" else 1 / value if kind == "Div" else np.ones(1)
    if not (np.isfinite(1 / scale) & np.isfinite(scale)).all() or not np.isfinite(offset).all():
        raise ModelError("scales by zero, or by what is no number; leave that channel or output out")
    if not node.scales_input:
        return Stretch(scale, offset), node.axes, "becomes the scaling of the outputs"
    if not (scale > 0).all():
        raise ModelError("turns the sign of a channel, which a scaling here does not; train on it as it is")
    deviation = value if kind == "Div" else 1 / scale  # as it is in the file
    return Normalise(-offset, deviation), node.axes, "becomes the scaling of the channels"


def _activation(node: Node) -> Taken:
    name = node.proto.op_type.lower()
    axis = int(node.attributes.get("axis", -1)) % len(node.axes)
    if name == "softmax" and node.axes[axis] != "features":
        raise ModelError(f"is over the axis {node.axes[axis]}; take it over the last")
    note = {
        "softmax": "the model keeps logits, a stream makes probabilities of them",
        "sigmoid": "becomes two logits, 0 and z, whose softmax is the same",
    }
    return Activation(name), node.axes, note.get(name, "")


def _arg_max(node: Node) -> Taken:
    place = int(node.attributes.get("axis", 0)) % len(node.axes)
    if node.axes[place] != "features":
        raise ModelError(f"is over the axis {node.axes[place]}; take it over the outputs")
    if node.attributes.get("select_last_index", 0):
        raise ModelError("select_last_index is 1, of equal outputs a stream tells the first; leave it out")
    kept = ("one",) if node.attributes.get("keepdims", 1) else ()
    return Largest(), (*node.axes[:place], *kept, *node.axes[place + 1 :]), "left out: a stream tells the label itself"


def _gather(node: Node) -> Taken:
    """The vectors of tokens, where what is picked from is constant; else a step."""
    if not is_embedding(node.proto, node.constants):
        return onnx_axes.gather(node)
    if int(node.attributes.get("axis", 0)) % 2:
        raise ModelError("picks columns of its table; put the tokens along its first axis")
    if "features" in node.axes:
        raise ModelError("picks what is computed; put it first, where tokens are given")
    layer = embedding(node.constants.get(node.input(0), "table"))
    return layer, (*node.axes, "features"), described(layer)


def is_embedding(proto: Any, constants: Constants) -> bool:
    """Whether a node looks tokens up in a constant table."""
    return proto.op_type == "Gather" and len(proto.input) == 2 and proto.input[0] in constants


def _batch_normalisation(node: Node) -> Taken:
    """Over the second axis: https://onnx.ai/onnx/operators/onnx__BatchNormalization.html"""
    if node.axes[1:2] != ("features",):
        raise ModelError(f"is given ({', '.join(node.axes)}), and is over the second; put it over the features")
    gain, offset, mean, variance = (
        node.constants.get(node.input(k), name).astype(np.float64).ravel()
        for k, name in enumerate(("scale", "B", "mean", "var"), start=1)
    )
    scale = normalising(gain, offset, mean, variance, node.attributes.get("epsilon", 1e-5))
    return scale, node.axes, "becomes a scaling"


def _nothing(node: Node) -> Taken:
    return None, node.axes, "changes nothing at inference"


def _cast(node: Node) -> Taken:
    if node.attributes.get("to") not in (1, 11) and "features" in node.axes:  # labels are whole numbers
        raise ModelError("casts to a narrower type; export the model in float32")
    return None, node.axes, ""


TAKEN: dict[str, Callable[[Node], Taken]] = {
    **dict.fromkeys(OPERATORS, recurrent),
    **dict.fromkeys(("Sub", "Div", "Mul", "Add"), _elementwise),
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Scan": scan,
    "Transpose": onnx_axes.transpose,
    "Squeeze": onnx_axes.squeeze,
    "Unsqueeze": onnx_axes.unsqueeze,
    "Reshape": onnx_axes.reshape,
    "Gather": _gather,
    "Slice": onnx_axes.slice_,
    **dict.fromkeys(("Softmax", "Sigmoid", "Relu", "Tanh"), _activation),
    "ArgMax": _arg_max,
    "BatchNormalization": _batch_normalisation,
    "Identity": _nothing,
    "Dropout": _nothing,
    "Cast": _cast,
    "Conv": onnx_conv.conv,
    "Pad": onnx_conv.pad,
    "Concat": onnx_conv.concat,
}

UNKNOWN = "cannot be imported; export LSTM, GRU or RNN nodes and Gemm alone"
"""What is said of an operator that no table names."""

REFUSED = {
    "Loop": f"{PROGRAM}, or import the file that this was made of",
    "If": "chooses while it runs; export one way of it",
    "DynamicQuantizeLinear": "is quantised already; export the float model",
    "DequantizeLinear": "is quantised already; export the float model",
}
