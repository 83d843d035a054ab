"""The tables of a ``.tflite`` file: operators and tensors, and constants as the real numbers they stand for.

Read through the classes that are generated from TFLite's schema, which come with LiteRT and load no runtime. They take
the file's word for how long a list is, so every length is held against a limit before it is walked.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.chain import Array
from edge_lstm.importers.limits import Budget
from edge_lstm.tflite_schema import schema

MOST = 20_000
"""Operators, and tensors, of a graph: what a thousand unrolled steps of an LSTM take."""

_MOST_OPERANDS, _MOST_GRAPHS = 1024, 64
_INSIDE = 1
"""Up to here an offset of a buffer means that its bytes are in the table itself."""

_NUMBERS = {"FLOAT32": "<f4", "FLOAT16": "<f2", "FLOAT64": "<f8", "INT8": "<i1", "UINT8": "<u1", "INT16": "<i2"}
_NUMBERS |= {"INT32": "<i4", "INT64": "<i8", "BOOL": "?"}
"""Name of a type in the schema → NumPy's."""

REAL = ("FLOAT32", "FLOAT16", "FLOAT64")


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of a graph.

    Args:
        kind: the schema's name of its type.
        scales: of its codes; none if it is not quantised, several if there is one a slice of ``axis``.
        content: its bytes; None if the graph computes it, is given it, or keeps it from call to call.
        variable: whether it is kept from call to call.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    kind: str
    scales: Array
    zeros: Array
    axis: int
    content: Array | None
    variable: bool

    @property
    def is_real(self) -> bool:
        return self.kind in REAL


@dataclass(frozen=True, eq=False)
class Operator:
    """One operator; an absent operand is -1.

    Args:
        kind: the schema's name, such as ``FULLY_CONNECTED``.
        options: the schema's reader of its options; None if it has none.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any

    def input(self, place: int) -> int:
        return self.inputs[place] if place < len(self.inputs) else -1


@dataclass(eq=False)
class Graph:
    """One subgraph, its tensors read when they are asked for."""

    name: str
    operators: list[Operator]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    read_tensor: Callable[[int], Tensor]
    budget: Budget
    makers: dict[int, Operator] = field(default_factory=dict)
    _tensors: dict[int, Tensor] = field(default_factory=dict)
    _stored: dict[int, tuple[Tensor, Array]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for operator in self.operators:
            self.makers |= dict.fromkeys(operator.outputs, operator)

    def tensor(self, index: int) -> Tensor:
        if index not in self._tensors:
            self._tensors[index] = self.read_tensor(index)
        return self._tensors[index]

    def is_constant(self, index: int) -> bool:
        """Whether its value is in the file, as it is or before DEQUANTIZE."""
        maker = self.makers.get(index)
        if maker is not None:
            return maker.kind == "DEQUANTIZE" and maker.input(0) not in self.makers and self.is_constant(maker.input(0))
        return index >= 0 and self.tensor(index).content is not None

    def stored(self, index: int, what: str) -> tuple[Tensor, Array]:
        """A constant and its codes.

        Raises:
            ModelError: if it is computed or given, or its bytes are not those of its shape.
        """
        if index in self._stored:
            return self._stored[index]
        if index in self.makers:
            if not self.is_constant(index):
                raise _computed(what)
            return self.stored(self.makers[index].input(0), what)
        tensor = self.tensor(index) if index >= 0 else None
        if tensor is None or tensor.content is None:
            raise _computed(what)
        kind = _NUMBERS.get(tensor.kind)
        if kind is None:
            raise ModelError(f"its {what} is of type {tensor.kind}; convert the model to float32 or int8")
        numbers = np.dtype(kind)
        self.budget.take(tensor.shape, max(numbers.itemsize, 4), f"its {what}")
        wanted = int(np.prod(tensor.shape, dtype=object)) * numbers.itemsize
        if len(tensor.content) != wanted:
            raise ModelError(
                f"its {what} has {len(tensor.content):,} B, its shape {tensor.shape} takes {wanted:,}; convert it again"
            )
        self._stored[index] = tensor, np.frombuffer(tensor.content, numbers).reshape(tensor.shape)
        return self._stored[index]

    def weights(self, index: int, what: str, shape: tuple[int | None, ...]) -> Array:
        """A constant as real numbers, (code - zero point) · scale where it is quantised; None in a shape is any number.

        Raises:
            ModelError: if it is no constant of this shape.
        """
        tensor, codes = self.stored(index, what)
        if len(codes.shape) != len(shape) or any(n not in (None, k) for n, k in zip(shape, codes.shape, strict=True)):
            raise ModelError(f"its {what} has shape {codes.shape}, expected {shape}; convert the model again")
        if tensor.is_real:
            return codes
        if not len(tensor.scales):
            raise ModelError(f"its {what} is of {tensor.kind} without a scale; convert the model again")
        return (codes - _along(tensor.zeros, tensor, what)) * _along(tensor.scales, tensor, what)

    def bias(self, index: int, what: str, source: int, weights: int, rows: int) -> Array:
        """(rows,) real numbers. Codes of a bias count in steps of input times weights: so every runtime reads them."""
        if index < 0:
            return np.zeros(rows)
        tensor, codes = self.stored(index, what)
        if codes.shape != (rows,):
            raise ModelError(f"its {what} has shape {codes.shape}, expected ({rows},); convert the model again")
        if tensor.is_real:
            return codes
        steps = [self.tensor(k).scales for k in (source, weights)]
        if any(len(scales) not in (1, rows) for scales in steps):
            raise ModelError(f"its {what} counts in steps that the file does not give; convert the model again")
        return codes * (steps[0] * steps[1])


def _computed(what: str) -> ModelError:
    return ModelError(f"its {what} is computed while it runs, not kept in the file; convert the model with its weights")


def _along(values: Array, tensor: Tensor, what: str) -> Array:
    """Scales or zero points, shaped to go with the tensor."""
    if len(values) <= 1:
        return values if len(values) else np.zeros(1)
    if not 0 <= tensor.axis < len(tensor.shape) or tensor.shape[tensor.axis] != len(values):
        raise ModelError(f"its {what} has {len(values)} scales for shape {tensor.shape}; convert the model again")
    return values.reshape([-1 if k == tensor.axis else 1 for k in range(len(tensor.shape))])


# ---- reading ----

_DAMAGE = (struct.error, ValueError, TypeError, IndexError, KeyError, OverflowError, AttributeError, AssertionError)
"""What the generated readers raise where an offset leads nowhere."""


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Errors of the generated readers become one ModelError."""
    try:
        yield
    except _DAMAGE as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise ModelError(f"{path}: not a whole .tflite file ({said[0][:120]}); convert the model again") from error


def read_graphs(path: Path) -> tuple[tuple[Graph, ...], str]:
    """The subgraphs of a file, and what the file says about itself.

    Raises:
        MissingDependencyError: without the extra ``tflite``.
        ModelError: if it is no such file, or counts more than the limits allow.
    """
    classes = schema()
    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise ModelError(f"{path}: not a whole .tflite file, it does not bear the mark TFL3; convert the model again")
    with damage_named(path):
        model = classes.Model.GetRootAs(content, 0)
        codes = [
            model.OperatorCodes(k) for k in range(_counted(model.OperatorCodesLength(), MOST, "operator codes", path))
        ]
        kinds = [_kind(code) for code in codes]
        buffers = _counted(model.BuffersLength(), MOST * 2, "buffers", path)
        budget = Budget()
        count = _counted(model.SubgraphsLength(), _MOST_GRAPHS, "graphs", path)
        graphs = tuple(_graph(model, model.Subgraphs(k), kinds, buffers, budget, path) for k in range(count))
        if not graphs:
            raise ModelError(f"{path}: holds no graph; convert the model again")
        return graphs, _text(model.Description())


def _counted(count: int, limit: int, what: str, path: Path) -> int:
    if count > limit:
        raise ModelError(
            f"{path}: counts {count:,} {what}, the limit is {limit:,}; import a network for a small device"
        )
    return count


def _text(name: bytes | None) -> str:
    return "".join(c if c.isprintable() else "?" for c in (name or b"")[:200].decode(errors="replace"))


@cache
def _names(table: str) -> dict[int, str]:
    """Number → name of one of the schema's enumerations."""
    return {v: k for k, v in vars(getattr(schema(), table)).items() if isinstance(v, int)}


def _kind(code: Any) -> str:
    # Codes up to 127 were once a byte, and old readers still look there.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    name = _names("BuiltinOperator").get(number, f"operator {number}")
    return f"custom {_text(code.CustomCode())}" if name == "CUSTOM" else name


def _graph(model: Any, graph: Any, kinds: list[str], buffers: int, budget: Budget, path: Path) -> Graph:
    tensors = _counted(graph.TensorsLength(), MOST, "tensors", path)
    count = _counted(graph.OperatorsLength(), MOST, "operators", path)

    def indices(owner: Any, which: str) -> tuple[int, ...]:
        if _counted(getattr(owner, f"{which}Length")(), _MOST_OPERANDS, "operands", path) == 0:
            return ()
        found = tuple(int(k) for k in getattr(owner, f"{which}AsNumpy")())
        outside = next((k for k in found if not -1 <= k < tensors), None)
        if outside is not None:
            raise ModelError(f"{path}: names tensor {outside} of {tensors}; convert the model again")
        return found

    def operator(table: Any) -> Operator:
        return Operator(
            kinds[table.OpcodeIndex()], indices(table, "Inputs"), indices(table, "Outputs"), _options(table)
        )

    def tensor(index: int) -> Tensor:
        with damage_named(path):
            return _tensor(model, graph.Tensors(index), index, buffers, path)

    operators = [operator(graph.Operators(k)) for k in range(count)]
    return Graph(_text(graph.Name()), operators, indices(graph, "Inputs"), indices(graph, "Outputs"), tensor, budget)


def _options(table: Any) -> Any:
    name = _names("BuiltinOptions").get(table.BuiltinOptionsType(), "NONE")
    inner = table.BuiltinOptions()
    if name == "NONE" or inner is None:
        return None
    options = getattr(schema(), name)()
    options.Init(inner.Bytes, inner.Pos)
    return options


def _tensor(model: Any, tensor: Any, index: int, buffers: int, path: Path) -> Tensor:
    rank = _counted(tensor.ShapeLength(), 8, "axes of a tensor", path)
    shape = tuple(int(n) for n in tensor.ShapeAsNumpy()) if rank else ()
    if min(shape, default=0) < 0:
        raise ModelError(f"{path}: tensor {index} has shape {shape}; convert the model again")
    kind = _names("TensorType").get(tensor.Type(), f"type {tensor.Type()}")
    quantisation = tensor.Quantization()
    scales, zeros, axis = np.zeros(0), np.zeros(0), 0
    if quantisation is not None and _counted(quantisation.ScaleLength(), MOST, "scales of a tensor", path):
        scales, axis = quantisation.ScaleAsNumpy().astype(np.float64), quantisation.QuantizedDimension()
        if _counted(quantisation.ZeroPointLength(), MOST, "zero points of a tensor", path):
            zeros = quantisation.ZeroPointAsNumpy().astype(np.float64)
    if not (np.isfinite(scales).all() and (scales > 0).all()):
        raise ModelError(f"{path}: tensor {index} has a scale that is no positive number; convert the model again")
    content: Array | None = None
    if not 0 <= tensor.Buffer() < max(buffers, 1):
        raise ModelError(f"{path}: tensor {index} names buffer {tensor.Buffer()} of {buffers}; convert the model again")
    buffer = model.Buffers(tensor.Buffer()) if buffers else None
    if buffer is not None and buffer.Offset() > _INSIDE:
        raise ModelError(f"{path}: keeps its weights behind its tables, as files over 2 GB do; convert the model again")
    if buffer is not None and buffer.DataLength():
        content = buffer.DataAsNumpy()  # a view: many tensors may name one buffer
    elif 0 in shape and not tensor.IsVariable():
        content = np.zeros(0, np.uint8)
    return Tensor(
        index, _text(tensor.Name()), shape, kind, scales, zeros, int(axis), content, bool(tensor.IsVariable())
    )
