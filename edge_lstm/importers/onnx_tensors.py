"""Constants of an ONNX graph: in the file or beside it, measured before they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.chain import Array
from edge_lstm.importers.limits import Budget

_TYPES = {1: "<f4", 10: "<f2", 11: "<f8", 6: "<i4", 7: "<i8"}
"""ONNX number of a type → NumPy's name: floats, and the integers that axes and shapes are."""


class Constants:
    """The constants of a graph by name, and which of the computed tensors are zero whatever the input."""

    def __init__(self, graph: Any, folder: Path, budget: Budget | None = None) -> None:
        self._folder, self._budget = folder, budget or Budget()
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._makers = {name: node for node in graph.node for name in node.output if name}

    def of(self, body: Any) -> Constants:
        """The constants of a graph within this one, which count in the same budget."""
        return Constants(body, self._folder, self._budget)

    def __contains__(self, name: str) -> bool:
        node = self._makers.get(name)
        if name in self._tensors or node is None:
            return name in self._tensors
        return node.op_type == "Constant" or (node.op_type == "Identity" and node.input[0] in self._tensors)

    def get(self, name: str, what: str) -> Array:
        """The value of a constant.

        Raises:
            ModelError: if it is computed or an input, or its bytes are not there.
        """
        tensor = self._tensors.get(name)
        if tensor is None:
            node = self._makers.get(name)
            if node is not None and node.op_type == "Identity":
                return self.get(node.input[0], what)
            tensor = next((a.t for a in node.attribute if a.name == "value"), None) if node is not None else None
            if tensor is None or node is None or node.op_type != "Constant":
                raise ModelError(f"its {what} is not a constant; export the model for inference, with its weights")
        return self._read(tensor, what)

    def _read(self, tensor: Any, what: str) -> Array:
        shape, kind = tuple(tensor.dims), _TYPES.get(tensor.data_type)
        if kind is None or min(shape, default=0) < 0:
            raise ModelError(f"its {what} is of type {tensor.data_type} and shape {shape}; export it as float32")
        numbers = np.dtype(kind)
        self._budget.take(shape, numbers.itemsize, f"its {what}")
        wanted = int(np.prod(shape, dtype=object)) * numbers.itemsize
        if tensor.data_location == 1:
            content = self._beside({entry.key: entry.value for entry in tensor.external_data}, wanted, what)
        elif tensor.HasField("raw_data"):
            content = tensor.raw_data
        else:
            from onnx import numpy_helper

            try:
                return np.asarray(numpy_helper.to_array(tensor))
            except (ValueError, TypeError) as error:
                raise ModelError(f"its {what} has shape {shape} and other data; export the model again") from error
        if len(content) != wanted:
            raise ModelError(
                f"its {what} has {len(content):,} B, its shape {shape} asks for {wanted:,}; export it again"
            )
        return np.frombuffer(content, numbers).reshape(shape)

    def _beside(self, where: dict[str, str], wanted: int, what: str) -> bytes:
        """External data: a part of a file in the model's folder."""
        location = where.get("location", "")
        file = (self._folder / location).resolve()
        if not location or not file.is_relative_to(self._folder.resolve()):
            raise ModelError(f"its {what} lies at {location!r}, outside the model's folder; put it beside the model")
        try:
            offset, length = int(where.get("offset", 0)), int(where.get("length", wanted))
            size = file.stat().st_size
            if offset < 0 or length != wanted or offset + length > size:
                raise ModelError(
                    f"its {what} takes bytes {offset:,} and {length:,} on of {location}, which has {size:,}"
                )
            with file.open("rb") as stream:
                stream.seek(offset)
                return stream.read(length)
        except (OSError, ValueError) as error:
            raise ModelError(
                f"its {what} cannot be read from {location!r} ({error}); put it beside the model"
            ) from error

    def is_zero(self, name: str, depth: int = 0) -> bool:
        """Whether a tensor is zero by the graph alone: constant, or constant before it was expanded and reshaped."""
        if not name:
            return True
        if name in self:
            return not self.get(name, "initial state").any()
        node = self._makers.get(name)
        if node is None or depth > _DEEPEST:
            return False
        if node.op_type == "ConstantOfShape":
            value = next((a.t for a in node.attribute if a.name == "value"), None)
            return value is None or not self._read(value, "initial state").any()
        return node.op_type in _KEEP_ZERO and self.is_zero(node.input[0], depth + 1)

    def maker(self, name: str) -> Any:
        """The node that computes a tensor, before it was cast or renamed; None if none does."""
        for _ in range(_DEEPEST):
            node = self._makers.get(name)
            if node is None or node.op_type not in ("Cast", "Identity"):
                return node
            name = node.input[0]
        return None

    def origin(self, name: str) -> str:
        """The tensor that another is a part or another shape of: what the graph is given or computes."""
        for _ in range(_DEEPEST):
            node = self._makers.get(name)
            if node is None or node.op_type not in _KEEP_ZERO | _PARTS:
                break
            name = node.input[0]
        return name


_DEEPEST = 32
_PARTS = {"Gather", "Split"}
_KEEP_ZERO = {"Expand", "Identity", "Reshape", "Slice", "Squeeze", "Unsqueeze", "Transpose", "Tile", "Cast"}
