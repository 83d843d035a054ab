"""Nodes of an ONNX graph that move, drop or pick axes, and compute nothing."""

from __future__ import annotations

from edge_lstm.errors import ModelError
from edge_lstm.importers import onnx_conv
from edge_lstm.importers.chain import BATCH_FIRST, Does, LastStep
from edge_lstm.importers.onnx_node import DIRECTIONS, Axes, Node, Taken


def transpose(node: Node) -> Taken:
    order = list(node.attributes.get("perm", range(len(node.axes) - 1, -1, -1)))
    if sorted(order) != list(range(len(node.axes))):
        raise ModelError(f"perm is {order} of {len(node.axes)} axes; export the model again")
    return None, tuple(node.axes[k] for k in order), ""


def squeeze(node: Node) -> Taken:
    places = {a % len(node.axes) for a in node.axes_argument()}
    gone = [node.axes[k] for k in sorted(places)]
    if not gone or set(gone) != {"one"}:
        raise ModelError(f"removes ({', '.join(gone) or 'unnamed axes'}); only an axis of one place can go")
    return None, tuple(axis for k, axis in enumerate(node.axes) if k not in places), ""


def unsqueeze(node: Node) -> Taken:
    places = node.axes_argument()
    total = len(node.axes) + len(places)
    left = iter(node.axes)
    at = {place % total for place in places}
    return None, tuple("one" if k in at else next(left) for k in range(total)), ""


def reshape(node: Node) -> Taken:
    """What takes the axis of directions away, or makes rows of all steps for a head and steps of them again."""
    if node.axes[0] == ROWS and node.input(1) not in node.constants:
        return None, _steps_again(node), ""
    shape = [int(n) for n in node.constants.get(node.input(1), "shape").ravel()]
    if node.axes == BATCH_FIRST and shape[:1] == [-1] and len(shape) == 2:
        return None, (ROWS, "features"), ""
    if node.axes[0] == ROWS and len(shape) == 3 and node.graph.steps is not None and shape[1] == node.graph.steps:
        return None, BATCH_FIRST, ""
    joined = DIRECTIONS in node.axes and node.axes[-2:] != (DIRECTIONS, "features")
    kept = node.axes if joined else tuple(axis for axis in node.axes if axis not in ("one", DIRECTIONS))
    same = [0] * (len(kept) - 1)
    # (0, 0, -1) copies the first axes, so they must be the ones that stay.
    copied = all(n != 0 or (k < len(node.axes) and node.axes[k] == kept[k]) for k, n in enumerate(shape[: len(kept)]))
    if len(shape) != len(kept) or shape[:-1] != same or not copied or kept == node.axes:
        raise ModelError(f"to {shape} mixes axes of ({', '.join(node.axes)}); use Squeeze on the axis of directions")
    return None, kept, ""


ROWS = "rows"
"""The axis that batch and time are together, in this order."""


def _steps_again(node: Node) -> Axes:
    """The axes that the rows were made of: the shape asked for is that of the tensor, but for the last number.

    TensorFlow's ``tensordot`` is written so: ``Concat(Gather(Shape(tensor), (0, 1)), outputs)``.
    """
    constants = node.constants
    joined = constants.maker(node.input(1))
    picked = None if joined is None or joined.op_type != "Concat" else constants.maker(joined.input[0])
    measured = None if picked is None or picked.op_type != "Gather" else constants.maker(picked.input[0])
    if joined is None or picked is None or measured is None or measured.op_type != "Shape":
        raise ModelError("to a shape that is computed; export the model with the shape as a constant")
    both = constants.get(picked.input[1], "indices").ravel().tolist() == [0, 1] and len(joined.input) == 2
    if not both or measured.input[0] != _made_rows(node):
        raise ModelError("to the shape of another tensor; export the model with the shape as a constant")
    return BATCH_FIRST


def _made_rows(node: Node) -> str:
    """The tensor that a Reshape before made rows of."""
    name = node.input(0)
    for _ in range(_MOST_BETWEEN):
        maker = node.constants.maker(name)
        if maker is None:
            break
        name = next((n for n in maker.input if n not in node.constants), "")
        if maker.op_type == "Reshape":
            return str(name)
    return ""


_MOST_BETWEEN = 8
"""Nodes of a head: product, bias, scaling, probabilities."""


def gather(node: Node) -> Taken:
    axis = node.axes[int(node.attributes.get("axis", 0)) % len(node.axes)]
    index = node.constants.get(node.input(1), "indices")
    if axis == "one" and index.size == 1:
        does: Does | None = None
    elif axis == "time" and index.size == 1 and int(index.ravel()[0]) == -1:
        does = LastStep()
    else:
        raise ModelError(f"picks {index.ravel()[:4].tolist()} of the axis {axis}; only the last step (-1) can be taken")
    replaced = () if index.ndim == 0 else ("one",) * index.ndim
    axes = tuple(new for a in node.axes for new in (replaced if a == axis else (a,)))
    return does, axes, "the last step" if does else ""


def slice_(node: Node) -> Taken:
    """The last step, as a sequence of one; whatever is left whole."""
    starts, ends = (_numbers(node, key, place) for key, place in (("starts", 1), ("ends", 2)))
    places = _numbers(node, "axes", 3) or list(range(len(starts)))
    if any(step != 1 for step in _numbers(node, "steps", 4)) or not len(starts) == len(ends) == len(places):
        raise ModelError("takes steps at intervals; only the last step (-1) can be taken")
    axes, does = list(node.axes), None
    for start, end, place in zip(starts, ends, (place % len(axes) for place in places), strict=True):
        shorter = onnx_conv.without_steps_behind(tuple(axes), place, start, end)
        if shorter is not None:
            axes = list(shorter)
            continue
        axis = axes[place]
        to_end = end >= _END or (axis == "time" and node.graph.steps is not None and end >= node.graph.steps)
        if (start == 0 and to_end) or axis == "one":
            continue
        if axis != "time" or start != -1 or not to_end:
            raise ModelError(f"takes {start}:{end} of the axis {axis}; only the last step (-1) can be taken")
        axes[place], does = "one", LastStep()
    return does, tuple(axes), "the last step" if does else ""


_END = 2**31 - 1
"""How exporters write that a slice has no end; later ones write 2^63 - 1."""


def _numbers(node: Node, key: str, place: int) -> list[int]:
    """Of Slice: an attribute up to opset 9, an input since."""
    if key in node.attributes:
        return [int(n) for n in node.attributes[key]]
    return [int(n) for n in node.constants.get(node.input(place), key).ravel()] if node.input(place) else []
