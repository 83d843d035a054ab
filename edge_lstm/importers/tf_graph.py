"""The graph of a TensorFlow SavedModel: functions of named nodes, as they stand in ``saved_model.pb``.

Field numbers are those of tensorflow/core/protobuf/{saved_model,meta_graph,saved_object_graph}.proto and of
tensorflow/core/framework/{graph,function,node_def,attr_value,tensor}.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.chain import Array
from edge_lstm.importers.limits import Budget
from edge_lstm.importers.protobuf import Message

_NUMBERS = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 10: "?", 19: "<f2"}
"""TensorFlow's number of a type → NumPy's name."""

_VALUES = {1: 5, 2: 6, 3: 7, 9: 10, 10: 11}
"""Type → field of a TensorProto that lists values one by one."""

_ASSET, _RESOURCE = 5, 10
"""Fields of a SavedObject that is a file, or fills itself when it is loaded."""

MOST_NODES = 50_000
"""Of a function, and visited in all: what a thousand unrolled steps of an LSTM take, three times."""


class Node:
    """One node of a function or of the main graph."""

    def __init__(self, message: Message) -> None:
        self.name, self.op = message.text(1), message.text(2)
        given = message.texts(3)
        self.inputs = [name for name in given if not name.startswith("^")]
        self.after = [name[1:] for name in given if name.startswith("^")]
        """Nodes that are run before it, though it takes nothing of them."""
        self._attributes = {entry.text(1): entry.message(2) for entry in message.messages(5)}

    def _attribute(self, name: str) -> Message:
        return self._attributes.get(name, Message())

    def integer(self, name: str) -> int:
        return self._attribute(name).signed(3)

    def text(self, name: str) -> str:
        return self._attribute(name).text(2)

    def flag(self, name: str) -> bool:
        return bool(self._attribute(name).number(5))

    def function(self, name: str) -> str:
        return self._attribute(name).message(10).text(1)

    def functions(self) -> Iterator[str]:
        """Names of every function that the node may call."""
        for value in self._attributes.values():
            for message in (value.message(10), *value.message(1).messages(9)):
                if message.text(1):
                    yield message.text(1)

    def value(self, budget: Budget) -> Array:
        """Of a constant.

        Raises:
            ModelError: if its type is none of numbers, or its bytes are not those of its shape.
        """
        tensor = self._attribute("value").message(8)
        shape = tuple(d.signed(1) for d in tensor.message(2).messages(2))
        kind = tensor.number(1)
        if kind not in _NUMBERS or len(shape) > 8 or min(shape, default=0) < 0:
            raise ModelError("is a constant of no numbers")
        numbers = np.dtype(_NUMBERS[kind])
        budget.take(shape, max(numbers.itemsize, 4), f"{self.name}: a constant")
        count, content = int(np.prod(shape, dtype=object)), tensor.bytes(4)
        if len(content):
            if len(content) != count * numbers.itemsize:
                raise ModelError(f"is a constant of {len(content):,} B for shape {shape}; save the model again")
            return np.frombuffer(content, numbers).reshape(shape)
        values = _listed(tensor, kind)
        # The last value stands for all that are not listed.
        full = np.zeros(count, numbers)
        full[: len(values)] = values[:count]
        if len(values):
            full[len(values) :] = values[-1]
        return full.reshape(shape)


def _listed(tensor: Message, kind: int) -> Array:
    field = _VALUES.get(kind, 0)
    if kind in (1, 2):
        packed = tensor.bytes(field)
        if len(packed):
            numbers = np.dtype(_NUMBERS[kind])
            return np.frombuffer(packed[: len(packed) // numbers.itemsize * numbers.itemsize], numbers)
        # A single value is written as a fixed number of four or eight bytes.
        number = tensor.number(field)
        raw = number.to_bytes(4, "little") if kind == 1 else (number % 2**64).to_bytes(8, "little")
        return np.frombuffer(raw, _NUMBERS[kind]) if field in tensor else np.zeros(0)
    wrapped = [n - 2**64 if n >= 2**63 else n for n in tensor.numbers(field)]
    return np.array(wrapped, np.int64)


@dataclass(frozen=True, eq=False)
class Signature:
    """What a SavedModel is called by: one input and one output, each ``node:place``, with None where a size is open."""

    source: str
    source_shape: tuple[int | None, ...]
    output: str
    output_shape: tuple[int | None, ...]


class Function:
    """A function of the library, its nodes read when it is called."""

    def __init__(self, message: Message) -> None:
        self._message = message
        signature = message.message(1)
        self.name = signature.text(1)
        self.arguments = [argument.text(1) for argument in signature.messages(2)]
        self.outputs = [argument.text(1) for argument in signature.messages(3)]
        self.returned = {entry.text(1): entry.text(2) for entry in message.messages(4)}

    @cached_property
    def nodes(self) -> Mapping[str, Node]:
        return nodes_of(self._message, 3)


def nodes_of(message: Message, field: int) -> dict[str, Node]:
    """Nodes by name.

    Raises:
        ModelError: if there are more than ``MOST_NODES``.
    """
    found: dict[str, Node] = {}
    for inner in message.messages(field):
        node = Node(inner)
        found[node.name] = node
        if len(found) > MOST_NODES:
            raise ModelError(f"has more than {MOST_NODES:,} nodes; import a network for a small device")
    return found


class SavedGraph:
    """What ``saved_model.pb`` says.

    Raises:
        ModelError: if it is damaged, or is called by something else than one input and one output.
    """

    def __init__(self, path: Path) -> None:
        try:
            metas = list(Message(path.read_bytes()).messages(2))
            if not metas:
                raise ModelError("it holds no graph")
            meta = next((m for m in metas if "serve" in m.message(1).texts(4)), metas[0])
            graph = meta.message(2)
            self.nodes = nodes_of(graph, 1)
            functions = [Function(m) for m in graph.message(2).messages(1)]
            self.functions = {function.name: function for function in functions}
            self._signatures = {entry.text(1): entry.message(2) for entry in meta.messages(5)}
            objects = meta.message(7)
            self._objects = list(objects.messages(1))
            self._bound = {entry.text(1): entry.message(2).numbers(2) for entry in objects.messages(2)}
        except ModelError as error:
            raise ModelError(f"{path}: not a whole SavedModel ({error}); save the model again") from error

    @property
    def loads(self) -> bool:
        """Whether loading it runs something: tables and files that fill themselves."""
        return any(_ASSET in node or _RESOURCE in node for node in self._objects)

    @cached_property
    def paths(self) -> dict[int, str]:
        """Object → names of children that lead to it from the root, as in ``variables/0``."""
        children = [{child.text(2): child.number(1) for child in node.messages(1)} for node in self._objects]
        found, waiting = {0: ""}, [0]
        for at in waiting:
            for name, child in children[at].items():
                if child not in found and 0 <= child < len(children):
                    found[child] = f"{found[at]}/{name}".lstrip("/")
                    waiting.append(child)
        return found

    def variables(self, output: str) -> dict[str, str]:
        """Handle of a variable in the main graph → path of its object, for the function that gives ``output``."""
        node = self.nodes.get(output.partition(":")[0])
        bound = self._bound.get(node.function("f"), []) if node is not None else []
        if node is None or len(bound) > len(node.inputs):
            return {}
        handles = node.inputs[len(node.inputs) - len(bound) :]
        return {h.partition(":")[0]: self.paths.get(k, "") for h, k in zip(handles, bound, strict=True)}

    def signature(self, path: Path) -> Signature:
        """That of serving, or the only one there is."""
        named = {k: v for k, v in self._signatures.items() if not k.startswith("__")}
        chosen = named.get("serving_default") or (next(iter(named.values())) if len(named) == 1 else None)
        if chosen is None:
            raise ModelError(
                f"{path}: has no signature serving_default but {', '.join(sorted(named)) or 'none'}; give a .keras file"
            )
        ends = [[entry.message(2) for entry in chosen.messages(field)] for field in (1, 2)]
        if any(len(side) != 1 for side in ends):
            raise ModelError(
                f"{path}: takes {len(ends[0])} inputs and gives {len(ends[1])} outputs; save a model of one and one"
            )
        (source,), (output,) = ends
        return Signature(source.text(1), _shape(source), output.text(1), _shape(output))

    def operators(self, output: str) -> set[str]:
        """Every operator that can be reached from a tensor of the main graph."""
        found: set[str] = set()
        seen: set[object] = set()
        names, waiting = [output], list[Node]()
        while names or waiting:
            if names:
                name = names.pop().partition(":")[0]
                if name in seen or name not in self.nodes:
                    continue
                seen.add(name)
                names += self.nodes[name].inputs + self.nodes[name].after
                waiting.append(self.nodes[name])
            else:
                node = waiting.pop()
                found.add(node.op)
                for called in node.functions():
                    if ("function", called) not in seen and called in self.functions:
                        seen.add(("function", called))
                        waiting += self.functions[called].nodes.values()
        return found


def _shape(info: Message) -> tuple[int | None, ...]:
    sizes = [dimension.signed(1) for dimension in info.message(3).messages(2)]
    return tuple(None if n < 0 else n for n in sizes)
