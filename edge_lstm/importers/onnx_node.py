"""A node on the row of an ONNX graph, with what is known when the walk gets to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_lstm.importers.chain import Does
from edge_lstm.importers.onnx_tensors import Constants

Axes = tuple[str, ...]

DIRECTIONS = "directions"
"""The axis of the two directions of a bidirectional operator."""
Taken = tuple[Does | None, Axes, str]
"""What a node does, the axes of what it gives, and a note."""


@dataclass(frozen=True)
class Graph:
    """What is around the row.

    Args:
        states: inputs of the graph other than the samples.
        steps: of a sequence, where the file fixes them.
    """

    constants: Constants
    states: frozenset[str]
    steps: int | None


@dataclass(frozen=True)
class Node:
    """A node on the row.

    Args:
        taken: which of the node's outputs the row goes on from.
        axes: of the tensor it is given.
        scales_input: whether it stands before every layer.
    """

    proto: Any
    taken: int
    graph: Graph
    axes: Axes
    attributes: dict[str, Any]
    scales_input: bool = False

    @property
    def constants(self) -> Constants:
        return self.graph.constants

    def input(self, place: int) -> str:
        return self.proto.input[place] if place < len(self.proto.input) else ""

    def axes_argument(self) -> list[int]:
        """Of Squeeze and Unsqueeze: an attribute up to opset 12, an input since."""
        if "axes" in self.attributes:
            return [int(a) for a in self.attributes["axes"]]
        return [int(a) for a in self.constants.get(self.input(1), "axes").ravel()] if self.input(1) else []


def attributes_of(proto: Any) -> dict[str, Any]:
    """By name; none of a node that has one of no type."""
    import onnx

    try:
        return {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute if a.type != a.GRAPH}
    except ValueError:  # of no type
        return {}
