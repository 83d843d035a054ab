"""Heads that are no scores of labels, and those that give a label alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from import_projects import project, random_rows, told
from import_runs import is_alike, model_in, refused, run
from onnx import TensorProto, helper, numpy_helper

from edge_lstm.bundle import Bundle
from edge_lstm.importers import compare, read
from edge_lstm.importers.compare import BOUND, outputs_as_in_file
from edge_lstm.importers.network import network_of
from edge_lstm.modelfile import load_model
from edge_lstm.streaming import Stream

FEATURES, UNITS, OUTPUTS = 3, 5, 3


def save(path: Path, behind: Any, outputs: int = OUTPUTS, every: bool = True, kind: Any = TensorProto.INT64) -> Path:
    """A GRU of x (time, batch, features), a dense part ``m`` and the nodes behind it, which give ``y``."""
    rng = np.random.default_rng(3)
    shapes = {"W": (1, 3 * UNITS, FEATURES), "R": (1, 3 * UNITS, UNITS), "B": (1, 6 * UNITS), "V": (UNITS, outputs)}
    held = {name: rng.normal(0, 0.7, shape).astype(np.float32) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("GRU", ["x", "W", "R", "B"], ["Y", "h"], name="gru", hidden_size=UNITS),
        helper.make_node("Squeeze", ["Y" if every else "h", "one"], ["z"]),
        helper.make_node("MatMul", ["z", "V"], ["m"]),
    ]
    graph = helper.make_graph(
        [*nodes, *behind],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (None, None, FEATURES))],
        [helper.make_tensor_value_info("y", kind, None)],
        [numpy_helper.from_array(value, name) for name, value in (held | {"one": np.array([int(every)])}).items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), path)
    return path


def node(kind: str, x: str, y: str, **options: Any) -> Any:
    return helper.make_node(kind, [x], [y], name=kind.lower(), **options)


LABELS = {
    "every step": ([node("ArgMax", "m", "y", axis=2)], True),
    "every step, axis dropped": ([node("ArgMax", "m", "y", axis=-1, keepdims=0)], True),
    "last step": ([node("ArgMax", "m", "y", axis=1, keepdims=0)], False),
    "of a softmax": ([node("Softmax", "m", "p", axis=-1), node("ArgMax", "p", "y", axis=-1)], True),
    "of sigmoids": ([node("Sigmoid", "m", "p"), node("ArgMax", "p", "y", axis=-1)], True),
    "of tanh": ([node("Tanh", "m", "p"), node("ArgMax", "p", "y", axis=-1)], False),
    "cast": ([node("ArgMax", "m", "a", axis=-1), node("Cast", "a", "y", to=TensorProto.INT64)], True),
}


@pytest.mark.parametrize("name", LABELS)
def test_a_graph_that_gives_a_label_is_taken_without_its_argmax(tmp_path, name):
    """The model keeps the logits; the command compares the labels with onnxruntime's, and says what it left out."""
    behind, every = LABELS[name]
    path = save(tmp_path / "m.onnx", behind, every=every)
    done = run(path, "-o", tmp_path / "m.safetensors", "--json")
    assert done.exit_code == 0, done.stderr
    compared = json.loads(done.stdout)["compared"]
    assert compared["runtime"] == "onnxruntime"
    assert compared["error"] <= BOUND
    assert "its ArgMax is left out" in done.stderr
    model = load_model(tmp_path / "m.safetensors")
    assert (model.interface.task.kind, model.head.outputs) == ("tag" if every else "classify", OUTPUTS)
    assert [layer.cell for layer in model.layers] == ["gru"]


def test_labels_that_are_not_the_originals_are_refused(tmp_path, monkeypatch):
    """Outputs in another order end in exit code 1."""
    from edge_lstm.importers import onnx_nodes

    real = onnx_nodes.dense_weights
    monkeypatch.setattr(onnx_nodes, "dense_weights", lambda weights, bias: real(weights[::-1], bias[::-1]))
    path = save(tmp_path / "m.onnx", LABELS["every step"][0])
    assert "onnxruntime computes other outputs" in refused(path, "-o", tmp_path / "m.safetensors", "-q", code=1)


@pytest.mark.parametrize(
    ("behind", "outputs", "says"),
    [
        ([node("ArgMax", "m", "y")], OUTPUTS, "is over the axis time"),
        ([node("ArgMax", "m", "y", axis=-1)], 1, "is always 0 of one output"),
        ([node("ArgMax", "m", "y", axis=-1, select_last_index=1)], OUTPUTS, "select_last_index is 1"),
        ([node("ArgMax", "m", "a", axis=-1), node("ArgMax", "a", "y", axis=-1)], OUTPUTS, "is over the axis one"),
    ],
    ids=["steps", "one", "last of equals", "twice"],
)
def test_a_label_of_something_else_is_refused_by_name(tmp_path, behind, outputs, says):
    """One line, exit code 2."""
    assert says in refused(save(tmp_path / "m.onnx", behind, outputs), "-o", tmp_path / "m.safetensors")


def test_a_label_is_no_number(tmp_path):
    """A regress of it would be one."""
    path = save(tmp_path / "m.onnx", LABELS["every step"][0])
    text = refused(path, "-o", tmp_path / "m.safetensors", "--task", "regress")
    assert "ends in an ArgMax, whose classes are no regress; give --task classify" in text


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of ``tf_models.py`` that end so, converted by one TensorFlow."""
    folder = tmp_path_factory.mktemp("tflite")
    script = Path(__file__).with_name("tf_models.py")
    done = subprocess.run([sys.executable, script, "heads", folder], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    ("name", "kind", "bound"),
    [("label", "classify", BOUND), ("label_every", "tag", BOUND), ("label_int8", "classify", compare.ROUNDED_BOUND)],
)
def test_a_converted_graph_that_gives_a_label_is_taken_without_it(converted, tmp_path, name, kind, bound):
    """ARG_MAX behind a softmax, at every step, and of int8 logits; compared with LiteRT's labels."""
    done = run(converted / f"{name}.tflite", "-o", tmp_path / "m.safetensors", "--json")
    assert done.exit_code == 0, done.stderr
    compared = json.loads(done.stdout)["compared"]
    assert compared["runtime"] == "litert"
    assert compared["error"] <= bound
    assert "its ArgMax is left out" in done.stderr
    assert load_model(tmp_path / "m.safetensors").interface.task.kind == kind


def test_a_converted_label_of_steps_is_refused(converted, tmp_path):
    """Which step is the largest, no stream tells."""
    text = refused(converted / "label_of_steps.tflite", "-o", tmp_path / "m.safetensors")
    assert "takes numbers of several steps together" in text


def test_converted_sigmoids_are_numbers(converted):
    """LOGISTIC of three outputs."""
    example = np.load(converted / "sigmoids.npz")
    assert is_alike(converted / "sigmoids.tflite", example["x"], example["y"])
    assert model_in(converted / "sigmoids.tflite").interface.task.kind == "regress"


# ---- sigmoids ----

SIGMOIDS = [node("Sigmoid", "m", "y")]


@pytest.mark.parametrize("squash", ["Sigmoid", "Relu", "Tanh"])
def test_outputs_squashed_each_by_itself_are_numbers(tmp_path, squash):
    """A dense layer stands in for the head; compared as they are."""
    path = save(tmp_path / "m.onnx", [node(squash, "m", "y")], kind=TensorProto.FLOAT)
    done = run(path, "-o", tmp_path / "m.safetensors", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["compared"]["error"] <= BOUND
    assert ("their probabilities, numbers of a regress" in done.stderr) == (squash == "Sigmoid")
    model = load_model(tmp_path / "m.safetensors")
    assert (model.interface.task.kind, model.layers[-1].activation) == ("regress", squash.lower())
    assert np.array_equal(model.head.weights, np.eye(OUTPUTS))


@pytest.mark.parametrize("task", ["tag", "classify"])
def test_sigmoids_are_no_scores_of_labels(tmp_path, task):
    """A softmax of probabilities would be neither."""
    path = save(tmp_path / "m.onnx", SIGMOIDS, kind=TensorProto.FLOAT)
    text = refused(path, "-o", tmp_path / "m.safetensors", "--task", task)
    assert "ends in 3 sigmoid, each of its own output, which are no scores of labels" in text


def test_one_sigmoid_stays_the_second_of_two_labels(tmp_path):
    """As it was."""
    model = model_in(save(tmp_path / "m.onnx", SIGMOIDS, outputs=1, kind=TensorProto.FLOAT), task="tag")
    assert (model.head.outputs, [layer.cell for layer in model.layers]) == (2, ["gru"])


def test_a_network_of_sigmoids_goes_all_the_way_to_a_stream(tmp_path, monkeypatch):
    """Imported, judged against truths of 0 and 1, exported in int8 and verified; the stream gives probabilities."""
    path = save(tmp_path / "m.onnx", SIGMOIDS, kind=TensorProto.FLOAT)
    rows = random_rows(FEATURES)
    wanted = outputs_as_in_file(network_of(read(path), path), model_in(path), rows)[0]
    truth = (wanted > 0.5).astype(int)
    names = [f"output{k}" for k in range(OUTPUTS)]
    folder = project(tmp_path / "p", [f"channel{k}" for k in range(FEATURES)], rows, names, truth)
    monkeypatch.chdir(folder)
    told("import", path, "-o", "m.safetensors", "--window", "0")
    judged = told("evaluate", "-m", "m.safetensors")["float"]
    assert judged["mae"] == pytest.approx(np.abs(wanted - truth)[len(rows) // 2 :].mean(), rel=1e-5)
    exported = told("export", "--int8", "--linux", "none", "-m", "m.safetensors")
    assert exported["verification"]["ok"]
    stream = Stream(Bundle.open(Path(exported["bundle"])), "reference", "native")
    for samples, outputs in zip(rows, wanted, strict=True):
        stream.reset()
        told_by = np.array([list(one.values.values()) for one in stream.push_many(samples)])
        assert np.abs(told_by - outputs).max() < 0.05  # of int8 weights
