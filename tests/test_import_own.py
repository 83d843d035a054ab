"""An ONNX file that export wrote comes back as the model it was, and files like it are taken: states and scalings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from cell_stacks import physical_targets, stacked
from import_runs import model_in, refused, run
from models import float_model
from onnx import TensorProto, helper, numpy_helper

from edge_lstm.model import AnomalyRule, FloatModel, Scaling, Task
from edge_lstm.modelfile import load_model
from edge_lstm_export.onnx_model import onnx_model

MIXED = (("rnn", 9), ("gru", 8), ("lstm", 7), ("gru-before", 6))
CHANNELS = ("ax", "ay", "az")


def named(model: FloatModel, kind: str = "classify", window: int | None = None, **ahead: Any) -> FloatModel:
    """With names of its own, and a task that is told."""
    outputs = ("walk", "rest") if kind in ("classify", "tag") else ("az", "ax")
    task = Task(kind, outputs, window, **ahead)  # type: ignore[arg-type]
    model = model.with_interface(channels=CHANNELS, task=task, rate_hz=12.5)
    return model if task.predicts_labels else physical_targets(model)


AHEAD = {"target_channels": (2, 0)}
MODELS = {
    **{
        cell: named(stacked(3, ((cell, 7),), 2))
        for cell in ("lstm", "lstm-peephole", "gru", "gru-before", "rnn", "rnn-relu")
    },
    **{f"two of {cell}": named(stacked(3, ((cell, 7), (cell, 4)), 2), "tag") for cell in ("lstm", "gru", "rnn")},
    "fastgrnn": named(stacked(3, (("fastgrnn", 7),), 2)),
    "two of fastgrnn": named(stacked(3, (("fastgrnn", 7), ("fastgrnn", 4)), 2), "tag"),
    "fastgrnn between": named(stacked(3, (("lstm", 6), ("fastgrnn", 5), ("dense-tanh", 4), ("gru", 7)), 2), "regress"),
    "mixed": named(stacked(3, MIXED, 2)),
    "mixed backwards": named(stacked(3, MIXED[::-1], 2), window=25),
    "dense": named(stacked(3, (("dense-tanh", 6), ("gru", 7), ("dense-linear", 4), ("lstm", 5), ("dense-relu", 8)), 2)),
    "dense behind": named(stacked(3, (("lstm", 9), ("dense-relu", 6), ("dense-sigmoid", 5)), 2), "regress"),
    "convolutions": named(stacked(3, (("conv-relu-4", 6), ("conv-linear-2", 5), ("gru", 4)), 2)),
    "convolution behind": named(stacked(3, (("lstm", 6), ("conv-tanh-3", 5)), 2), "tag"),
    "numbers": named(stacked(3, MIXED, 2), "regress", window=8),
    "forecast": named(stacked(3, MIXED, 2), "forecast", horizon=4, **AHEAD),
    "unscaled": named(stacked(3, MIXED, 2)).with_interface(scaling=Scaling.identity(3)),
    "anomaly": named(stacked(3, MIXED, 2), "anomaly", horizon=1, anomaly=AnomalyRule(0.1, 0.5, 0.99), **AHEAD),
}


def written(model: FloatModel, path: Path) -> Path:
    path.write_bytes(onnx_model(model))
    return path


def assert_same(back: FloatModel, model: FloatModel) -> None:
    """Weights to the bit; scalings as float32, which is how the file holds them."""
    assert [type(layer) for layer in back.layers] == [type(layer) for layer in model.layers]
    for ours, theirs in zip((*back.layers, back.head), (*model.layers, model.head), strict=True):
        for name, value in vars(theirs).items():
            assert np.array_equal(getattr(ours, name), value), name
    ours, theirs = back.interface, model.interface
    for scaling in ("scaling", "target_scaling"):
        for part in ("offset", "scale"):
            wanted = getattr(getattr(theirs, scaling), part).astype(np.float32)
            assert np.array_equal(getattr(getattr(ours, scaling), part), wanted), (scaling, part)
    assert (ours.channels, ours.rate_hz, ours.front_end) == (theirs.channels, theirs.rate_hz, theirs.front_end)
    assert ours.task == theirs.task


@pytest.mark.parametrize("name", MODELS)
def test_an_exported_file_comes_back_as_the_model_it_was(tmp_path, name):
    """Every cell and stacks of all, every task; compared with onnxruntime by the command, with its states."""
    path = written(MODELS[name], tmp_path / "m.onnx")
    done = run(path, "-o", tmp_path / "m.safetensors")
    assert done.exit_code == 0, done.stderr
    assert "equal to onnxruntime within" in done.stdout
    assert done.stderr == ""  # nothing was supposed
    back = load_model(tmp_path / "m.safetensors")
    assert isinstance(back, FloatModel)
    assert_same(back, MODELS[name])


def test_what_comes_back_is_exported_to_the_same_bytes(tmp_path):
    """Round and round."""
    path = written(MODELS["numbers"], tmp_path / "m.onnx")
    assert onnx_model(model_in(path)) == path.read_bytes()


def test_a_front_end_comes_back(tmp_path):
    """Its parameters, as the model keeps them."""
    front_end = {"kind": "log-mel", "rate_hz": 8000, "bins": 3}
    model = MODELS["gru"].with_interface(front_end=front_end)
    assert model_in(written(model, tmp_path / "m.onnx")).interface.front_end == front_end


def test_what_the_user_says_is_put_over_what_the_file_says(tmp_path):
    """Names, rate and window."""
    path = written(MODELS["mixed"], tmp_path / "m.onnx")
    words = ["--channels", "a,b,c", "--labels", "up,down", "--rate", "50", "--window", "6", "--task", "tag"]
    assert run(path, "-o", tmp_path / "m.safetensors", "--no-compare", *words).exit_code == 0
    interface = load_model(tmp_path / "m.safetensors").interface
    assert (interface.channels, interface.task.outputs) == (("a", "b", "c"), ("up", "down"))
    assert (interface.rate_hz, interface.task.window, interface.task.kind) == (50, 6, "tag")


def with_properties(path: Path, producer: str = "edge-lstm", **changed: str | None) -> Path:
    """An exported file with some metadata properties replaced, or left out where that is None."""
    model = onnx.load(written(MODELS["anomaly"], path))
    held = {entry.key: entry.value for entry in model.metadata_props} | changed
    del model.metadata_props[:]
    helper.set_model_props(model, {key: value for key, value in held.items() if value is not None})
    model.producer_name = producer
    onnx.save(model, path)
    return path


def test_an_anomaly_without_its_rule_comes_back_as_the_forecast_it_is(tmp_path):
    """And says so: a model without a threshold would never tell of an anomaly."""
    done = run(with_properties(tmp_path / "m.onnx", anomaly=None), "-o", tmp_path / "m.safetensors")
    task = load_model(tmp_path / "m.safetensors").interface.task
    assert (task.kind, task.horizon, task.target_channels) == ("forecast", 1, (2, 0))
    assert "does not hold the anomaly rule" in done.stderr


def test_what_another_producer_says_is_not_taken_for_ours(tmp_path):
    """The same words may mean something else."""
    interface = model_in(with_properties(tmp_path / "m.onnx", "somebody"), task="regress").interface
    assert (interface.channels, interface.rate_hz) == (("channel0", "channel1", "channel2"), None)


@pytest.mark.parametrize(
    "changed",
    [
        {"channels": '["ax"'},
        {"channels": '"axy"'},
        {"channels": "[1, 2, 3]"},
        {"channels": "[" * 100_000},
        {"channels": '["ax", "ay"]'},
        {"channels": '["ax", "ax", "az"]'},
        {"outputs": '["az", "gone"]'},
        {"task": '"dance"'},
        {"task": "[]"},
        {"window": "-3"},
        {"window": '"8"'},
        {"window": "true"},
        {"horizon": "1.5"},
        {"rate_hz": "NaN"},
        {"rate_hz": "-1"},
        {"anomaly": "{}"},
        {"anomaly": '{"smoothing": 7, "threshold": 1, "quantile": 1}'},
        {"front_end": "[]"},
        {"channels": json.dumps(["a" * 2**21])},
    ],
    ids=lambda changed: str(changed)[:40],
)
def test_properties_that_are_not_what_we_write_are_one_line(tmp_path, changed):
    """Exit code 2."""
    refused(with_properties(tmp_path / "m.onnx", **changed), "-o", tmp_path / "m.safetensors")


@pytest.mark.parametrize("name", ["numbers", "fastgrnn"])
@pytest.mark.parametrize("seed", range(40))
def test_damage_never_ends_in_a_traceback(tmp_path, seed, name):
    """Random bytes changed: imported, or refused in one line."""
    content = bytearray(onnx_model(MODELS[name]))
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, len(content), 12):
        content[place] = rng.integers(0, 256)
    (tmp_path / "m.onnx").write_bytes(content)
    done = run(tmp_path / "m.onnx", "--no-compare", "-q", "-o", tmp_path / "m.safetensors")
    assert done.exit_code in (0, 2), done.exception
    assert done.exit_code == 0 or done.stderr.count("\n") == 1


def test_numbers_that_are_none_are_refused(tmp_path):
    """A signalling NaN among the biases of a GRU, over which NumPy would warn."""
    model = onnx.load(written(MODELS["gru"], tmp_path / "m.onnx"))
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "layer0/B")
    bias.raw_data = b"\x01\x00\xa0\x7f" + bias.raw_data[4:]
    onnx.save(model, tmp_path / "m.onnx")
    assert "not finite" in refused(tmp_path / "m.onnx", "-o", tmp_path / "m.safetensors")


# ---- files like it ----

FEATURES, UNITS, STEPS, BATCH = 3, 5, 7, 4
RNG = np.random.default_rng(8)


def save(path: Path, around: Any, constants: Any = (), states: Any = None, x: Any = (None, None, FEATURES)) -> Path:
    """A GRU of the samples ``s`` and the state ``h``, and a head, between the nodes before and behind it."""
    before, behind = around
    gru = helper.make_node("GRU", ["s", "W", "R", "B", "", "h"], ["Y", "h_new"], name="gru", hidden_size=UNITS)
    nodes = [gru, helper.make_node("Squeeze", ["Y", "one"], ["z"]), helper.make_node("MatMul", ["z", "V"], ["m"])]
    shapes = {"W": (1, 3 * UNITS, FEATURES), "R": (1, 3 * UNITS, UNITS), "B": (1, 6 * UNITS), "V": (UNITS, 2)}
    held = {name: RNG.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)]
    for name, shape in (states or {"h": (1, None, UNITS)}).items():
        inputs.insert(0, helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    graph = helper.make_graph(
        [*before, *nodes, *behind],
        "net",
        inputs,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("y", "h_new")],
        [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in (held | {"one": [1]} | dict(constants)).items()
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), path)
    return path


def op(kind: str, *inputs: str, to: str) -> Any:
    return helper.make_node(kind, list(inputs), [to], name=f"{kind.lower()}_{to}")


def floats(*values: float) -> Any:
    return np.array(values, np.float32)


PLAIN = [op("Identity", "x", to="s")], [op("Identity", "m", to="y")]
SCALED = {
    "sub div": ([op("Sub", "x", "a", to="t"), op("Div", "t", "b", to="s")], [3, 4, 5], [2, 0.5, 1.5]),
    "div sub": ([op("Div", "x", "b", to="t"), op("Sub", "t", "a", to="s")], [6, 2, 7.5], [2, 0.5, 1.5]),
    "mul add": ([op("Mul", "x", "b", to="t"), op("Add", "a", "t", to="s")], [-1.5, -8, -10 / 3], [0.5, 2, 2 / 3]),
    "one number": ([op("Sub", "x", "n", to="t"), op("Div", "t", "n", to="s")], [2, 2, 2], [2, 2, 2]),
    "with ones before": ([op("Sub", "x", "wide", to="s")], [3, 4, 5], [1, 1, 1]),
}
CONSTANTS = {"a": floats(3, 4, 5), "b": floats(2, 0.5, 1.5), "n": floats(2), "wide": floats(3, 4, 5).reshape(1, 1, 3)}


def compared(path: Path) -> FloatModel:
    """The import, which the command found equal to onnxruntime."""
    done = run(path, "-o", path.with_suffix(".safetensors"), "--task", "regress", "--json", "-q")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["compared"]["runtime"] == "onnxruntime"
    model = load_model(path.with_suffix(".safetensors"))
    assert isinstance(model, FloatModel)
    return model


@pytest.mark.parametrize("name", SCALED)
def test_a_scaling_before_the_layers_becomes_that_of_the_channels(tmp_path, name):
    """In whatever order it is written."""
    before, offset, scale = SCALED[name]
    scaling = compared(save(tmp_path / "m.onnx", (before, PLAIN[1]), CONSTANTS)).interface.scaling
    assert np.allclose(scaling.offset, offset, rtol=1e-6)
    assert np.allclose(scaling.scale, scale, rtol=1e-6)


@pytest.mark.parametrize(
    ("behind", "offset", "scale"),
    [
        ([op("Mul", "m", "b", to="t"), op("Add", "t", "a", to="y")], [3, 4], [2, 0.5]),
        ([op("Div", "m", "b", to="t"), op("Sub", "t", "a", to="y")], [-3, -4], [0.5, 2]),
        ([op("Sub", "m", "a", to="t"), op("Mul", "t", "n", to="y")], [-6, -8], [2, 2]),
        ([op("Mul", "m", "minus", to="y")], [0, 0], [1, 1]),
        ([op("Add", "m", "a", to="y")], [0, 0], [1, 1]),
    ],
    ids=["mul add", "div sub", "sub mul", "minus", "add"],
)
def test_a_scaling_behind_the_head_becomes_that_of_the_targets(tmp_path, behind, offset, scale):
    """Of numbers; a shift alone, and a sign, are in the head's weights."""
    constants = {"a": floats(3, 4), "b": floats(2, 0.5), "n": floats(2), "minus": floats(-1, 2)}
    targets = compared(save(tmp_path / "m.onnx", (PLAIN[0], behind), constants)).interface.target_scaling
    assert np.allclose(targets.offset, offset)
    assert np.allclose(targets.scale, scale)


@pytest.mark.parametrize("last", ["Softmax", "Sigmoid"])
def test_a_scaling_before_probabilities_is_in_the_weights(tmp_path, last):
    """Labels have no units."""
    behind = [op("Mul", "m", "b", to="t"), op("Add", "t", "a", to="u"), op(last, "u", to="y")]
    constants = {"a": floats(3, 4), "b": floats(2, 0.5)}
    if last == "Sigmoid":
        constants |= {"V": RNG.normal(0, 1, (UNITS, 1)).astype(np.float32), "a": floats(3), "b": floats(2)}
    done = run(save(tmp_path / "m.onnx", (PLAIN[0], behind), constants), "-o", tmp_path / "m.safetensors")
    assert done.exit_code == 0, done.stderr
    assert "equal to onnxruntime" in done.stdout
    targets = load_model(tmp_path / "m.safetensors").interface.target_scaling
    assert targets.kind == "none"


STATES = {
    "free": {"h": (1, None, UNITS)},
    "named": {"h": (1, "batch", UNITS)},
    "of a fixed batch": {"h": (1, BATCH, UNITS)},
    "of several layers": {"all_h": (2, None, UNITS)},
}


@pytest.mark.parametrize("name", STATES)
def test_states_that_are_inputs_begin_at_zero(tmp_path, name):
    """However their shapes are written, before the samples in the list of inputs; also a slice of one."""
    before, constants = PLAIN[0], {}
    if name == "of several layers":
        before = [*before, op("Slice", "all_h", "from", "to", "axis", to="h")]
        constants = {"from": np.array([0]), "to": np.array([1]), "axis": np.array([0])}
    compared(save(tmp_path / "m.onnx", (before, PLAIN[1]), constants, STATES[name]))


REFUSED = {
    "sign": ([op("Mul", "x", "minus", to="s")], PLAIN[1], "turns the sign of a channel"),
    "zero": ([op("Div", "x", "zero", to="s")], PLAIN[1], "scales by zero"),
    "from a constant": ([op("Sub", "n", "x", to="s")], PLAIN[1], "is no scaling by constants"),
    "by another input": ([op("Mul", "x", "x", to="s")], PLAIN[1], "is no scaling by constants"),
    "along time": ([op("Mul", "x", "tall", to="s")], PLAIN[1], "along the last axis"),
    "of other channels": ([op("Sub", "x", "five", to="s")], PLAIN[1], "takes 3 numbers a step but is given 5"),
    "of other outputs": (PLAIN[0], [op("Mul", "m", "five", to="y")], "takes 5 numbers a step but is given 2"),
    "state of the samples": ([op("Mul", "h", "n", to="s")], PLAIN[1], "initial_h"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_scaling_is_refused_by_name(tmp_path, name):
    """One line, exit code 2."""
    before, behind, says = REFUSED[name]
    constants = {
        **{"minus": floats(1, -1, 1), "zero": floats(1, 0, 1), "n": floats(2), "five": floats(1, 2, 3, 4, 5)},
        "tall": np.ones((STEPS, 1, 1), np.float32),
    }
    path = save(tmp_path / "m.onnx", (before, behind), constants)
    assert says in refused(path, "-o", tmp_path / "m.safetensors", "--task", "regress")


def test_a_scaling_of_hidden_states_is_in_the_weights_behind_it(tmp_path):
    """Between layer and head: the head takes it in, and the command compares."""
    nodes = [op("Identity", "x", to="s")], [op("Mul", "z", "n", to="w"), op("MatMul", "w", "V", to="y")]
    done = run(save(tmp_path / "m.onnx", nodes, {"n": floats(2)}), "-o", tmp_path / "m.safetensors")
    assert done.exit_code == 0, done.stderr
    assert "equal to onnxruntime" in done.stdout


def changed_scan(path: Path, change: Any) -> Path:
    """The file of a FastGRNN whose Scan and body ``change(scan, body)`` has edited."""
    model = onnx.load(written(MODELS["fastgrnn"], path))
    scan = next(each for each in model.graph.node if each.op_type == "Scan")
    change(scan, next(attribute.g for attribute in scan.attribute if attribute.name == "body"))
    onnx.save(model, path)
    return path


def of_kind(kind: str, to: str, place: int = 0) -> Any:
    """Another operator in the place of one in the body."""

    def change(scan: Any, body: Any) -> None:
        [each for each in body.node if each.op_type == kind][place].op_type = to

    return change


def with_inputs(name: str, *inputs: str) -> Any:
    def change(scan: Any, body: Any) -> None:
        found = next(each for each in body.node if each.name.endswith(f"/{name}"))
        found.input[:] = [f"layer0/{each}" for each in inputs]

    return change


def with_constant(name: str, values: Any) -> Any:
    def change(scan: Any, body: Any) -> None:
        found = next(each for each in body.initializer if each.name.endswith(f"/{name}"))
        found.CopyFrom(numpy_helper.from_array(np.asarray(values, np.float32), found.name))

    return change


def backwards(scan: Any, body: Any) -> None:
    scan.attribute.append(helper.make_attribute("scan_input_directions", [1]))


def without_body(scan: Any, body: Any) -> None:
    del scan.attribute[:]


def started(scan: Any, body: Any) -> None:
    scan.input[0] = "x_scaled"


OTHER_SCANS = {
    "relu": (of_kind("Tanh", "Relu"), "is a program, not a layer"),
    "difference": (of_kind("Add", "Sub", place=-1), "is a program, not a layer"),
    "gate of another sum": (with_inputs("z_pre", "step/over_x", "b_z"), "is a program, not a layer"),
    "candidate kept": (with_inputs("kept", "step/z", "step/n"), "is a program, not a layer"),
    "bias of the gate twice": (with_inputs("n_pre", "step/shared", "b_z"), None),
    "other one": (with_constant("one", [2]), "is a program, not a layer"),
    "zeta of each": (with_constant("zeta", np.full(7, 0.5)), "is a program, not a layer"),
    "zeta beyond": (with_constant("zeta", [1.5]), "FASTGRNN zeta is 1.5; expected a number in 0..1"),
    "no number": (with_constant("nu", [np.nan]), "FASTGRNN nu is nan"),
    "kernel of others": (with_constant("W", np.ones((3, 6))), "W, R and its biases have shapes (3, 6), (7, 7), (7,)"),
    "no matrix": (with_constant("R", np.ones(7)), "W, R and its biases have shapes"),
    "bias": (with_constant("b_n", np.ones(6)), "W, R and its biases have shapes"),
    "told otherwise": (of_kind("Identity", "Neg"), "is a program, not a layer"),
    "backwards": (backwards, "is a program, not a layer"),
    "nothing": (without_body, "is a program, not a layer"),
    "started": (started, "initial_h is not zero"),
}


@pytest.mark.parametrize("name", OTHER_SCANS)
def test_a_scan_that_is_not_what_we_write_is_refused(tmp_path, name):
    """By one other operator, operand, constant or attribute. One tensor may serve twice: that is a FastGRNN, too."""
    change, says = OTHER_SCANS[name]
    path = changed_scan(tmp_path / "m.onnx", change)
    if says is None:
        bias = model_in(path).layers[0].bias
        assert np.array_equal(bias[0], bias[1])
        return
    assert says in refused(path, "-o", tmp_path / "m.safetensors")


def test_the_example_model_is_lstm(tmp_path):
    """As files were before there were other cells."""
    model = float_model(3, (8, 4), 2)
    assert_same(model_in(written(model, tmp_path / "m.onnx")), model)
