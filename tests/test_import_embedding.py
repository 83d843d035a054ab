"""Embeddings become dense layers over one-hot channels: of ONNX here, of Keras and PyTorch where their files are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from import_projects import project, told
from import_runs import model_in, refused, run
from onnx import TensorProto, helper, numpy_helper

from edge_lstm.bundle import Bundle
from edge_lstm.importers import read
from edge_lstm.importers.compare import BOUND, outputs_as_in_file
from edge_lstm.importers.embedding import MOST_TOKENS
from edge_lstm.importers.network import network_of
from edge_lstm.modelfile import load_model
from edge_lstm.streaming import Stream

TOKENS, WIDTH, UNITS = 9, 4, 5
BATCH_FIRST, TIME_FIRST = ["batch", "time"], ["time", "batch"]


def save(
    path: Path, kind: Any = TensorProto.INT64, axes: Any = TIME_FIRST, tokens: int = TOKENS, **changed: Any
) -> Path:
    """Tokens of ``axes`` → their vectors → an LSTM → a dense head, at every step.

    Args:
        changed: ``before``, ``behind``: kinds of nodes around the look-up; ``axis``: its attribute; ``table``.
    """
    rng = np.random.default_rng(6)
    table = changed.get("table", rng.normal(0, 1, (tokens, WIDTH))).astype(np.float32)
    shapes = {"W": (1, 4 * UNITS, WIDTH), "R": (1, 4 * UNITS, UNITS), "B": (1, 8 * UNITS), "V": (UNITS, 2)}
    held = {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()} | {"E": table}
    nodes, name = [], "x"
    for k, op in enumerate(changed.get("before", ())):
        options = {"to": TensorProto.INT64} if op == "Cast" else {"perm": [1, 0]}
        nodes.append(helper.make_node(op, [name], [f"x{k}"], **options))
        name = f"x{k}"
    lookup = {"axis": changed["axis"]} if "axis" in changed else {}
    nodes.append(helper.make_node("Gather", ["E", name], ["e"], name="lookup", **lookup))
    name = "e"
    for k, op in enumerate(changed.get("behind", ())):
        more = {"Mul": ["two"], "Transpose": []}[op]
        nodes.append(helper.make_node(op, [name, *more], [f"e{k}"], **({} if more else {"perm": [1, 0, 2]})))
        name = f"e{k}"
    nodes += [
        helper.make_node("LSTM", [name, "W", "R", "B"], ["Y"], name="lstm", hidden_size=UNITS),
        helper.make_node("Squeeze", ["Y", "one"], ["z"]),
        helper.make_node("MatMul", ["z", "V"], ["y"]),
    ]
    held |= {"one": np.array([1]), "two": np.full(1, 2, np.float32)}
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", kind, axes)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, key) for key, value in held.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), path)
    return path


LOOKUPS: dict[str, dict[str, Any]] = {
    "plain": {},
    "of 32 bits": {"kind": TensorProto.INT32},
    "cast": {"kind": TensorProto.FLOAT, "before": ["Cast"]},
    "tokens transposed": {"before": ["Transpose"], "axes": BATCH_FIRST},
    "vectors transposed": {"behind": ["Transpose"], "axes": BATCH_FIRST},
    "scaled": {"behind": ["Mul"]},
    "of a fixed batch": {"axes": [7, 3]},
    "the most": {"tokens": MOST_TOKENS},
}


@pytest.mark.parametrize("name", LOOKUPS)
def test_an_embedding_is_a_dense_layer_of_one_hot_channels(tmp_path, name):
    """To the bit the table, compared with onnxruntime on tokens; what to push is said."""
    path = save(tmp_path / "m.onnx", **LOOKUPS[name])
    done = run(path, "-o", tmp_path / "m.safetensors", "--json", "--task", "regress")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["compared"]["runtime"] == "onnxruntime"
    assert said["compared"]["error"] <= BOUND
    tokens = LOOKUPS[name].get("tokens", TOKENS)
    assert said["channels"] == [f"token_{k}" for k in range(tokens)]
    assert f"takes {tokens} channels, the token's is 1 and all others are 0" in done.stderr
    model = load_model(tmp_path / "m.safetensors")
    assert model.interface.scaling.kind == "none"
    table = numpy_helper.to_array(next(t for t in onnx.load(path).graph.initializer if t.name == "E"))
    assert np.array_equal(model.layers[0].kernel[0].T, table)
    assert not model.layers[0].bias.any()


def test_the_check_says_what_to_push_and_what_it_costs(tmp_path):
    """In the note of the layer."""
    text = run(save(tmp_path / "m.onnx"), "--check").stdout
    assert "a dense layer over 9 one-hot channels token_0…: push a one-hot row; costs 36 multiply-adds a step" in text


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"tokens": MOST_TOKENS + 1}, "has 257 tokens, the limit is 256; leave it out of the saved model and push its"),
        ({"axis": 1}, "picks columns of its table"),
        ({"table": np.ones(TOKENS)}, "its table has shape (9,); expected (tokens, numbers)"),
        ({"table": np.full((TOKENS, WIDTH), np.nan)}, "not finite"),
        ({"table": np.ones((TOKENS, 3))}, "takes 4 numbers a step but is given 3"),
        ({"axes": ["time", "batch", 3]}, "its input has 3 axes; expected batch and steps of tokens"),
        ({"axes": ["time"]}, "its input has 1 axes; expected batch and steps of tokens"),
    ],
)
def test_a_look_up_that_is_none_is_refused_by_name(tmp_path, changed, says):
    """One line, exit code 2."""
    assert says in refused(save(tmp_path / "m.onnx", **changed), "-o", tmp_path / "m.safetensors")


def test_tokens_go_all_the_way_to_a_stream(tmp_path, monkeypatch):
    """Imported, calibrated on one-hot rows, exported in int8, verified; the stream follows the float model."""
    path = save(tmp_path / "m.onnx", tokens=20)
    tokens = np.random.default_rng(1).integers(0, 20, (12, 50))
    tokens[:6] %= 19  # training never sees the last, so calibration does not either
    rows = np.eye(20)[tokens]
    wanted = outputs_as_in_file(network_of(read(path), path), model_in(path), rows)[0]
    names, targets = [f"token_{k}" for k in range(20)], ["output0", "output1"]
    folder = project(tmp_path / "p", names, rows.astype(int), targets, wanted)
    monkeypatch.chdir(folder)
    told("import", path, "-o", "m.safetensors", "--task", "regress", "--window", "0")
    assert told("evaluate", "-m", "m.safetensors")["float"]["r2"] > 0.999999
    exported = told("export", "--int8", "--linux", "none", "-m", "m.safetensors")
    assert exported["verification"]["ok"]
    assert sum("not_run" not in check for check in exported["verification"]["checks"]) >= 5
    stream = Stream(Bundle.open(Path(exported["bundle"])), "reference", "native")
    for samples, outputs in zip(rows, wanted, strict=True):
        stream.reset()
        given = np.array([list(one.values.values()) for one in stream.push_many(samples)])
        assert np.sqrt(((given - outputs) ** 2).mean()) < 0.02 * wanted.std()
