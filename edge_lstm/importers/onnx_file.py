"""ONNX files: a row of nodes from the input to the first output, walked back from there.

Every tensor on the row bears the names of its axes (``batch``, ``time``, ``features``, and ``one`` for an axis of one
place, such as that of directions), so that a transposition is known for what it is. ONNX keeps LSTM weights as
(1, 4H, F) with the gates i, o, f, c above each other, and two biases one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from edge_lstm.errors import MissingDependencyError, ModelError
from edge_lstm.importers.chain import (
    BATCH_FIRST,
    TIME_FIRST,
    Activation,
    Array,
    Chain,
    Does,
    LastStep,
    Part,
    Recurrent,
    dense_weights,
    lstm_weights,
    part,
)
from edge_lstm.importers.limits import MOST_UNITS
from edge_lstm.importers.onnx_tensors import Constants
from edge_lstm.model import DenseWeights, LstmWeights

Axes = tuple[str, ...]

_GATES = (0, 2, 3, 1)
"""Of ONNX's i, o, f, c those that are our i, f, g, o."""


def read_onnx(path: Path) -> Chain:
    """The chain of an ``.onnx`` file.

    Raises:
        MissingDependencyError: without the package onnx.
        ModelError: if it is none, or has other than one input.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise MissingDependencyError(
            "ONNX files need onnx, which is not installed; run: pip install 'edge-lstm[onnx]'"
        ) from error
    try:
        graph = onnx.load_model_from_string(path.read_bytes()).graph
    except (DecodeError, OSError, ValueError) as error:
        raise ModelError(f"{path}: not a whole ONNX file ({error}); export the model again") from error
    if not graph.node or not graph.output:
        raise ModelError(f"{path}: not a whole ONNX file, it has no nodes or no output; export the model again")
    if any(isinstance(text, bytes) for text in _texts(graph)):
        raise ModelError(f"{path}: is damaged, a name in it is no text; export the model again")
    try:
        return _chain(graph, Constants(graph, path.parent), path)
    except (TypeError, ValueError, IndexError, KeyError, ArithmeticError) as error:
        raise ModelError(f"{path}: its graph is not one that exporters write ({error}); export it again") from error


def _texts(graph: Any) -> Iterator[Any]:
    """Names of the graph, which protobuf gives as bytes where they are not UTF-8."""
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output, *(a.name for a in node.attribute))
    yield from (entry.name for entries in (graph.input, graph.output, graph.initializer) for entry in entries)


@dataclass
class _Node:
    """A node on the row, with what is known when the walk gets to it.

    Args:
        taken: which of the node's outputs the row goes on from.
        axes: of the tensor it is given.
    """

    proto: Any
    taken: int
    constants: Constants
    axes: Axes
    attributes: dict[str, Any]

    def input(self, place: int) -> str:
        return self.proto.input[place] if place < len(self.proto.input) else ""

    def axes_argument(self) -> list[int]:
        """Of Squeeze and Unsqueeze: an attribute up to opset 12, an input since."""
        if "axes" in self.attributes:
            return [int(a) for a in self.attributes["axes"]]
        return [int(a) for a in self.constants.get(self.input(1), "axes").ravel()] if self.input(1) else []


def _chain(graph: Any, constants: Constants, path: Path) -> Chain:
    makers = {name: (node, k) for node in graph.node for k, name in enumerate(node.output) if name}
    inputs = {value.name: value for value in graph.input if value.name not in constants}
    row, source = _back(graph.output[0].name, makers, constants, inputs)
    axes: Axes = _axes_of_input(row)
    of_input = axes
    parts: list[Part] = []
    for proto, taken in row:
        if proto.op_type == "Add" and parts and parts[-1].kind == "MatMul" and not parts[-1].obstacle:
            parts[-1:] = _with_bias(parts[-1], proto, constants)
            continue
        made, axes = _part(_Node(proto, taken, constants, axes, _attributes(proto)))
        parts.append(made)
    on_row = {id(node) for node, _ in row}
    parts += [_other_output(value.name, makers, constants, inputs, on_row) for value in graph.output[1:]]
    if source is None:
        parts.insert(0, Part(graph.output[0].name, "output", obstacle="does not come from an input of the graph"))
        return Chain("onnx", tuple(parts))
    sizes = _sizes(source)
    if len(sizes) not in (0, 3):
        raise ModelError(f"{path}: its input has {len(sizes)} axes; expected batch, steps and features")
    named = dict(zip(of_input, sizes, strict=False))
    return Chain("onnx", tuple(parts), named.get("time"), named.get("batch"), (), of_input, axes)


def _sizes(value: Any) -> list[int | None]:
    return [d.dim_value if d.dim_value > 0 else None for d in value.type.tensor_type.shape.dim]


def _back(name: str, makers: Any, constants: Constants, inputs: Any) -> tuple[list[tuple[Any, int]], Any]:
    """The nodes from an input of the graph to a tensor, and that input; None if the way is lost."""
    row: list[tuple[Any, int]] = []
    seen: set[int] = set()
    while name in makers:
        node, taken = makers[name]
        if id(node) in seen:
            return row[::-1], None
        seen.add(id(node))
        row.append((node, taken))
        data = [n for n in node.input if n and n not in constants]
        if node.op_type == "LSTM":
            data = list(node.input[:1])
        if not data:
            return row[::-1], None
        name = data[0]
    return row[::-1], inputs.get(name)


def _axes_of_input(row: list[tuple[Any, int]]) -> Axes:
    """The first LSTM says what its axes are; what is transposed before it is followed back to the input."""
    before = list(takewhile(lambda entry: entry[0].op_type != "LSTM", row))
    layout = _attributes(row[len(before)][0]).get("layout", 0) if len(before) < len(row) else 1
    axes: Axes = BATCH_FIRST if layout else TIME_FIRST
    for proto, _ in reversed(before):
        order = list(_attributes(proto).get("perm", ()))
        if proto.op_type == "Transpose" and sorted(order) == [0, 1, 2]:
            axes = tuple(axes[order.index(k)] for k in range(3))
    return axes


def _attributes(proto: Any) -> dict[str, Any]:
    import onnx

    try:
        return {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute if a.type != a.GRAPH}
    except ValueError:  # of no type
        return {}


def _other_output(name: str, makers: Any, constants: Constants, inputs: Any, on_row: set[int]) -> Part:
    """Another output is the state of an LSTM on the row, which a stream carries itself, or something we would lose."""
    row, _ = _back(name, makers, constants, inputs)
    beyond = [node for node, _ in row if id(node) not in on_row]
    state = any(node.op_type == "LSTM" for node, _ in row) and all(n.op_type in _STATE_OUTPUT for n in beyond)
    if state:
        return Part(name, "output", note="the state is carried by the stream itself")
    return Part(name, "output", obstacle="is a second output; export the model with one")


_STATE_OUTPUT = {"Squeeze", "Unsqueeze", "Identity", "Transpose", "Reshape", "Concat"}


# ---- one node ----


def _part(node: _Node) -> tuple[Part, Axes]:
    proto = node.proto
    name = proto.name or proto.output[node.taken]
    take = _TAKEN.get(proto.op_type)
    if take is None or proto.domain not in ("", "ai.onnx"):
        why = _REFUSED.get(proto.op_type, "cannot be imported; export LSTM nodes and one Gemm alone")
        return Part(name, proto.op_type, obstacle=why), node.axes
    try:
        does, axes, note = take(node)
    except ModelError as error:
        return Part(name, proto.op_type, obstacle=str(error)), _AFTER.get(proto.op_type, node.axes)
    return Part(name, proto.op_type, does, note), axes


Taken = tuple[Does | None, Axes, str]

_AFTER: dict[str, Axes] = {"LSTM": ("time", "one", "batch", "features"), "Gemm": ("batch", "features")}
"""Axes to go on with after an obstacle, so that it is not the cause of others."""


def _lstm(node: _Node) -> Taken:
    attributes, constants = node.attributes, node.constants
    for key, refused, why in _LSTM_RULES:
        if key in attributes and refused(attributes[key]):
            raise ModelError(f"{key} is {_shown(attributes[key])}: {why}")
    for place, name, why in ((4, "sequence_lens", "leave it out"), (7, "P (peepholes)", "train without")):
        if node.input(place):
            raise ModelError(f"has {name}, which a cell here has not; {why}")
    for place, name in ((5, "initial_h"), (6, "initial_c")):
        if not constants.is_zero(node.input(place)):
            raise ModelError(f"its {name} is not zero, where a stream begins; leave it out")
    layout = int(attributes.get("layout", 0))
    wanted = BATCH_FIRST if layout else TIME_FIRST
    if node.axes != wanted:
        raise ModelError(f"is given ({', '.join(node.axes)}), its layout {layout} takes ({', '.join(wanted)})")
    weights = _weights(node)
    hidden = f"{weights.units} units"
    if node.taken == 0:
        every = ("batch", "time", "one", "features") if layout else ("time", "one", "batch", "features")
        return Recurrent(weights, every_step=True), every, hidden
    if node.taken == 2:
        raise ModelError("its cell state is taken for the output; take Y or Y_h")
    axes = ("batch", "one", "features") if layout else ("one", "batch", "features")
    return Recurrent(weights, every_step=False), axes, hidden


def _shown(value: Any) -> str:
    texts = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in np.atleast_1d(value).tolist()]
    return " ".join(texts)


_LSTM_RULES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("direction", lambda v: v != b"forward", "a stream knows no future; train forwards"),
    (
        "activations",
        lambda v: [a.lower() for a in v] != [b"sigmoid", b"tanh", b"tanh"],
        "a cell here has Sigmoid Tanh Tanh",
    ),
    ("clip", lambda v: v != 0, "a cell here is not clipped; train without"),
    ("input_forget", lambda v: v != 0, "a cell here has a forget gate of its own; train without"),
    ("layout", lambda v: v not in (0, 1), "expected 0 or 1"),
)


def _weights(node: _Node) -> LstmWeights:
    kernel = node.constants.get(node.input(1), "W")
    recurrent = node.constants.get(node.input(2), "R")
    if recurrent.ndim != 3 or kernel.ndim != 3 or 0 in recurrent.shape + kernel.shape:
        raise ModelError(f"W and R have shapes {kernel.shape} and {recurrent.shape}; expected (1, 4 units, …)")
    units = recurrent.shape[2]
    if units > MOST_UNITS or recurrent.shape != (1, 4 * units, units) or kernel.shape[:2] != (1, 4 * units):
        raise ModelError(
            f"W and R have shapes {kernel.shape} and {recurrent.shape}; expected (1, 4 units, features) "
            f"and (1, 4 units, units) of at most {MOST_UNITS} units"
        )
    if node.attributes.get("hidden_size", units) != units:
        raise ModelError(f"hidden_size is {node.attributes['hidden_size']}, R has {units} units; export it again")
    biases = np.zeros((1, 8 * units))
    if node.input(3):
        biases = node.constants.get(node.input(3), "B").astype(np.float64)
        if biases.shape != (1, 8 * units):
            raise ModelError(f"B has shape {biases.shape}; expected {(1, 8 * units)}")
    return lstm_weights(kernel[0], recurrent[0], biases.reshape(2, -1).sum(axis=0), _GATES)


def _gemm(node: _Node) -> Taken:
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


def _with_bias(head: Part, proto: Any, constants: Constants) -> list[Part]:
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


def _matmul(node: _Node) -> Taken:
    """The head's weights. Its bias is in an Add behind it: see ``_with_bias``."""
    if node.input(0) in node.constants or node.axes[-1:] != ("features",):
        raise ModelError("multiplies from the left or along another axis; put the weights right")
    weights = node.constants.get(node.input(1), "B")
    if weights.ndim != 2:
        raise ModelError(f"its B has shape {weights.shape}; expected two axes")
    return dense_weights(weights.T, np.zeros(weights.shape[1])), node.axes, f"{weights.shape[1]} outputs"


def _transpose(node: _Node) -> Taken:
    order = list(node.attributes.get("perm", range(len(node.axes) - 1, -1, -1)))
    if sorted(order) != list(range(len(node.axes))):
        raise ModelError(f"perm is {order} of {len(node.axes)} axes; export the model again")
    return None, tuple(node.axes[k] for k in order), ""


def _squeeze(node: _Node) -> Taken:
    places = {a % len(node.axes) for a in node.axes_argument()}
    gone = [node.axes[k] for k in sorted(places)]
    if not gone or set(gone) != {"one"}:
        raise ModelError(f"removes ({', '.join(gone) or 'unnamed axes'}); only an axis of one place can go")
    return None, tuple(axis for k, axis in enumerate(node.axes) if k not in places), ""


def _unsqueeze(node: _Node) -> Taken:
    places = node.axes_argument()
    total = len(node.axes) + len(places)
    left = iter(node.axes)
    at = {place % total for place in places}
    return None, tuple("one" if k in at else next(left) for k in range(total)), ""


def _reshape(node: _Node) -> Taken:
    """What takes the axis of directions away, which has one place, and leaves the order of the others."""
    shape = [int(n) for n in node.constants.get(node.input(1), "shape").ravel()]
    kept = tuple(axis for axis in node.axes if axis != "one")
    same = [0] * (len(kept) - 1)
    # (0, 0, -1) copies the first axes, so they must be the ones that stay.
    copied = all(n != 0 or (k < len(node.axes) and node.axes[k] == kept[k]) for k, n in enumerate(shape[: len(kept)]))
    if len(shape) != len(kept) or shape[:-1] != same or not copied or kept == node.axes:
        raise ModelError(f"to {shape} mixes axes of ({', '.join(node.axes)}); use Squeeze on the axis of directions")
    return None, kept, ""


def _gather(node: _Node) -> Taken:
    axis = node.axes[int(node.attributes.get("axis", 0)) % len(node.axes)]
    index = node.constants.get(node.input(1), "indices")
    if axis == "one" and index.size == 1 and int(index.ravel()[0]) in (0, -1):
        does: Does | None = None
    elif axis == "time" and index.size == 1 and int(index.ravel()[0]) == -1:
        does = LastStep()
    else:
        raise ModelError(f"picks {index.ravel()[:4].tolist()} of the axis {axis}; only the last step (-1) can be taken")
    replaced = () if index.ndim == 0 else ("one",) * index.ndim
    axes = tuple(new for a in node.axes for new in (replaced if a == axis else (a,)))
    return does, axes, "the last step" if does else ""


def _probabilities(node: _Node) -> Taken:
    name = "softmax" if node.proto.op_type == "Softmax" else "sigmoid"
    axis = int(node.attributes.get("axis", -1)) % len(node.axes)
    if name == "softmax" and node.axes[axis] != "features":
        raise ModelError(f"is over the axis {node.axes[axis]}; take it over the last")
    note = {
        "softmax": "the model keeps logits, a stream makes probabilities of them",
        "sigmoid": "becomes two logits, 0 and z, whose softmax is the same",
    }
    return Activation("softmax" if name == "softmax" else "sigmoid"), node.axes, note[name]


def _nothing(node: _Node) -> Taken:
    return None, node.axes, "changes nothing at inference"


def _cast(node: _Node) -> Taken:
    if node.attributes.get("to") not in (1, 11):
        raise ModelError("casts to a narrower type; export the model in float32")
    return None, node.axes, ""


_TAKEN: dict[str, Callable[[_Node], Taken]] = {
    "LSTM": _lstm,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Reshape": _reshape,
    "Gather": _gather,
    "Softmax": _probabilities,
    "Sigmoid": _probabilities,
    "Identity": _nothing,
    "Dropout": _nothing,
    "Cast": _cast,
}

_REFUSED = {
    "Loop": "is a program, not a layer; export the LSTM as one node",
    "Scan": "is a program, not a layer; export the LSTM as one node",
    "If": "chooses while it runs; export one way of it",
    "GRU": "is another cell; train an LSTM",
    "RNN": "is another cell; train an LSTM",
    "Slice": "cannot be imported; pick the last step with Gather, or take Y_h",
    "Conv": "cannot be imported; let the LSTM take the samples themselves",
    "BatchNormalization": "cannot be imported; put it into the scaling of the channels",
    "DynamicQuantizeLinear": "is quantised already; export the float model",
    "DequantizeLinear": "is quantised already; export the float model",
}
