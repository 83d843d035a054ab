"""Conv of ONNX over time, and what puts steps before the first: Pad, or Concat with a state.

The axis of time is called ``time-N`` where N steps were put before the first, and ``time+N`` where N are left behind
the last, which a Slice takes off again: so causal convolutions are written in PyTorch.
"""

from __future__ import annotations

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers import convolutions
from edge_lstm.importers.chain import Convolution
from edge_lstm.importers.limits import MOST_UNITS
from edge_lstm.importers.onnx_node import Axes, Node, Taken

_TAKES: Axes = ("batch", "features", "time")


def conv(node: Node) -> Taken:
    before = _beyond(node.axes, "-")
    axes = tuple("time" if axis == f"time-{before}" else axis for axis in node.axes)
    attributes = node.attributes
    if axes != _TAKES:
        raise ModelError(f"is given ({', '.join(node.axes)}), over time it takes ({', '.join(_TAKES)}); transpose it")
    kernel = node.constants.get(node.input(1), "W")
    if kernel.ndim != 3 or 0 in kernel.shape or max(kernel.shape[:2]) > MOST_UNITS:
        raise ModelError(f"W has shape {kernel.shape}; expected (units, features, steps) of at most {MOST_UNITS} units")
    units, _, size = kernel.shape
    bias = node.constants.get(node.input(2), "B").ravel() if node.input(2) else np.zeros(units)
    if bias.size != units:
        raise ModelError(f"B has shape {bias.shape}; expected ({units},)")
    if attributes.get("group", 1) != 1:
        raise ModelError(f"group is {attributes['group']}: {convolutions.GROUPS}")
    if list(attributes.get("strides", [1])) != [1]:
        raise ModelError(f"strides is {list(attributes['strides'])}: {convolutions.STRIDES}")
    dilation = int(attributes.get("dilations", [1])[0])
    taps = convolutions.span(size, dilation)
    left, right = _pads(node, taps)
    if before + left == 0 < taps - 1:
        raise ModelError(f"has no padding: {convolutions.VALID}")
    if before + left != taps - 1:
        raise ModelError(f"has {before + left} steps put before the first, {taps - 1} are causal: {convolutions.AHEAD}")
    does = convolutions.convolution(kernel.transpose(0, 2, 1), bias, dilation)
    given = tuple(f"time+{right}" if axis == "time" and right else axis for axis in axes)
    return does, given, convolutions.described(units, taps) if isinstance(does, Convolution) else f"{units} outputs"


def _pads(node: Node, taps: int) -> tuple[int, int]:
    """Steps of zeros before the first step and behind the last."""
    auto = node.attributes.get("auto_pad", b"NOTSET")
    if auto in (b"SAME_UPPER", b"SAME_LOWER"):
        less, more = (taps - 1) // 2, taps // 2
        return (less, more) if auto == b"SAME_UPPER" else (more, less)
    left, right = node.attributes.get("pads", [0, 0]) if auto == b"NOTSET" else (0, 0)
    return int(left), int(right)


def pad(node: Node) -> Taken:
    """Zeros before the first step."""
    pads = node.attributes.get("pads") or node.constants.get(node.input(1), "pads").ravel()
    value = node.constants.get(node.input(2), "value") if node.input(2) else np.zeros(1)
    places = list(range(len(node.axes)))
    if node.input(3):
        places = [int(a) % len(node.axes) for a in node.constants.get(node.input(3), "axes").ravel()]
    if node.attributes.get("mode", b"constant") != b"constant" or value.any() or len(pads) != 2 * len(places):
        raise ModelError("pads with other than zeros; only zeros before the first step can be taken")
    front = {node.axes[place]: int(count) for place, count in zip(places, pads, strict=False) if count}
    if any(pads[len(places) :]) or set(front) - {"time"} or min(front.values(), default=0) < 0:
        raise ModelError("pads elsewhere than before the first step; only that a stream can do")
    return None, _more_before(node.axes, front.get("time", 0)), "zeros before the first step"


def concat(node: Node) -> Taken:
    """The steps before, which are a state of the graph."""
    axis = node.axes[int(node.attributes.get("axis", 0)) % len(node.axes)]
    state = node.constants.origin(node.input(0))
    reshaped = node.constants.maker(node.input(0))
    reshaped = node.constants.maker(reshaped.input[0]) if reshaped is not None else None
    if axis != "time" or len(node.proto.input) != 2 or state not in node.graph.states or reshaped is None:
        raise ModelError("joins tensors; only the steps before, from a state, can be put before those that are given")
    steps = int(node.constants.get(reshaped.input[1], "shape").ravel()[1])
    return None, _more_before(node.axes, steps), "the steps before, which the stream carries itself"


def _more_before(axes: Axes, count: int) -> Axes:
    return tuple(f"time-{count}" if axis == "time" and count else axis for axis in axes)


def _beyond(axes: Axes, sign: str) -> int:
    """N of an axis ``time-N`` or ``time+N``; 0 without one."""
    return next((int(axis[5:]) for axis in axes if axis.startswith(f"time{sign}")), 0)


def without_steps_behind(axes: Axes, place: int, start: int, end: int) -> Axes | None:
    """The axes after ``start:end`` of one of them took off the steps behind the last; None if it takes others."""
    behind = _beyond(axes[place : place + 1], "+")
    if not behind or start != 0 or end != -behind:
        return None
    return tuple("time" if k == place else axis for k, axis in enumerate(axes))
