"""Axes are known by what they are: a pick of steps or rows that would mix them is refused, whatever the numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from import_runs import refused, run
from test_import_onnx import BATCH, FEATURES, STEPS, UNITS, head, layer, node, save, weights

from edge_lstm.importers.compare import BOUND

BEFORE = [
    node("Transpose", "x", "t", perm=[1, 0, 2]),
    layer("GRU", "t", ("Y", "h"), linear_before_reset=1),
    node("Squeeze", "Y one", "s"),
    node("Transpose", "s", "b", perm=[1, 0, 2]),
]
"""``s`` is (time, batch, features), ``b`` (batch, time, features)."""

SHAPE = [node("Shape", "b", "n"), node("Gather", "n both", "two"), node("Concat", "two outputs", "back", axis=0)]
TO_ROWS = [node("Reshape", "b rows", "r"), node("MatMul", "r V", "m"), node("Add", "m c", "a")]

CONSTANTS: dict[str, Any] = {
    **{"one": [1], "both": [0, 1], "other": [1, 0], "outputs": [2], "rows": [-1, UNITS], "last": [-1], "first": [0]},
    **{
        "end": [2**31 - 1],
        "far": [2**63 - 1],
        "axis0": [0],
        "axis1": [1],
        "axis2": [2],
        "two_steps": [2],
        "three": [3],
    },
    **{
        "fixed": [-1, STEPS, 2],
        "wrong": [-1, BATCH, 2],
        "all_axes": [0, 1],
        "starts": [0, -1],
        "ends": [2**31 - 1] * 2,
    },
    "minus": [-2],
}


def written(path: Path, behind: Any, fixed: bool = False, opset: int = 14) -> Path:
    shape = (BATCH, STEPS, FEATURES) if fixed else (None, None, FEATURES)
    constants = weights(kind="GRU") | head(transposed=False) | {k: np.array(v) for k, v in CONSTANTS.items()}
    return save(path, [*BEFORE, *behind], constants, shape, opset=opset)


def headed(x: str) -> list[Any]:
    return [node("MatMul", f"{x} V", "m"), node("Add", "m c", "y")]


ALIKE = {
    "last of batch first": (
        [node("Slice", "b last end axis1", "l"), node("Squeeze", "l axis1", "z"), *headed("z")],
        False,
    ),
    "last of time first": (
        [node("Slice", "s last far axis0", "l"), node("Squeeze", "l axis0", "z"), *headed("z")],
        False,
    ),
    "all sequences, last": (
        [node("Slice", "b starts ends all_axes", "l"), node("Squeeze", "l one", "z"), *headed("z")],
        False,
    ),
    "whole": ([node("Slice", "b first end axis1 one", "w"), *headed("w")], False),
    "up to the steps there are": (
        [node("Slice", "b last steps axis1", "l"), node("Squeeze", "l axis1", "z"), *headed("z")],
        True,
    ),
    "rows and back": ([*SHAPE, *TO_ROWS, node("Reshape", "a back", "y")], False),
    "softmax of rows": ([*SHAPE, *TO_ROWS, node("Softmax", "a", "p"), node("Reshape", "p back", "y")], False),
    "rows and back to fixed steps": ([*TO_ROWS, node("Reshape", "a fixed", "y")], True),
}
"""Nodes behind the layer, and whether batch and steps are fixed."""

CONSTANTS["steps"] = [STEPS]


@pytest.mark.parametrize("name", ALIKE)
def test_a_move_of_axes_is_followed(tmp_path, name):
    """Equal to onnxruntime, by the command itself."""
    behind, fixed = ALIKE[name]
    done = run(written(tmp_path / "m.onnx", behind, fixed), "-o", tmp_path / "m.safetensors", "--json", "-q")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["compared"]["error"] <= BOUND


REFUSED = {
    "first step": (headed("z"), node("Slice", "b first one axis1", "z"), "takes 0:1 of the axis time"),
    "last but one": (headed("z"), node("Slice", "b minus last axis1", "z"), "takes -2:-1 of the axis time"),
    "last two": (headed("z"), node("Slice", "b minus end axis1", "z"), "takes -2:"),
    "all but the last": (headed("z"), node("Slice", "b first last axis1", "z"), "takes 0:-1 of the axis time"),
    "last sequence": (headed("z"), node("Slice", "b last end axis0", "z"), "of the axis batch"),
    "some units": (headed("z"), node("Slice", "b first three axis2", "z"), "of the axis features"),
    "every other": (headed("z"), node("Slice", "b first end axis1 two_steps", "z"), "at intervals"),
    "rows of time first": (headed("z"), node("Reshape", "s rows", "z"), "mixes axes"),
    "rows are the answer": ([*TO_ROWS, node("Identity", "a", "y")], None, "has the steps of all sequences in rows"),
    "rows and back the other way": (
        [
            *(node("Shape", "b", "n"), node("Gather", "n other", "two"), node("Concat", "two outputs", "back", axis=0)),
            *(*TO_ROWS, node("Reshape", "a back", "y")),
        ],
        None,
        "to the shape of another tensor",
    ),
    "back to another tensor's shape": (
        [
            *(node("Shape", "s", "n"), node("Gather", "n both", "two"), node("Concat", "two outputs", "back", axis=0)),
            *(*TO_ROWS, node("Reshape", "a back", "y")),
        ],
        None,
        "to the shape of another tensor",
    ),
    "back to what is computed": (
        [node("Shape", "b", "back"), *TO_ROWS, node("Reshape", "a back", "y")],
        None,
        "to a shape that is computed",
    ),
    "back to other steps": ([*TO_ROWS, node("Reshape", "a wrong", "y")], None, "mixes axes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_mix_axes_is_refused_by_name(tmp_path, name):
    """Though the numbers would fit; one line, exit code 2."""
    behind, first, says = REFUSED[name]
    path = written(tmp_path / "m.onnx", [*([first] if first else []), *behind], fixed=name == "back to other steps")
    assert says in refused(path, "-o", tmp_path / "m.safetensors")


def test_a_slice_of_an_old_operator_set_is_taken(tmp_path):
    """Its numbers were attributes up to opset 9."""
    behind = [
        node("Slice", "b", "l", starts=[-1], ends=[2**31 - 1], axes=[1]),
        node("Squeeze", "l one", "z"),
        *headed("z"),
    ]
    assert run(written(tmp_path / "m.onnx", behind), "--check").exit_code == 0
