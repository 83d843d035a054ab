"""TFLite files: a row of operators from the first input to the first output, walked back from there.

A tensor of a ``.tflite`` file does not say what its axes are, and converters reshape, slice and transpose freely. So
the numbers of the first tensor are numbered, and every operator that only moves numbers is carried out on these: what
comes out shows whether a step was picked, and which.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.cells import described, with_peepholes
from edge_lstm.importers.chain import (
    Activation,
    Array,
    Chain,
    Does,
    Grid,
    Largest,
    LastStep,
    Normalise,
    Part,
    Recurrent,
    Stretch,
    dense_weights,
    single,
)
from edge_lstm.importers.limits import MOST_UNITS
from edge_lstm.importers.tflite_cells import CellFound, Cells
from edge_lstm.importers.tflite_graph import Graph, Operator, Tensor, damage_named, read_graphs
from edge_lstm.importers.tflite_moves import MOVES
from edge_lstm.model import DenseWeights, LstmWeights

_MOST_NUMBERS = 2**22
"""Of a tensor between operators: a thousand steps of a thousand units, four times."""

_ROUNDED = ("INT4", "INT8", "UINT8", "INT16")

_CONVERTERS_CLIP = 10.0
"""What TensorFlow's converter writes as ``cell_clip`` into every LSTM, whether or not Keras clipped."""

QUANTISED = (
    "the weights are those of a quantised file, code by code: the rounding of the original stays in them; import the "
    "float model if you have it"
)
STREAM = "the file takes one step a call and keeps its state between calls: taken as a stream"


def read_tflite(path: Path) -> Chain:
    """The chain of a ``.tflite`` file.

    Raises:
        MissingDependencyError: without the extra ``tflite``.
        ModelError: if it is none, or its input is no sequence.
    """
    graphs, description = read_graphs(path)
    with damage_named(path):
        return _chain(graphs, description, path)


@dataclass(frozen=True, eq=False)
class _Made:
    """A tensor of the row and what gives it.

    Args:
        obstacle: why it cannot be taken, as far as the way to it shows.
    """

    by: Any
    index: int
    obstacle: str = ""


@dataclass
class _Flow:
    """What is known of the tensor that the walk is at.

    Args:
        width: numbers a step.
        steps: of a sequence; 1 after the last was picked.
        places: of its shape, which number each is: (sequence · steps + step) · width + feature.
        scale, offset: of what was done to the numbers of a step since the last part.
        behind: kinds, actions and notes of further parts of the operator that is being taken.
    """

    batch: int
    steps: int
    width: int
    places: Array
    parts: list[Part] = field(default_factory=list)
    scale: Array | None = None
    offset: Array | None = None
    behind: list[tuple[str, Does, str]] = field(default_factory=list)

    def restart(self, shape: tuple[int, ...], width: int) -> None:
        """The places of an operator that gives ``width`` numbers for every row of numbers before."""
        rows = self.places.reshape(-1, self.width)[:, :1] // self.width
        self.width = width
        self.places = _sized(rows * width + np.arange(width), shape)


def _chain(graphs: tuple[Graph, ...], description: str, path: Path) -> Chain:
    graph = graphs[0]
    if not graph.inputs or not graph.outputs:
        raise ModelError(f"{path}: its graph has no input or no output; convert the model again")
    row, source = _back(graph, Cells(graphs))
    entry = graph.tensor(source if source in graph.inputs else graph.inputs[0])
    if len(entry.shape) not in (2, 3) or 0 in entry.shape or math.prod(entry.shape) > _MOST_NUMBERS:
        raise ModelError(
            f"{path}: its input {entry.name} has shape {entry.shape}; expected batch, steps and features of no more "
            f"than {_MOST_NUMBERS:,} numbers"
        )
    batch, steps, width = entry.shape if len(entry.shape) == 3 else (entry.shape[0], 1, entry.shape[1])
    flow = _Flow(batch, steps, width, np.arange(batch * steps * width).reshape(entry.shape))
    states = [k for made in row if isinstance(made.by, CellFound) for k in made.by.states]
    for made in row:
        _take(graph, made, flow)
    _end_scaling(flow)
    if not any(made.obstacle for made in row):  # where the way is lost, it cannot say what is beside it
        if source not in graph.inputs:
            flow.parts.insert(0, Part(entry.name, "input", obstacle="nothing leads from it to the output"))
        # What a layer gives may go out too.
        flow.parts += _surplus(graph, source, {*states, *(made.index for made in row)})
    if not (np.diff(flow.places.ravel()) > 0).all():
        flow.parts.append(Part("output", "output", obstacle="is transposed; convert it with its steps in order"))
    quantised = any(graph.tensor(k).kind in _ROUNDED for op in graph.operators for k in op.inputs if k >= 0)
    notes = [STREAM] if steps == 1 else []
    grid = _grid(entry)
    if quantised:
        notes.append(QUANTISED)
    if grid:
        notes.append(
            f"the input of the original is {entry.kind.lower()}: samples are what its codes stand for, "
            f"(code {-grid.zero:+d}) · {grid.scale:.6g}"
        )
    if grid and description.startswith("edge-lstm"):
        notes.append("its codes are made of samples as the manifest of its bundle says")
    return Chain(
        "tflite",
        tuple(flow.parts),
        steps if steps > 1 else None,
        batch if batch > 1 else None,
        tuple(notes),
        carried=steps == 1,
        handed=tuple(
            (graph.inputs.index(taken), graph.outputs.index(given))
            for taken, given in zip(states[::2], states[1::2], strict=True)
        ),
        rounded=quantised,
        grid=grid,
    )


def _grid(tensor: Tensor) -> Grid | None:
    """What a quantised input can be; converters put QUANTIZE behind a float one, whose codes count then."""
    if tensor.is_real or len(tensor.scales) != 1:
        return None
    limits = np.iinfo(tensor.kind.lower())
    return Grid(float(tensor.scales[0]), int(tensor.zeros[0]) if len(tensor.zeros) else 0, limits.min, limits.max)


def _back(graph: Graph, cells: Cells) -> tuple[list[_Made], int]:
    """What is on the way to the first output, each with the tensor that it gives there, and the tensor before all."""
    index, row, seen = graph.outputs[0], list[_Made](), set[int]()
    while index in graph.makers and index not in seen:
        seen.add(index)
        try:
            cell = cells.at(index)
        except ModelError as error:
            return [*row, _Made(graph.makers[index], index, str(error))][::-1], index
        if cell is not None:
            row.append(_Made(cell, index))
            index = cell.source
            continue
        operator = graph.makers[index]
        data = [k for k in operator.inputs if k >= 0 and not graph.is_constant(k)]
        if operator.kind in _RECURRENT:
            data = list(operator.inputs[:1])
        joins = len(set(data)) > 1
        row.append(_Made(operator, index, _joined(graph) if joins else ""))
        if joins or not data:
            break
        index = data[0]
    return row[::-1], index


def _joined(graph: Graph) -> str:
    kinds = {operator.kind for operator in graph.operators}
    if "REVERSE_V2" in kinds:
        return "joins a way through the sequence from its end, which a stream does not know; train forwards"
    if {"LOGISTIC", "TANH"} <= kinds:
        return "is part of an unrolled network that is no LSTM of plain gates; import the .keras file"
    return "joins two ways through the network; only layers in a row can be imported"


def _surplus(graph: Graph, source: int, states: set[int]) -> list[Part]:
    outside = [(k, "input") for k in graph.inputs if k != source] + [(k, "output") for k in graph.outputs[1:]]
    return [
        Part(graph.tensor(k).name, kind, note="a state, which the stream carries itself")
        if k in states
        else Part(graph.tensor(k).name, kind, obstacle="is a further one; convert a model of one input and one output")
        for k, kind in outside
    ]


# ---- one operator ----


def _take(graph: Graph, made: _Made, flow: _Flow) -> None:
    by, tensor = made.by, graph.tensor(made.index)
    kind, taken = by.kind, _cell if isinstance(by, CellFound) else _MOVED if by.kind in MOVES else TAKEN.get(by.kind)
    try:
        if made.obstacle or taken is None:
            raise ModelError(REFUSED.get(kind) or made.obstacle or UNKNOWN)
        if taken is not _scaled:
            _end_scaling(flow)
        does, note = taken(graph, by, flow)
        flow.places = _sized(flow.places, tensor.shape)
    except ModelError as error:
        flow.parts.append(Part(tensor.name or kind, kind, obstacle=made.obstacle or str(error)))
        _lost(tensor, flow)
        return
    if taken is not _scaled:
        flow.parts.append(Part(tensor.name or kind, kind, does, note))
    flow.parts += [Part(tensor.name or kind, *more) for more in flow.behind]
    flow.behind.clear()


def _cell(graph: Graph, cell: CellFound, flow: _Flow) -> tuple[Does | None, str]:  # noqa: ARG001
    whole = np.arange(flow.batch * flow.steps * flow.width).reshape(flow.batch, flow.steps, flow.width)
    given = whole[:, 0] if cell.time_axis is None else whole.transpose(1, 0, 2) if cell.time_axis == 0 else whole
    if not np.array_equal(flow.places, given):
        raise ModelError("its input is not the sequence step by step; convert the model again")
    flow.width = cell.weights.units
    places = np.arange(flow.batch * flow.steps * flow.width).reshape(flow.batch, flow.steps, flow.width)
    if not cell.every_step:
        if cell.time_axis is not None:
            flow.behind.append(("last step", LastStep(), ""))
        flow.steps, places = 1, np.arange(flow.batch * flow.width).reshape(flow.batch, flow.width)
    else:
        places = places.transpose(1, 0, 2)
    flow.places = places
    return Recurrent(cell.weights, every_step=True), f"{flow.width} units"


def _lost(tensor: Tensor, flow: _Flow) -> None:
    """Go on behind an obstacle as if its output were a sequence of its own."""
    shape = tensor.shape
    if not 1 <= len(shape) <= 3 or math.prod(shape) > _MOST_NUMBERS or 0 in shape:
        shape = (1, 1, 1)
    *before, flow.width = shape
    flow.batch, flow.steps = (before[0], before[1]) if len(before) == 2 else (math.prod(before), 1)
    flow.places = np.arange(math.prod(shape)).reshape(shape)


def _sized(places: Array, shape: tuple[int, ...]) -> Array:
    if math.prod(shape) != places.size:
        raise ModelError(f"gives shape {shape} for {places.size} numbers; convert the model again")
    return places.reshape(shape)


def _by_rows(flow: _Flow) -> None:
    """Raise ModelError unless the last axis is the numbers of a step."""
    places = flow.places.reshape(-1, flow.places.shape[-1] if flow.places.ndim else 1)
    if places.shape[1] != flow.width or not (places % flow.width == np.arange(flow.width)).all():
        raise ModelError("takes numbers of several steps together; give it the steps one by one, without Flatten")


def _lstm(graph: Graph, operator: Operator, flow: _Flow) -> tuple[Does | None, str]:
    options = operator.options
    activation, clip, projection_clip, time_major = (
        (options.FusedActivationFunction(), options.CellClip(), options.ProjClip(), options.TimeMajor())
        if options
        else (0, 0.0, 0.0, False)
    )
    for places, why in VARIANTS:
        if any(operator.input(k) >= 0 for k in places):
            raise ModelError(why)
    absent = {k for k in _INPUT_GATE if operator.input(k) < 0}
    if absent & {1, 5} and absent != _INPUT_GATE:
        raise ModelError(HALF)
    gates = range(1, 4) if absent == _INPUT_GATE else range(4)
    if activation != _TANH:
        raise ModelError(f"squashes with {_ACTIVATIONS.get(activation, activation)}; an LSTM here squashes with tanh")
    if projection_clip or clip not in (0.0, _CONVERTERS_CLIP):
        raise ModelError(f"clips its cell at {clip:g}, its projection at {projection_clip:g}; train it without")
    if any(not graph.tensor(k).variable for k in (operator.input(18), operator.input(19)) if k >= 0):
        raise ModelError("is given its state from outside; convert it with the state inside")
    whole = np.arange(flow.batch * flow.steps * flow.width).reshape(flow.batch, flow.steps, flow.width)
    if not np.array_equal(flow.places, whole.transpose(1, 0, 2) if time_major else whole):
        raise ModelError("its input is not (batch, steps, features) as the file says; convert the model again")
    units = _units(graph.tensor(operator.input(5 + gates[0])).shape)
    kernel = [graph.weights(operator.input(1 + k), f"W of gate {k}", (units, flow.width)) for k in gates]
    recurrent = [graph.weights(operator.input(5 + k), f"R of gate {k}", (units, units)) for k in gates]
    bias = [
        graph.bias(operator.input(12 + k), f"bias of gate {k}", operator.input(0), operator.input(1 + k), units)
        for k in gates
    ]
    if len(gates) == 3:  # the input gate is 1 minus the forget gate: 1 - σ(z) is σ(-z)
        kernel, recurrent, bias = ([-arrays[0], *arrays] for arrays in (kernel, recurrent, bias))
    plain = LstmWeights(*(single(np.stack(arrays)) for arrays in (kernel, recurrent, bias)))
    weights = with_peepholes(plain, _peepholes(graph, operator, units))
    flow.width = units
    flow.places = np.arange(flow.batch * flow.steps * units).reshape(flow.batch, flow.steps, units)
    if time_major:
        flow.places = flow.places.transpose(1, 0, 2)
    clipped = f", the converter's cell_clip of {clip:g} left out" if clip else ""
    coupled = ", its input gate 1 minus its forget gate (CIFG)" if len(gates) == 3 else ""
    note = f"{described(weights)}{coupled}{clipped}{_scales(graph, operator.inputs[1:9])}"
    return Recurrent(weights, every_step=True), note


def _peepholes(graph: Graph, operator: Operator, units: int) -> Array:
    """(3, units) of i, f, o; noughts without."""
    places = [operator.input(k) for k in _PEEPHOLES]
    if all(place < 0 for place in places):
        return np.zeros((3, units))
    if any(place < 0 for place in places):
        raise ModelError("has peepholes in some of its gates; train an LSTM with all of them or none")
    return np.stack([graph.weights(place, f"peephole of gate {k}", (units,)) for k, place in enumerate(places)])


_PEEPHOLES = (9, 10, 11)
"""Operands of i, f, o."""


def _units(shape: tuple[int, ...]) -> int:
    if len(shape) != 2 or not 1 <= shape[-1] <= MOST_UNITS:
        raise ModelError(f"its R has shape {shape}, the limit is {MOST_UNITS} units; train a smaller layer")
    return shape[-1]


def _scales(graph: Graph, operands: tuple[int, ...]) -> str:
    """The scale of every quantised tensor of weights."""
    tensors = [graph.tensor(k) for k in operands if k >= 0 and not graph.tensor(k).is_real]
    scales = [f"{t.scales[0]:.4g}" + (" …" if len(t.scales) > 1 else "") for t in tensors if len(t.scales)]
    return f", {tensors[0].kind.lower()} of scales {' '.join(scales)}" if scales else ""


VARIANTS = (
    ((16, 17), "has a projection, which a cell here has not; train it without"),
    ((20, 21, 22, 23), "has layer normalisation in its gates, which a cell here has not; train it without"),
)
"""Which optional operands of an LSTM say what."""

_INPUT_GATE = {1, 5, 12}
"""Operands of the input gate: without them it is 1 minus the forget gate (CIFG)."""

HALF = "has half an input gate; convert the model again"

_TANH = 4
_ACTIVATIONS = {0: "nothing", 1: "relu", 2: "relu_n1_to_1", 3: "relu6", 4: "tanh", 5: "sign_bit"}
"""The schema's ActivationFunctionType."""


def _dense(graph: Graph, operator: Operator, flow: _Flow) -> tuple[Does | None, str]:
    activation = operator.options.FusedActivationFunction() if operator.options else 0
    squashes = _ACTIVATIONS.get(activation, f"activation {activation}")
    if activation and squashes not in _SQUASHING:
        raise ModelError(f"ends in {squashes}; a dense layer here ends in relu, tanh or sigmoid")
    _by_rows(flow)
    weights = graph.weights(operator.input(1), "weights", (None, flow.width))
    outputs = len(weights)
    if not 1 <= outputs <= MOST_UNITS:
        raise ModelError(f"has {outputs:,} outputs, the limit is {MOST_UNITS:,}; train a smaller layer")
    bias = graph.bias(operator.input(2), "bias", operator.input(0), operator.input(1), outputs)
    flow.restart((*flow.places.shape[:-1], outputs), outputs)
    if activation:
        flow.behind.append((squashes, Activation(squashes), ""))  # type: ignore[arg-type]  # of the table
    return dense_weights(weights, bias), f"{outputs} outputs{_scales(graph, operator.inputs[1:2])}"


def _softmax(graph: Graph, operator: Operator, flow: _Flow) -> tuple[Does | None, str]:  # noqa: ARG001
    if operator.options and operator.options.Beta() != 1:
        raise ModelError(f"its beta is {operator.options.Beta():g}; train it with 1")
    _by_rows(flow)
    return Activation("softmax"), "the model keeps logits, a stream makes probabilities of them"


def _arg_max(graph: Graph, operator: Operator, flow: _Flow) -> tuple[Does | None, str]:
    _by_rows(flow)
    _, axis = graph.stored(operator.input(1), "axis")
    if axis.size != 1 or int(axis.ravel()[0]) not in (-1, flow.places.ndim - 1):
        raise ModelError("is over another axis than the outputs'; take it over these")
    flow.restart(flow.places.shape[:-1], 1)
    return Largest(), "left out: a stream tells the label itself"


def _squashed(graph: Graph, operator: Operator, flow: _Flow) -> tuple[Does | None, str]:  # noqa: ARG001
    name = _SQUASHES[operator.kind]
    return Activation(name), "at the end becomes two logits, 0 and z" if name == "sigmoid" else ""


_SQUASHES: dict[str, Literal["sigmoid", "tanh", "relu"]] = {"LOGISTIC": "sigmoid", "TANH": "tanh", "RELU": "relu"}
_SQUASHING = set(_SQUASHES.values())


def _recoded(graph: Graph, operator: Operator, flow: _Flow) -> tuple[Does | None, str]:  # noqa: ARG001
    return None, "of codes and numbers"


# ---- scaling before the first layer, bias behind the head ----


def _scaled(graph: Graph, operator: Operator, flow: _Flow) -> tuple[Does | None, str]:
    """x · scale + offset, channel by channel: a normalisation before the layers, a bias behind a head."""
    if operator.options and operator.options.FusedActivationFunction():
        raise ModelError("ends in an activation; a scaling here is linear")
    _by_rows(flow)
    constant = next((k for k in operator.inputs if graph.is_constant(k)), -1)
    tensor, _ = graph.stored(constant, "constant")
    values = graph.weights(constant, "constant", tensor.shape).astype(np.float64)
    if values.size not in (1, flow.width):
        raise ModelError(
            f"takes a constant of shape {values.shape} for {flow.width} numbers a step; scale channel by channel"
        )
    values, first = np.broadcast_to(values.ravel(), (flow.width,)), operator.input(0) == constant
    last = flow.parts[-1].does if flow.parts and flow.scale is None else None
    if operator.kind == "ADD" and isinstance(last, DenseWeights):
        flow.parts[-1] = replace(flow.parts[-1], does=dense_weights(last.weights, last.bias + values))
        return None, ""
    scale = np.ones(flow.width) if flow.scale is None else flow.scale
    offset = np.zeros(flow.width) if flow.offset is None else flow.offset
    if operator.kind in ("MUL", "DIV"):
        if operator.kind == "DIV" and first:
            raise ModelError("divides by its input; a scaling here is linear")
        with np.errstate(all="ignore"):
            factor = values if operator.kind == "MUL" else 1 / values
            scale, offset = scale * factor, offset * factor
    elif operator.kind == "SUB" and first:
        scale, offset = -scale, values - offset
    else:
        offset = offset + (values if operator.kind == "ADD" else -values)
    flow.scale, flow.offset = scale, offset
    return None, ""


def _end_scaling(flow: _Flow) -> None:
    """What SUB, MUL and their like make together becomes one normalisation, or one scaling of what a head gives."""
    if flow.scale is None or flow.offset is None:
        return
    scale, offset = flow.scale, flow.offset
    flow.scale = flow.offset = None
    if any(isinstance(part.does, Recurrent | DenseWeights) for part in flow.parts):
        flow.parts.append(Part("scaling", "MUL, ADD", Stretch(scale, offset)))
        return
    if not (np.isfinite(scale).all() and np.isfinite(offset).all() and (scale > 0).all()):
        flow.parts.append(
            Part("scaling", "SUB, MUL", obstacle="scales by a number that is not positive; scale otherwise")
        )
        return
    flow.parts.append(
        Part("scaling", "SUB, MUL", Normalise(-offset / scale, 1 / scale), "becomes the scaling of the channels")
    )


# ---- operators that move numbers ----


def _moved(graph: Graph, operator: Operator, flow: _Flow) -> tuple[Does | None, str]:
    try:
        places = MOVES[operator.kind](graph, operator, flow.places)
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise ModelError(
            f"does not fit the shape {flow.places.shape} it is given ({error}); convert it again"
        ) from error
    if places.size == flow.places.size and np.array_equal(np.sort(places, None), np.sort(flow.places, None)):
        flow.places = places
        return None, ""
    steps, width = flow.steps, flow.width
    rows = places // width
    last = np.sort(places, None).reshape(-1, width) if places.size == flow.batch * width else None
    wanted = (np.arange(flow.batch)[:, None] * steps + steps - 1) * width + np.arange(width)
    if last is None or not np.array_equal(last, wanted):
        raise ModelError(
            "picks other numbers than the last step; convert a model that answers at each step or the last"
        )
    flow.places, flow.steps = rows // steps * width + places % width, 1
    return LastStep(), ""


_Take = Callable[[Graph, Any, _Flow], tuple[Does | None, str]]
_MOVED: _Take = _moved
TAKEN: dict[str, _Take] = {
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
    "FULLY_CONNECTED": _dense,
    "SOFTMAX": _softmax,
    "ARG_MAX": _arg_max,
    **dict.fromkeys(_SQUASHES, _squashed),
    "QUANTIZE": _recoded,
    "DEQUANTIZE": _recoded,
    **dict.fromkeys(("ADD", "SUB", "MUL", "DIV"), _scaled),
}

_RECURRENT = {
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "BIDIRECTIONAL_SEQUENCE_LSTM",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
    "BIDIRECTIONAL_SEQUENCE_RNN",
    "LSTM",
    "RNN",
}
"""Their first operand is the sequence."""

UNKNOWN = "cannot be imported; use LSTM, GRU or simple RNN layers and Dense"
REFUSED = {
    "BIDIRECTIONAL_SEQUENCE_LSTM": "reads a sequence from its end, which a stream does not know; train forwards",
    "BIDIRECTIONAL_SEQUENCE_RNN": "reads a sequence from its end, which a stream does not know; train forwards",
    "REVERSE_V2": "reads a sequence from its end, which a stream does not know; train forwards",
    "UNIDIRECTIONAL_SEQUENCE_RNN": "is another cell; train an LSTM",
    "RNN": "is another cell; train an LSTM",
    "SVDF": "is another cell; train an LSTM",
    "LSTM": "is the operator of a single step; convert the model with a current TensorFlow",
    "IF": "chooses while it runs; convert the model for inference",
    "CONV_2D": "cannot be imported; let the LSTM take the samples themselves",
    "DEPTHWISE_CONV_2D": "cannot be imported; let the LSTM take the samples themselves",
    "EMBEDDING_LOOKUP": "takes tokens, a stream takes numbers; cannot be imported",
}
