"""Cells that a TFLite file computes by plain operators: in a loop, unrolled step by step, or one step with its state
handed in and out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.cell_graph import NO_CELL, Algebra, Expression, Key, Linear, Squashed, Step, constant, leaf
from edge_lstm.importers.chain import Array
from edge_lstm.importers.tflite_graph import Graph, Operator
from edge_lstm.model import LstmWeights, PeepholeLstmWeights, RecurrentWeights, RnnWeights


@dataclass(frozen=True, eq=False)
class CellFound:
    """A cell in the place of many operators.

    Args:
        kind: how it is written, for the list of layers.
        source: tensor of its input.
        time_axis: of the input, (B, T, F) or (T, B, F); None if it is one step (B, F).
        every_step: whether all hidden states come out, (T, B, H), or the last, (B, H).
        states: inputs and outputs of the graph that carry its state.
    """

    kind: str
    weights: RecurrentWeights
    source: int
    time_axis: int | None
    every_step: bool
    states: tuple[int, ...] = ()


class Cells:
    """The cells of the first graph of a file."""

    def __init__(self, graphs: tuple[Graph, ...]) -> None:
        self._graphs, self._graph = graphs, graphs[0]

    def at(self, index: int) -> CellFound | None:
        """The cell that gives a tensor; None if it is given by something else.

        Raises:
            ModelError: if it is a loop or an unrolled network that is no cell we have.
        """
        maker = self._graph.makers.get(index)
        if maker is None:
            return None
        if maker.kind == "WHILE":
            return _loop(self._graphs, self._graph, maker, maker.outputs.index(index))
        if maker.kind in ("PACK", "MUL", "ADD", "TANH", "RELU") or _fused_activation(maker) == _RELU:
            return self._unrolled(index, maker)
        return None

    @cached_property
    def _main(self) -> _Values:
        values = _Values(self._graph)
        for place, index in enumerate(self._graph.inputs):
            shape = self._graph.tensor(index).shape
            if len(shape) == 2 and len(self._graph.inputs) > 1:
                values.known[index] = leaf(("h" if place else "x", index, 0), shape[-1])
        return values.evaluate()

    def _unrolled(self, index: int, maker: Operator) -> CellFound | None:
        values = self._main
        last = values.step(maker.inputs[-1] if maker.kind == "PACK" else index)
        if last is None or (last.h is None and isinstance(last.weights, RnnWeights)):
            return None  # a simple RNN that sees no state is a dense layer
        if isinstance(last.h, tuple) and last.h[0] == "h":
            return self._one_step(index, last)
        steps = [last]
        while steps[0].h is not None:
            before = values.algebra.step(values.algebra.inside[steps[0].h])
            if before is None or (steps[0].cell_before is not before.cell and isinstance(last.weights, _LSTMS)):
                raise ModelError("is unrolled in a way that no cell is; import the .keras file of the model")
            steps.insert(0, before)
        # A quantised file has the bias as int32 in the first step, and as int8 in the others.
        rounding = 0.0 if self._graph.tensor(index).is_real else 1 / 127
        sources = {_index(step.x, 1) for step in steps}
        moments = [_index(step.x, 2) for step in steps]
        if (
            len(sources) != 1
            or moments != list(range(len(steps)))
            or not all(_alike(s, steps[-1], rounding) for s in steps)
        ):
            raise ModelError("is unrolled with other weights at other steps; import the .keras file of the model")
        if maker.kind == "PACK" and not (maker.options.Axis() == 0 and [values.step(k) for k in maker.inputs] == steps):
            raise ModelError("puts hidden states together in another order; import the .keras file of the model")
        (source,) = sources
        if values.lengths.get(source) != len(steps):
            raise ModelError("leaves out steps; import the .keras file of the model")
        weights = steps[1].weights if len(steps) > 1 else steps[0].weights
        if len(steps) == 1 and isinstance(weights, _LSTMS):
            raise ModelError(
                "is one step from a state of zero, which leaves recurrent weights out; import the .keras file"
            )
        return CellFound(f"unrolled {weights.cell.upper()}", weights, source, 0, maker.kind == "PACK")

    def _one_step(self, index: int, step: Step) -> CellFound:
        """A step whose state is an input, and whose new state is an output."""
        graph, values = self._graph, self._main
        pairs = [(step.h, values.known[index])]
        if step.cell is not None:
            key = _key_of(step.cell_before)
            pairs.append((key, step.cell))
        states: list[int] = []
        for key, new in pairs:
            taken = key[1] if isinstance(key, tuple) and key[1] in graph.inputs[1:] else None
            given = next((k for k in graph.outputs[1:] if values.known.get(k) is new), None)
            if taken is None or given is None:
                raise ModelError("has a state that is no input, or gives no new one; convert the model with both")
            states += [taken, given]
        inside = values.algebra.inside.get(step.x)
        source = _index(step.x, 1) if inside is None else values.index_of(inside)
        return CellFound(f"step of {step.weights.cell.upper()}", step.weights, source, None, False, tuple(states))


def _index(key: Key, place: int) -> int:
    """Of the tensors that a key names; -1 if it names none there."""
    return int(key[place]) if isinstance(key, tuple) and len(key) > place else -1


def _key_of(value: Expression | None) -> Key:
    if isinstance(value, Linear) and len(value.terms) == 1 and next(iter(value.terms.values())) is None:
        return next(iter(value.terms))
    return None


def _alike(step: Step, other: Step, rounding: float) -> bool:
    """Whether the weights are the same; the first step lacks what meets a state of zero."""
    mine, theirs = step.weights, other.weights
    if type(mine) is not type(theirs) or mine.kernel.shape != theirs.kernel.shape:
        return False
    first = step.h is None
    gates = [k for k, name in enumerate(mine.gates) if not (first and name == "f")]
    return (
        np.array_equal(mine.kernel[gates], theirs.kernel[gates])
        and np.abs(mine.bias[gates] - theirs.bias[gates]).max() <= rounding * np.abs(theirs.bias).max()
        and (first or np.array_equal(mine.recurrent, theirs.recurrent))
        and (first or _sees_alike(mine, theirs))
    )


def _sees_alike(mine: RecurrentWeights, theirs: RecurrentWeights) -> bool:
    """Whether peepholes are the same, where there are any."""
    if not (isinstance(mine, PeepholeLstmWeights) and isinstance(theirs, PeepholeLstmWeights)):
        return True
    return np.array_equal(mine.peephole, theirs.peephole)


_LSTMS = (LstmWeights, PeepholeLstmWeights)


class _Values:
    """What every tensor of a graph is as an expression, as far as that is known."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.algebra = graph, Algebra()
        self.known: dict[int, Expression] = {}
        self.lengths: dict[int, int] = {}
        self._matrices: dict[int, Array] = {}

    def evaluate(self) -> _Values:
        for operator in self.graph.operators:
            take = _OPERATORS.get(operator.kind)
            if take is None:
                continue
            try:
                take(self, operator)
            except ModelError:
                continue  # it stays unknown, and so does what needs it
        return self

    def step(self, index: int) -> Step | None:
        value = self.known.get(index)
        return None if value is None else self.algebra.step(value)

    def index_of(self, value: Expression) -> int:
        return next((index for index, known in self.known.items() if known is value), -1)

    def get(self, index: int) -> Expression:
        value = self.known.get(index)
        if value is None and self.graph.is_constant(index):
            tensor, _ = self.graph.stored(index, "constant")
            value = self.known[index] = constant(self.graph.weights(index, "constant", tensor.shape))
        if value is None:
            raise ModelError("is not known")
        return value

    def matrix(self, index: int) -> Array:
        """Weights; the steps of an unrolled network share them."""
        if index not in self._matrices:
            found = self.graph.weights(index, "weights", (None, None))
            self._matrices[index] = found.astype(np.float64)
        return self._matrices[index]

    def width(self, index: int) -> int:
        return self.graph.tensor(index).shape[-1]


def _fully_connected(values: _Values, operator: Operator) -> None:
    graph = values.graph
    weights = values.matrix(operator.input(1))
    value = values.algebra.matmul(values.get(operator.input(0)), weights)
    bias = graph.bias(operator.input(2), "bias", operator.input(0), operator.input(1), len(weights))
    _end(values, operator, values.algebra.add(value, constant(bias)) if operator.input(2) >= 0 else value)


def _end(values: _Values, operator: Operator, result: Expression) -> None:
    """Converters put a rectifier into the operator before it."""
    activation = _fused_activation(operator)
    if activation not in (0, _RELU):
        raise ModelError("ends in an activation")
    values.known[operator.outputs[0]] = Squashed("relu", result) if activation else result


def _fused_activation(operator: Operator) -> int:
    """Of a dense layer, a sum or a product; 0 of all others."""
    fuses = operator.kind in ("FULLY_CONNECTED", "ADD", "SUB", "MUL") and operator.options
    return int(operator.options.FusedActivationFunction()) if fuses else 0


_RELU = 1
"""Of the schema's ActivationFunctionType."""


def _add(values: _Values, operator: Operator) -> None:
    one, other = (values.get(k) for k in operator.inputs[:2])
    _end(values, operator, values.algebra.add(one, other))


def _sub(values: _Values, operator: Operator) -> None:
    one, other = (values.get(k) for k in operator.inputs[:2])
    _end(values, operator, values.algebra.add(one, values.algebra.multiply(constant(-np.ones(1)), other)))


def _mul(values: _Values, operator: Operator) -> None:
    one, other = (values.get(k) for k in operator.inputs[:2])
    _end(values, operator, values.algebra.multiply(one, other))


def _squash(name: str) -> Callable[[_Values, Operator], None]:
    def take(values: _Values, operator: Operator) -> None:
        values.known[operator.outputs[0]] = Squashed(name, values.get(operator.input(0)))

    return take


def _same(values: _Values, operator: Operator) -> None:
    """QUANTIZE, and RESHAPE of one step."""
    if operator.input(0) not in values.known:
        raise ModelError("is not known")
    values.known[operator.outputs[0]] = values.get(operator.input(0))


def _split(values: _Values, operator: Operator) -> None:
    value, count = values.get(operator.input(1)), len(operator.outputs)
    shape = values.graph.tensor(operator.input(1)).shape
    axis = int(values.graph.stored(operator.input(0), "axis")[1].ravel()[0])
    if axis not in (-1, len(shape) - 1):
        raise ModelError("splits steps")
    part = shape[-1] // count
    for k, out in enumerate(operator.outputs):
        values.known[out] = values.algebra.rows(value, k * part, (k + 1) * part)


def _strided_slice(values: _Values, operator: Operator) -> None:
    """Some numbers of every step, side by side."""
    shape, out = values.graph.tensor(operator.input(0)).shape, values.graph.tensor(operator.outputs[0]).shape
    begin, end, stride = (values.graph.stored(operator.input(k), "place")[1].ravel() for k in (1, 2, 3))
    options, axis = operator.options, len(shape) - 1
    if len(begin) != len(shape) or (stride != 1).any() or shape[:-1] != out[:-1] or options.ShrinkAxisMask():
        raise ModelError("slices steps")
    start = 0 if options.BeginMask() >> axis & 1 else int(begin[axis])
    stop = shape[-1] if options.EndMask() >> axis & 1 else int(end[axis])
    values.known[operator.outputs[0]] = values.algebra.rows(values.get(operator.input(0)), start, stop)


def _join(values: _Values, operator: Operator) -> None:
    shape = values.graph.tensor(operator.outputs[0]).shape
    if operator.options is None or operator.options.Axis() not in (-1, len(shape) - 1):
        raise ModelError("joins steps")
    parts = [(values.get(k), values.width(k)) for k in operator.inputs]
    values.known[operator.outputs[0]] = values.algebra.join(parts)


def _unpack(values: _Values, operator: Operator) -> None:
    """A sequence taken apart into its steps."""
    source = operator.input(0)
    if operator.options.Axis() != 0 or len(values.graph.tensor(source).shape) != 3:
        raise ModelError("takes apart otherwise")
    values.lengths[source] = len(operator.outputs)
    for moment, out in enumerate(operator.outputs):
        values.known[out] = leaf(("x", source, moment), values.width(out))


def _gather(values: _Values, operator: Operator) -> None:
    """In a loop, the step that its counter counts."""
    source, counter = operator.inputs[:2]
    if operator.options.Axis() != 0 or operator.options.BatchDims():
        raise ModelError("picks otherwise")
    values.known[operator.outputs[0]] = leaf(("x", source, counter), values.width(operator.outputs[0]))


_OPERATORS: dict[str, Callable[[_Values, Operator], None]] = {
    "FULLY_CONNECTED": _fully_connected,
    "ADD": _add,
    "SUB": _sub,
    "MUL": _mul,
    "LOGISTIC": _squash("sigmoid"),
    "TANH": _squash("tanh"),
    "RELU": _squash("relu"),
    "SPLIT": _split,
    "STRIDED_SLICE": _strided_slice,
    "CONCATENATION": _join,
    "UNPACK": _unpack,
    "GATHER": _gather,
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "QUANTIZE", "DEQUANTIZE"), _same),
}


# ---- loops ----


def _loop(graphs: tuple[Graph, ...], graph: Graph, operator: Operator, place: int) -> CellFound:
    """A loop over the steps of a sequence, of whose outputs one is taken.

    Raises:
        ModelError: if its body is no cell, or it does not go over all steps from a state of zero.
    """
    subgraphs = (operator.options.CondSubgraphIndex(), operator.options.BodySubgraphIndex())
    if any(not 0 < k < len(graphs) for k in subgraphs):
        raise ModelError(NO_CELL)
    condition, body = (graphs[k] for k in subgraphs)
    if not len(body.inputs) == len(body.outputs) == len(operator.inputs) == len(operator.outputs):
        raise ModelError(NO_CELL)
    values = _Values(body)
    for index in body.inputs:
        shape = body.tensor(index).shape
        if len(shape) == 2:
            values.known[index] = leaf(("h", index), shape[-1])
    values.evaluate()
    for state, new in enumerate(body.outputs):
        step = values.step(new) if values.known.get(body.inputs[state]) is not None else None
        if step is not None and step.h == ("h", body.inputs[state]):
            return _Loop(graph, operator, condition, body, values, step, state).found(place)
    raise ModelError(NO_CELL)


@dataclass(frozen=True, eq=False)
class _Loop:
    """A loop whose body has a step of a cell, with the place of its hidden state among its variables."""

    graph: Graph
    operator: Operator
    condition: Graph
    body: Graph
    values: _Values
    step: Step
    state: int

    def found(self, place: int) -> CellFound:
        sequence, counter = _index(self.step.x, 1), _index(self.step.x, 2)
        variables = {index: k for k, index in enumerate(self.body.inputs)}
        if sequence not in variables or counter not in variables:
            raise ModelError(NO_CELL)
        zero = [self.state]
        if self.step.cell is not None:
            key = _key_of(self.step.cell_before)
            cell = variables.get(key[1], -1) if isinstance(key, tuple) else -1
            if cell < 0 or self.values.known.get(self.body.outputs[cell]) is not self.step.cell:
                raise ModelError(NO_CELL)
            zero.append(cell)
        if any(not self._starts_at_zero(k) for k in zero):
            raise ModelError("is a loop whose state does not begin at zero; train it so")
        taken = variables[sequence]
        if self.body.outputs[taken] != sequence or not self._counts(variables[counter]):
            raise ModelError(NO_CELL)
        steps = self.body.tensor(sequence).shape[0]
        if not self._goes_over(steps, variables):
            raise ModelError("is a loop that leaves out steps; import the .keras file of the model")
        weights = self.step.weights
        return CellFound(
            f"{weights.cell.upper()} in a loop",
            weights,
            self.operator.inputs[taken],
            0,
            self._every_step(place, counter),
        )

    def _starts_at_zero(self, variable: int) -> bool:
        index = self.operator.inputs[variable]
        return self.graph.is_constant(index) and not np.any(self.graph.stored(index, "initial state")[1])

    def _counts(self, variable: int) -> bool:
        """Whether a variable begins at 0 and grows by 1."""
        maker = self.body.makers.get(self.body.outputs[variable])
        if maker is None or maker.kind != "ADD" or not self._starts_at_zero(variable):
            return False
        other = [k for k in maker.inputs if k != self.body.inputs[variable]]
        return (
            len(other) == 1 and self.body.is_constant(other[0]) and (self.body.stored(other[0], "step")[1] == 1).all()
        )

    def _goes_over(self, steps: int, variables: dict[int, int]) -> bool:
        """Whether the condition is that counters stay below the number of steps."""
        places = {index: k for k, index in enumerate(self.condition.inputs)}
        for operator in self.condition.operators:
            if operator.kind == "LESS":
                count, limit = operator.inputs[:2]
                if count not in places or not self._counts(places[count]) or not self.condition.is_constant(limit):
                    return False
                if int(self.condition.stored(limit, "number of steps")[1].ravel()[0]) != steps:
                    return False
            elif operator.kind != "LOGICAL_AND":
                return False
        return any(operator.kind == "LESS" for operator in self.condition.operators) and bool(variables)

    def _every_step(self, place: int, counter: int) -> bool:
        """Whether an output of the loop collects the hidden states or holds the last.

        Raises:
            ModelError: if it is neither.
        """
        hidden, out = self.values.known[self.body.outputs[self.state]], self.body.outputs[place]
        if self.values.known.get(out) is hidden:
            return False
        maker, own = self.body.makers.get(out), self.body.inputs[place]
        collected = False
        if maker is not None and maker.kind == "CONCATENATION" and len(maker.inputs) == 3:
            before, middle, behind = maker.inputs
            sliced = [self.body.makers.get(k) for k in (before, behind)]
            collected = (
                maker.options.Axis() == 0
                and all(s is not None and s.kind == "SLICE" and s.input(0) == own for s in sliced)
                and self.values.known.get(middle) is hidden
            )
        if maker is not None and maker.kind == "DYNAMIC_UPDATE_SLICE":
            collected = maker.input(0) == own and self.values.known.get(maker.input(1)) is hidden
        if not collected or counter not in self.body.inputs:
            raise ModelError("gives something else than hidden states; convert a model that ends in its hidden states")
        return True
