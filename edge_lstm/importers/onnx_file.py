"""ONNX files: a row of nodes from the input to the first output, walked back from there.

Every tensor on the row bears the names of its axes (``batch``, ``time``, ``features``, and ``one`` for an axis of one
place, such as that of directions), so that a transposition is known for what it is. Further inputs of the graph can
only be states, which are zero where a stream begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

from edge_lstm.errors import MissingDependencyError, ModelError
from edge_lstm.importers.chain import BATCH_FIRST, TIME_FIRST, Chain, DenseLayer, Part
from edge_lstm.importers.onnx_axes import ROWS
from edge_lstm.importers.onnx_node import Axes, Graph, Node, attributes_of
from edge_lstm.importers.onnx_nodes import is_embedding, part_of, with_bias
from edge_lstm.importers.onnx_properties import PRODUCER, said_in
from edge_lstm.importers.onnx_recurrent import OPERATORS, STEPPING
from edge_lstm.importers.onnx_tensors import Constants


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
        model = onnx.load_model_from_string(path.read_bytes())
    except (DecodeError, OSError, ValueError) as error:
        raise ModelError(f"{path}: not a whole ONNX file ({error}); export the model again") from error
    graph = model.graph
    if not graph.node or not graph.output:
        raise ModelError(f"{path}: not a whole ONNX file, it has no nodes or no output; export the model again")
    if any(isinstance(text, bytes) for text in _texts(graph)):
        raise ModelError(f"{path}: is damaged, a name in it is no text; export the model again")
    try:
        return _chain(model, Constants(graph, path.parent), path)
    except (TypeError, ValueError, IndexError, KeyError, ArithmeticError) as error:
        raise ModelError(f"{path}: its graph is not one that exporters write ({error}); export it again") from error


def _texts(graph: Any) -> Iterator[Any]:
    """Names of the graph, which protobuf gives as bytes where they are not UTF-8."""
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output, *(a.name for a in node.attribute))
    yield from (entry.name for entries in (graph.input, graph.output, graph.initializer) for entry in entries)


def _chain(model: Any, constants: Constants, path: Path) -> Chain:
    graph = model.graph
    makers = {name: (node, k) for node in graph.node for k, name in enumerate(node.output) if name}
    inputs = {value.name: value for value in graph.input if value.name not in constants}
    row, source = _back(graph.output[0].name, makers, constants, inputs)
    of_input = _axes_of_input(row, constants)
    sizes = _sizes(source) if source is not None else []
    if len(sizes) not in (0, len(of_input)):
        wanted = "batch, steps and features" if "features" in of_input else "batch and steps of tokens"
        raise ModelError(f"{path}: its input has {len(sizes)} axes; expected {wanted}")
    named = dict(zip(of_input, sizes, strict=False))
    others = {name: tuple(_sizes(value)) for name, value in inputs.items() if value is not source}
    parts, axes = _parts(row, Graph(constants, frozenset(others), named.get("time")), of_input)
    on_row = {id(node) for node, _ in row}
    if model.producer_name == PRODUCER:  # which gives the states of its layers beside the outputs, and nothing else
        parts += [Part(value.name, "output", note=_STATE) for value in graph.output[1:]]
    else:
        parts += [_other_output(value.name, makers, constants, inputs, on_row) for value in graph.output[1:]]
    if source is None:
        if not any(part.obstacle for part in parts):  # such as a Loop, which reaches for what it takes
            parts.insert(0, Part(graph.output[0].name, "output", obstacle="does not come from an input of the graph"))
        return Chain("onnx", tuple(parts))
    if ROWS in axes:
        parts.append(
            Part(graph.output[0].name, "output", obstacle="has the steps of all sequences in rows; reshape it")
        )
    said, notes = said_in(model, path)
    return Chain(
        "onnx",
        tuple(parts),
        named.get("time"),
        named.get("batch") or _batch_of_states(others),
        notes,
        of_input,
        axes,
        states=tuple(others.items()),
        said=said,
        tokens=_tokens(parts) if "features" not in of_input else None,
    )


def _parts(row: list[tuple[Any, int]], around: Graph, axes: Axes) -> tuple[list[Part], Axes]:
    """The parts of a row, and the axes of what it ends in."""
    parts: list[Part] = []
    layers = False
    for proto, taken in row:
        if proto.op_type == "Add" and parts and parts[-1].kind == "MatMul" and not parts[-1].obstacle:
            parts[-1:] = with_bias(parts[-1], proto, around.constants)
            continue
        weighty = proto.op_type in (*STEPPING, "MatMul", "Gemm", "Conv")
        layers = layers or weighty or is_embedding(proto, around.constants)
        made, axes = part_of(Node(proto, taken, around, axes, attributes_of(proto), scales_input=not layers))
        parts.append(made)
    return parts, axes


def _tokens(parts: list[Part]) -> int | None:
    return next((part.does.weights.features for part in parts if isinstance(part.does, DenseLayer)), None)


def _batch_of_states(states: dict[str, tuple[int | None, ...]]) -> int | None:
    """What they fix where the input leaves it open: (layers, batch, units)."""
    return next((shape[1] for shape in states.values() if len(shape) == 3 and shape[1]), None)


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
        picked = _picked(node, row[-1][0], makers, constants) if row else ""
        if picked:
            name = picked
            continue
        row.append((node, taken))
        data = [n for n in node.input if n and n not in constants]
        if node.op_type in OPERATORS:
            data = list(node.input[:1])
        if node.op_type in ("Scan", "Concat"):  # the states come first
            data = list(node.input[-1:])
        if node.op_type == "Loop":
            return row[::-1], None
        if not data:
            return row[::-1], None
        name = data[0]
    return row[::-1], inputs.get(name)


def _picked(joined: Any, gather: Any, makers: Any, constants: Constants) -> str:
    """``h_n[-1]`` of PyTorch: the last hidden states of all layers are joined, and one layer's is picked of them."""
    if (joined.op_type, gather.op_type) != ("Concat", "Gather") or gather.input[1] not in constants:
        return ""
    if any(attributes_of(node).get("axis", 0) != 0 for node in (joined, gather)):
        return ""
    made = [makers.get(name) for name in joined.input]
    if any(maker is None or maker[0].op_type not in OPERATORS or maker[1] != _LAST_HIDDEN for maker in made):
        return ""
    index = constants.get(gather.input[1], "indices").ravel()
    return joined.input[int(index[0])] if index.size == 1 and -len(made) <= index[0] < len(made) else ""


_LAST_HIDDEN = 1
"""Which output of a recurrent operator Y_h is."""


def _axes_of_input(row: list[tuple[Any, int]], constants: Constants) -> Axes:
    """The first recurrent layer says what its axes are; what is transposed before it is followed back to the input.

    Tokens have no features before they are looked up.
    """
    before = list(takewhile(lambda entry: entry[0].op_type not in STEPPING, row))
    layout = attributes_of(row[len(before)][0]).get("layout", 0) if len(before) < len(row) else 1
    axes: Axes = BATCH_FIRST if layout else TIME_FIRST
    for proto, _ in reversed(before):
        order = list(attributes_of(proto).get("perm", ()))
        if is_embedding(proto, constants):
            axes = tuple(axis for axis in axes if axis != "features")
        elif proto.op_type == "Transpose" and sorted(order) == list(range(len(axes))):
            axes = tuple(axes[order.index(k)] for k in range(len(axes)))
    return axes


def _other_output(name: str, makers: Any, constants: Constants, inputs: Any, on_row: set[int]) -> Part:
    """Another output is the state of a layer on the row, which a stream carries itself, or something we would lose."""
    row, _ = _back(name, makers, constants, inputs)
    beyond = [node for node, _ in row if id(node) not in on_row]
    state = any(node.op_type in STEPPING for node, _ in row) and all(n.op_type in _STATE_OUTPUT for n in beyond)
    if state:
        return Part(name, "output", note=_STATE)
    return Part(name, "output", obstacle="is a second output; export the model with one")


_STATE = "the state is carried by the stream itself"
_STATE_OUTPUT = {"Squeeze", "Unsqueeze", "Identity", "Transpose", "Reshape", "Concat"}
