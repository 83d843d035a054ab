"""A SavedModel's graph carried out on what its tensors stand for: the layers that made them, not numbers.

A tensor that the input flows into is a ``Row``: the parts so far, and which axis is which. Variables and constants are
numbers; sizes that are computed while it runs do not matter. A loop over time must be the equation of a cell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.cell_graph import (
    NO_CELL,
    Algebra,
    Expression,
    Key,
    Linear,
    Product,
    Squashed,
    Step,
    Sum,
    constant,
    leaf,
)
from edge_lstm.importers.chain import (
    BATCH_FIRST,
    Activation,
    Array,
    LastStep,
    Normalise,
    Part,
    Recurrent,
    Stretch,
    dense_weights,
)
from edge_lstm.importers.limits import MOST_UNITS, Budget
from edge_lstm.importers.tf_graph import MOST_NODES, Function, Node, SavedGraph
from edge_lstm.model import DenseWeights

_DEEPEST = 24
"""Calls within calls."""


@dataclass(frozen=True, eq=False)
class Row:
    """What the input became.

    Args:
        axes: names of the tensor's axes, in order.
        scale, offset: of what was done to the channels since the last part.
    """

    parts: tuple[Part, ...]
    axes: tuple[str, ...]
    scale: Array | None = None
    offset: Array | None = None


@dataclass(frozen=True, eq=False)
class Variable:
    """A variable, by the name of its handle in the main graph."""

    name: str


@dataclass(frozen=True, eq=False)
class Steps:
    """A list of a sequence's steps, of which a loop takes one a turn."""

    row: Row


@dataclass(frozen=True, eq=False)
class Collected:
    """A list that a loop puts hidden states into; in a body with what was put in."""

    put: Expression | None = None


@dataclass(frozen=True)
class Zero:
    """A tensor of zeros, of a size that is computed."""


Value = Row | Zero | Variable | Steps | Collected | Linear | Expression | Array | None
"""None is what does not matter: a size, a counter, a handle."""


class Evaluation:
    """One evaluation of a graph, with the numbers of its variables.

    Args:
        read: gives the numbers of a variable by its name.
    """

    def __init__(self, graph: SavedGraph, read: Callable[[str], Array]) -> None:
        self._graph, self._read, self.budget = graph, read, Budget()
        self._visited = 0

    def output(self, source: str, output: str) -> Value:
        """What the main graph's tensor ``output`` is if ``source`` is the input."""
        given: dict[str, Value] = {source.partition(":")[0]: Row((), BATCH_FIRST)}
        return _Frame(self, self._graph.nodes, given, 0, None).tensor(output)

    def variable(self, value: Value) -> Array | None:
        """The numbers of a variable or a constant; None of anything else."""
        if isinstance(value, Variable):
            return self._read(value.name)
        return value if isinstance(value, np.ndarray) else None

    def visit(self) -> None:
        self._visited += 1
        if self._visited > MOST_NODES:
            raise ModelError(f"its graph takes more than {MOST_NODES:,} steps to follow; give the .keras file")

    def call(self, name: str, values: Sequence[Value], depth: int, algebra: Algebra | None) -> list[Value]:
        """What a function returns, in order."""
        function, frame = self.frame(name, values, depth, algebra)
        return [frame.tensor(function.returned.get(output, "")) for output in function.outputs]

    def frame(self, name: str, values: Sequence[Value], depth: int, algebra: Algebra | None) -> tuple[Function, _Frame]:
        function = self._graph.functions.get(name)
        if function is None or len(function.arguments) != len(values) or depth > _DEEPEST:
            raise ModelError(f"calls {name!r}, which is not in the file as it is called; give the .keras file")
        given = dict(zip(function.arguments, values, strict=True))
        return function, _Frame(self, function.nodes, given, depth, algebra)


class _Frame:
    """The nodes of one function, in one call of it."""

    def __init__(
        self, evaluation: Evaluation, nodes: Any, given: dict[str, Value], depth: int, algebra: Algebra | None
    ) -> None:
        self.all, self.nodes, self.given, self.depth, self.algebra = evaluation, nodes, given, depth, algebra
        self._known: dict[str, list[Value]] = {}

    def tensor(self, name: str) -> Value:
        """By its name: an argument, ``node:place`` or ``node:output:place``."""
        node, *rest = name.split(":")
        if node in self.given:
            return self.given[node]
        self._evaluate(node)
        values = self._known.get(node, [None])
        places = [int(word) for word in rest if word.isdigit()]
        place = places[-1] if places else 0
        # A list of outputs of several names is only told apart by loops and calls, which name theirs ``output``.
        return values[place] if place < len(values) else None

    def _evaluate(self, name: str) -> None:
        """Evaluate a node after all that it needs, without recursion: unrolled networks are deep."""
        waiting, begun = [name], set[str]()
        while waiting:
            at = waiting[-1]
            if at in self._known or at in self.given or at not in self.nodes:
                waiting.pop()
                continue
            needs = [n.partition(":")[0] for n in self.nodes[at].inputs]
            missing = [n for n in needs if n not in self._known and n not in self.given and n in self.nodes]
            if missing and at not in begun:
                begun.add(at)
                waiting += missing
                continue
            waiting.pop()
            self.all.visit()
            self._known[at] = [None] if missing else self._values(self.nodes[at])

    def _values(self, node: Node) -> list[Value]:
        inputs = [self.tensor(name) for name in node.inputs]
        take = _OPERATORS.get(node.op)
        if take is not None:
            found = take(self, node, inputs)
            return found if isinstance(found, list) else [found]
        if node.op in _SIZES:
            return [None]
        rows = [value for value in inputs if isinstance(value, Row)]
        rows.sort(key=lambda row: all(not part.obstacle for part in row.parts))  # what stands in a way already, first
        if rows and self.algebra is None:
            return [
                _in_the_way(
                    rows[0],
                    node,
                    REFUSED.get(node.op, UNKNOWN),
                )
            ]
        return [None]

    def fixed(self, value: Value) -> Array | None:
        return self.all.variable(value)


UNKNOWN = "cannot be imported; use LSTM, GRU or simple RNN layers and Dense"


def _in_the_way(row: Row, node: Node, why: str) -> Row:
    return Row((*row.parts, Part(node.name, node.op, obstacle=why)), row.axes)


# ---- operators ----


def _constant(frame: _Frame, node: Node, inputs: list[Value]) -> Value:  # noqa: ARG001
    try:
        return node.value(frame.all.budget)
    except ModelError:
        return None  # a text, or what no operator here takes


def _handle(frame: _Frame, node: Node, inputs: list[Value]) -> Value:  # noqa: ARG001
    return Variable(node.name)


def _same(frame: _Frame, node: Node, inputs: list[Value]) -> Value:  # noqa: ARG001
    return inputs[0] if inputs else None


def _call(frame: _Frame, node: Node, inputs: list[Value]) -> list[Value]:
    return frame.all.call(node.function("f"), inputs, frame.depth + 1, frame.algebra)


def _fill(frame: _Frame, node: Node, inputs: list[Value]) -> Value:  # noqa: ARG001
    value = inputs[1] if len(inputs) > 1 else None
    return Zero() if isinstance(value, np.ndarray) and not value.any() else None


def _zeros(frame: _Frame, node: Node, inputs: list[Value]) -> Value:  # noqa: ARG001
    return Zero()


def _matmul(frame: _Frame, node: Node, inputs: list[Value]) -> Value:
    value, weights = inputs[0], frame.fixed(inputs[1])
    if weights is None or weights.ndim != 2 or node.flag("transpose_a"):
        return _in_the_way(value, node, "multiplies by what is not in the file") if isinstance(value, Row) else None
    weights = weights if node.flag("transpose_b") else weights.T
    if isinstance(value, Row):
        outputs = len(weights)
        if not 1 <= outputs <= MOST_UNITS:
            return _in_the_way(value, node, f"has {outputs:,} outputs, the limit is {MOST_UNITS:,}")
        if value.axes[-1] != "features":
            return _in_the_way(value, node, "takes numbers of several steps together; give it the steps one by one")
        value = scaled_part(value)
        part = Part(_layer(node), "Dense", dense_weights(weights, np.zeros(outputs)), f"{outputs} outputs")
        return Row((*value.parts, part), value.axes)
    if isinstance(value, _EXPRESSIONS) and frame.algebra is not None:
        return frame.algebra.matmul(value, weights.astype(np.float64))
    fixed = frame.fixed(value)
    return None if fixed is None or fixed.ndim != 2 or fixed.shape[1] != weights.shape[1] else fixed @ weights.T


def _layer(node: Node) -> str:
    """``functional_1/dense_1/MatMul`` → ``dense_1``."""
    words = node.name.split("/")
    return words[1] if len(words) > 2 else words[0]


def _linear(sign: float) -> Callable[[_Frame, Node, list[Value]], Value]:
    def take(frame: _Frame, node: Node, inputs: list[Value]) -> Value:
        one, other = inputs[0], inputs[1]
        rows = [value for value in (one, other) if isinstance(value, Row)]
        if rows and frame.algebra is None:
            fixed = frame.fixed(other if isinstance(one, Row) else one)
            if len(rows) > 1 or fixed is None:
                return _in_the_way(
                    rows[0], node, "joins two ways through the network; only layers in a row can be imported"
                )
            if isinstance(one, Row):
                return _shift(one, node, sign * fixed.astype(np.float64))
            return _scale(_shift(other, node, -fixed.astype(np.float64)), node, np.full(1, sign))  # type: ignore[arg-type]
        a, b = _expression(frame, one), _expression(frame, other)
        if a is None or b is None or frame.algebra is None:
            x, y = frame.fixed(one), frame.fixed(other)
            return None if x is None or y is None else _together(x, y, lambda p, q: p + sign * q)
        return frame.algebra.add(a, b if sign > 0 else frame.algebra.multiply(constant(-np.ones(1)), b))

    return take


def _together(x: Array, y: Array, function: Callable[[Array, Array], Array]) -> Array | None:
    if x.size > 2**20 or y.size > 2**20:
        return None
    try:
        with np.errstate(all="ignore"):
            return function(x, y)
    except ValueError:
        return None


def _product(frame: _Frame, node: Node, inputs: list[Value]) -> Value:
    one, other = inputs[0], inputs[1]
    if isinstance(one, Row) or isinstance(other, Row):
        row, fixed = (one, frame.fixed(other)) if isinstance(one, Row) else (other, frame.fixed(one))
        if fixed is None or not isinstance(row, Row):
            return _in_the_way(row, node, "multiplies two ways through the network") if isinstance(row, Row) else None
        return _scale(row, node, fixed.astype(np.float64))
    a, b = _expression(frame, one), _expression(frame, other)
    if a is None or b is None or frame.algebra is None:
        x, y = frame.fixed(one), frame.fixed(other)
        return None if x is None or y is None else _together(x, y, np.multiply)
    return frame.algebra.multiply(a, b)


def _quotient(frame: _Frame, node: Node, inputs: list[Value]) -> Value:
    fixed = frame.fixed(inputs[1])
    if isinstance(inputs[0], Row):
        if fixed is None:
            return _in_the_way(inputs[0], node, "divides by what is not in the file")
        with np.errstate(all="ignore"):
            return _scale(inputs[0], node, 1 / fixed.astype(np.float64))
    return None


def _unary(function: Callable[[Array], Array]) -> Callable[[_Frame, Node, list[Value]], Value]:
    def take(frame: _Frame, node: Node, inputs: list[Value]) -> Value:
        if isinstance(inputs[0], Row):
            return _in_the_way(inputs[0], node, UNKNOWN)
        fixed = frame.fixed(inputs[0])
        with np.errstate(all="ignore"):
            return None if fixed is None or fixed.size > 2**20 else function(fixed)

    return take


def _maximum(frame: _Frame, node: Node, inputs: list[Value]) -> Value:
    x, y = frame.fixed(inputs[0]), frame.fixed(inputs[1])
    if isinstance(inputs[0], Row):
        return _in_the_way(inputs[0], node, UNKNOWN)
    return None if x is None or y is None else _together(x, y, np.maximum)


def _shift(row: Row, node: Node, values: Array) -> Row:
    """A bias behind a head, or part of a scaling."""
    last = row.parts[-1] if row.parts and row.scale is None else None
    if last is not None and isinstance(last.does, DenseWeights):
        if values.size not in (1, last.does.outputs):
            return _in_the_way(row, node, f"adds {values.size} numbers to {last.does.outputs}; save the model again")
        head = dense_weights(last.does.weights, last.does.bias + values.ravel())
        return replace(row, parts=(*row.parts[:-1], replace(last, does=head)))
    return _affine(row, node, np.ones(1), values)


def _scale(row: Row, node: Node, values: Array) -> Row:
    return _affine(row, node, values, np.zeros(1))


def _affine(row: Row, node: Node, factor: Array, summand: Array) -> Row:
    scale, offset = (np.ones(1), np.zeros(1)) if row.scale is None or row.offset is None else (row.scale, row.offset)
    factor, summand = factor.ravel(), summand.ravel()
    if len({n.size for n in (scale, offset, factor, summand)} - {1}) > 1 or max(factor.size, summand.size) > MOST_UNITS:
        return _in_the_way(row, node, "scales otherwise than channel by channel; cannot be imported")
    return replace(row, scale=scale * factor, offset=offset * factor + summand)


def scaled_part(row: Row) -> Row:
    """The row with what was done to its channels as a part of its own."""
    if row.scale is None or row.offset is None:
        return row
    scale, offset = np.broadcast_arrays(row.scale, row.offset)
    if any(isinstance(part.does, Recurrent | DenseWeights) for part in row.parts):
        return Row((*row.parts, Part("scaling", "Mul, Add", Stretch(scale, offset))), row.axes)
    sound = np.isfinite(scale).all() and np.isfinite(offset).all() and (scale > 0).all()
    part = (
        Part("scaling", "Normalization", Normalise(-offset / scale, 1 / scale), "becomes the scaling of the channels")
        if sound
        else Part("scaling", "Normalization", obstacle="scales by a number that is not positive; scale otherwise")
    )
    return Row((*row.parts, part), row.axes)


def _expression(frame: _Frame, value: Value) -> Expression | None:
    if isinstance(value, _EXPRESSIONS):
        return value
    fixed = frame.fixed(value)
    return None if fixed is None or (fixed.ndim > 1 and min(fixed.shape) > 1) else constant(fixed)


def _squash(name: Literal["sigmoid", "tanh", "relu"]) -> Callable[[_Frame, Node, list[Value]], Value]:
    def take(frame: _Frame, node: Node, inputs: list[Value]) -> Value:  # noqa: ARG001
        value = inputs[0]
        if isinstance(value, Row):
            value = scaled_part(value)
            note = "at the end becomes two logits, 0 and z" if name == "sigmoid" else ""
            return Row((*value.parts, Part(_layer(node), node.op, Activation(name), note)), value.axes)
        return Squashed(name, value) if isinstance(value, _EXPRESSIONS) else None

    return take


def _softmax(frame: _Frame, node: Node, inputs: list[Value]) -> Value:  # noqa: ARG001
    value = inputs[0]
    if not isinstance(value, Row):
        return None
    note, value = "the model keeps logits, a stream makes probabilities of them", scaled_part(value)
    return Row((*value.parts, Part(_layer(node), node.op, Activation("softmax"), note)), value.axes)


def _split(frame: _Frame, node: Node, inputs: list[Value]) -> list[Value]:
    value, count, axis = inputs[1], node.integer("num_split"), frame.fixed(inputs[0])
    fixed = frame.fixed(value)
    if fixed is not None and axis is not None and axis.size == 1 and 1 <= count <= 16:
        return list(np.split(fixed, count, int(axis.ravel()[0])))
    if not isinstance(value, Linear) or frame.algebra is None or not 1 <= count <= 16:
        return [None] * max(1, min(count, 16))
    part = value.width // count
    return [frame.algebra.rows(value, k * part, (k + 1) * part) for k in range(count)]


def _unpack(frame: _Frame, node: Node, inputs: list[Value]) -> list[Value]:
    """A variable of several rows, such as the two biases of a GRU."""
    fixed, count = frame.fixed(inputs[0]), node.integer("num")
    if fixed is None or node.integer("axis") != 0 or not fixed.ndim or len(fixed) != count or count > 16:
        return [None]
    return list(fixed)


def _transpose(frame: _Frame, node: Node, inputs: list[Value]) -> Value:
    value, order = inputs[0], frame.fixed(inputs[1])
    if not isinstance(value, Row):
        return None
    if order is None:
        # Of a Dense over a sequence, which puts its axes in an order that it computes: the features stay the last.
        return value if "/Tensordot/" in node.name else _in_the_way(value, node, "transposes as it computes")
    places = [int(k) for k in order.ravel()]
    if sorted(places) != list(range(len(value.axes))):
        return _in_the_way(value, node, "transposes as its axes do not allow; give the .keras file")
    return replace(value, axes=tuple(value.axes[k] for k in places))


def _strided_slice(frame: _Frame, node: Node, inputs: list[Value]) -> Value:
    value = inputs[0]
    begin, end, stride = (frame.fixed(v) for v in inputs[1:4])
    if begin is None or end is None or stride is None or node.integer("ellipsis_mask") or node.integer("new_axis_mask"):
        return _in_the_way(value, node, "picks by what is not in the file") if isinstance(value, Row) else None
    first, shrink = [int(k) for k in begin.ravel()], node.integer("shrink_axis_mask")
    if isinstance(value, Row):
        axis = next((k for k in range(len(first)) if shrink >> k & 1), -1)
        others = all(
            node.integer("begin_mask") >> k & 1 and node.integer("end_mask") >> k & 1
            for k in range(len(first))
            if k != axis
        )
        if axis < 0 or not others or axis >= len(value.axes) or value.axes[axis] != "time" or first[axis] != -1:
            return None  # a step whose size alone is asked for, or one that we cannot give
        value = scaled_part(value)
        part = Part(_layer(node), "last step", LastStep())
        return Row((*value.parts, part), tuple(a for a in value.axes if a != "time"))
    if isinstance(value, Linear) and frame.algebra is not None and not shrink:
        axis = len(first) - 1
        start = 0 if node.integer("begin_mask") >> axis & 1 else first[axis]
        stop = value.width if node.integer("end_mask") >> axis & 1 else int(end.ravel()[axis])
        return frame.algebra.rows(value, start, stop)
    return None


def _reshape(frame: _Frame, node: Node, inputs: list[Value]) -> Value:  # noqa: ARG001
    """Within a Dense over a sequence, steps are put in one row and taken out of it; features stay the last axis."""
    return inputs[0]


def _list_of(frame: _Frame, node: Node, inputs: list[Value]) -> Value:  # noqa: ARG001
    value = inputs[0]
    if not isinstance(value, Row):
        return None
    if value.axes != ("time", "batch", "features"):
        return _in_the_way(value, node, "goes through another axis than time; give the .keras file")
    return Steps(scaled_part(value))


def _reserve(frame: _Frame, node: Node, inputs: list[Value]) -> Value:  # noqa: ARG001
    return Collected()


def _get_item(frame: _Frame, node: Node, inputs: list[Value]) -> Value:  # noqa: ARG001
    return leaf(("x", id(inputs[0])), 0) if isinstance(inputs[0], Steps) else None


def _set_item(frame: _Frame, node: Node, inputs: list[Value]) -> Value:  # noqa: ARG001
    put = inputs[2] if len(inputs) > 2 else None
    return Collected(put) if isinstance(inputs[0], Collected) and isinstance(put, _EXPRESSIONS) else None


def _stack(frame: _Frame, node: Node, inputs: list[Value]) -> Value:  # noqa: ARG001
    return inputs[0] if isinstance(inputs[0], Row) else None


def _while(frame: _Frame, node: Node, inputs: list[Value]) -> list[Value]:
    """A loop whose body is a step of a cell: its list of hidden states and its hidden state are what a layer gives."""
    steps = next((value for value in inputs if isinstance(value, Steps)), None)
    if steps is None:
        return [None] * len(inputs)
    failed: list[Value] = [
        _in_the_way(steps.row, node, NO_CELL) if isinstance(value, Collected | np.ndarray | Zero) else None
        for value in inputs
    ]
    algebra = Algebra()
    given: list[Value] = [leaf(("h", k), 0) if _is_zero(value) else value for k, value in enumerate(inputs)]
    function, body = frame.all.frame(node.function("body"), given, frame.depth + 1, algebra)
    results = [body.tensor(function.returned.get(output, "")) for output in function.outputs]
    if len(results) != len(inputs):
        return failed
    for place, value in enumerate(results):
        step = algebra.step(value) if isinstance(value, _EXPRESSIONS) else None
        if step is None or step.h != ("h", place) or step.x != ("x", id(steps)):
            continue
        if step.cell is not None and not _carried(step, results):
            continue
        part = Part(
            _layer(node), step.weights.cell.upper(), Recurrent(step.weights, True), f"{step.weights.units} units"
        )
        hidden = Row((*steps.row.parts, part), ("time", "batch", "features"))
        last = Row((*hidden.parts, Part(_layer(node), "last step", LastStep())), ("batch", "features"))
        return [
            hidden if isinstance(result, Collected) and result.put is value else last if result is value else None
            for result in results
        ]
    return failed


def _is_zero(value: Value) -> bool:
    """Whether it is a state of zero; a vector of zeros is a bias."""
    return isinstance(value, Zero) or (isinstance(value, np.ndarray) and value.ndim == 2 and not value.any())


def _carried(step: Step, results: list[Value]) -> bool:
    """Whether the new cell state is handed on in the place of the one before."""
    before = step.cell_before
    keys: list[Key] = list(before.terms) if isinstance(before, Linear) else []
    place = keys[0][1] if len(keys) == 1 and isinstance(keys[0], tuple) and keys[0][0] == "h" else -1
    return 0 <= place < len(results) and results[place] is step.cell


_EXPRESSIONS = (Linear, Squashed, Sum, Product)

_Take = Callable[[_Frame, Node, list[Value]], Any]
_OPERATORS: dict[str, _Take] = {
    "Const": _constant,
    "VarHandleOp": _handle,
    "Fill": _fill,
    "ZerosLike": _zeros,
    "MatMul": _matmul,
    "BatchMatMulV2": _matmul,
    "BiasAdd": _linear(1.0),
    "AddV2": _linear(1.0),
    "Add": _linear(1.0),
    "Sub": _linear(-1.0),
    "Mul": _product,
    "RealDiv": _quotient,
    "Sqrt": _unary(np.sqrt),
    "Rsqrt": _unary(lambda x: 1 / np.sqrt(x)),
    "Maximum": _maximum,
    "Sigmoid": _squash("sigmoid"),
    "Tanh": _squash("tanh"),
    "Relu": _squash("relu"),
    "Softmax": _softmax,
    "Split": _split,
    "Unpack": _unpack,
    "Transpose": _transpose,
    "StridedSlice": _strided_slice,
    "Reshape": _reshape,
    "Squeeze": _reshape,
    "ExpandDims": _reshape,
    "TensorListFromTensor": _list_of,
    "TensorListReserve": _reserve,
    "TensorListGetItem": _get_item,
    "TensorListSetItem": _set_item,
    "TensorListStack": _stack,
    "While": _while,
    "StatelessWhile": _while,
    **dict.fromkeys(("StatefulPartitionedCall", "PartitionedCall"), _call),
    **dict.fromkeys(("Identity", "ReadVariableOp", "StopGradient", "Cast", "PreventGradient", "Snapshot"), _same),
}

_SIZES = {"Shape", "Size", "Rank", "ShapeN"}

REFUSED = {
    "ReverseV2": "reads a sequence from its end, which a stream does not know; train forwards",
    "Conv2D": "cannot be imported; let the LSTM take the samples themselves",
    "ConcatV2": "joins two ways through the network; only layers in a row can be imported",
    "CudnnRNN": "is for one GPU alone; give the .keras file",
    "CudnnRNNV3": "is for one GPU alone; give the .keras file",
}
