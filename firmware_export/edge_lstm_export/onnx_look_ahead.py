"""A bidirectional layer that looks ahead, in ONNX: its forward op, with outputs put off, beside its backward op.

The backward op runs over a window of the last steps for every step; all windows are one batch of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edge_lstm.model import BidirectionalWeights, LstmWeights, RecurrentWeights
from edge_lstm.tensor_names import NEW, cell_state, hidden_before, inputs_before

NO_END = np.iinfo(np.int64).max


def look_ahead(graph: Any, index: int, layer: BidirectionalWeights, x: str) -> str:
    """(steps, batch, F) → (steps, batch, 2H), with what the layer carries as inputs and outputs of the graph.

    Args:
        graph: the ``_Graph`` under construction of ``onnx_model``.
    """
    name, steps, units = f"layer{index}", layer.look_ahead, layer.forward.units
    x_before = _by_step(graph, inputs_before(index), steps, layer.features)
    f_before = _by_step(graph, hidden_before(index), steps, units)
    all_f = _forward(graph, index, layer.forward, x, f_before)
    every_x = graph.node("Concat", [x_before, x], f"{name}/every_x", axis=0)
    every_f = graph.node("Concat", [f_before, all_f], f"{name}/every_f", axis=0)
    _kept(graph, inputs_before(index), every_x, steps, layer.features)
    _kept(graph, hidden_before(index), every_f, steps, units)
    put_off = _steps(graph, every_f, 0, -steps, f"{name}/put_off")
    every = graph.node("Concat", [put_off, _backward(graph, name, layer, every_x, x)], f"{name}/output", axis=2)
    graph.last_step(index, every, layer.units)
    return str(every)


def _forward(graph: Any, index: int, half: RecurrentWeights, x: str, f_before: str) -> str:
    """All hidden states of the forward half. Its own, before the first of these steps, is the newest put off."""
    name, shape = f"layer{index}/forward", (1, "batch", half.units)
    states, given = [_steps(graph, f_before, -1, None, f"{name}/h")], [""]
    if isinstance(half, LstmWeights):
        states.append(graph.input(cell_state(index), shape))
        given.append(graph.output(cell_state(index) + NEW, shape))
    graph.recurrent(half, name, x, states, [f"{name}/sequence", *given])
    return str(graph.one_direction(f"{name}/sequence", f"{name}/output"))


def _backward(graph: Any, name: str, layer: BidirectionalWeights, every_x: str, x: str) -> str:
    """(look_ahead + steps, batch, F) → (steps, batch, H)."""
    steps, half, slices = layer.look_ahead, layer.backward, []
    for k in range(steps + 1):
        part = _steps(graph, every_x, k, k - steps if k < steps else None, f"{name}/x_{k}")
        slices.append(graph.node("Unsqueeze", [part, graph.axis("first", 0)], f"{name}/x_{k}_alone"))
    apart = graph.node("Concat", slices, f"{name}/windows_apart", axis=0)
    windows = graph.reshape(apart, (steps + 1, -1, half.features), f"{name}/windows")
    last = f"{name}/backward/last"
    graph.recurrent(half, f"{name}/backward", windows, [], ["", last], direction="reverse")
    outer = _steps(graph, graph.node("Shape", [x], f"{name}/sizes"), 0, 2, f"{name}/outer")
    shape = graph.node("Concat", [outer, graph.axis(f"{name}/units", half.units)], f"{name}/shape", axis=0)
    return str(graph.node("Reshape", [last, shape], f"{name}/b"))


def _by_step(graph: Any, state: str, steps: int, width: int) -> str:
    """A state (1, batch, steps · width), an input of the graph, as (steps, batch, width)."""
    given = graph.input(state, (1, "batch", steps * width))
    apart = graph.reshape(given, (-1, steps, width), f"{state}_by_batch")
    return str(graph.node("Transpose", [apart], f"{state}_by_step", perm=[1, 0, 2]))


def _kept(graph: Any, state: str, every: str, steps: int, width: int) -> None:
    """The last steps as the new state."""
    left = _steps(graph, every, -steps, None, f"{state}_left")
    left = graph.node("Transpose", [left], f"{state}_left_by_batch", perm=[1, 0, 2])
    graph.reshape(left, (1, -1, steps * width), graph.output(state + NEW, (1, "batch", steps * width)))


def _steps(graph: Any, x: str, start: int, end: int | None, name: str) -> str:
    """``x[start:end]`` of the steps."""
    ends = graph.axis(f"{name}/from", start), graph.axis(f"{name}/to", NO_END if end is None else end)
    return str(graph.node("Slice", [x, *ends, graph.axis("first", 0)], name))
