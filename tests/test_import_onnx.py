"""ONNX files become the same network: layouts, biases, heads, what surrounds them. The rest is refused by name."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from import_runs import model_in, refused, run
from onnx import TensorProto, helper, numpy_helper

from edge_lstm.importers.cells import Choice
from edge_lstm.importers.compare import BOUND

FEATURES, UNITS, STEPS, BATCH, OUTPUTS = 3, 5, 7, 4, 2
RNG = np.random.default_rng(5)
BATCH_FIRST, TIME_FIRST = (BATCH, STEPS, FEATURES), (STEPS, BATCH, FEATURES)


GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
CELLS: dict[str, tuple[str, dict[str, Any]]] = {
    "LSTM": ("LSTM", {}),
    "GRU, reset before": ("GRU", {"linear_before_reset": 0}),
    "GRU, reset after": ("GRU", {"linear_before_reset": 1}),
    "RNN": ("RNN", {}),
}
"""Name → operator and attributes."""


def weights(
    features: int = FEATURES, units: int = UNITS, bias: bool = True, name: str = "", kind: str = "LSTM"
) -> dict[str, Any]:
    """W, R and B of a layer, their names ended by ``name``."""
    rows = GATES[kind] * units
    shapes = {"W": (1, rows, features), "R": (1, rows, units), "B": (1, 2 * rows)}
    return {
        f"{key}{name}": RNG.normal(0, 0.5, shape).astype(np.float32)
        for key, shape in shapes.items()
        if bias or key != "B"
    }


def head(transposed: bool = True) -> dict[str, Any]:
    shape = (OUTPUTS, UNITS) if transposed else (UNITS, OUTPUTS)
    return {
        "V": RNG.normal(0, 1, shape).astype(np.float32),
        "c": RNG.normal(0, 1, OUTPUTS).astype(np.float32),
    }


def save(path: Path, nodes: Any, constants: dict[str, Any], shape: Any, outputs: Any = ("y",), opset: int = 14) -> Path:
    """A file of one input x and outputs of any shape."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


def layer(
    kind: str,
    x: str = "x",
    outputs: Any = ("Y", "h"),
    name: str = "",
    bias: bool = True,
    more: Any = (),
    **options: Any,
):
    inputs = [x, f"W{name}", f"R{name}", f"B{name}" if bias else "", *more]
    return helper.make_node(kind, inputs, list(outputs), name=f"{kind.lower()}{name}", hidden_size=UNITS, **options)


def lstm(x: str = "x", outputs: Any = ("Y", "h", "c_"), name: str = "", **options: Any):
    return layer("LSTM", x, outputs, name, **options)


def node(kind: str, inputs: str, output: str, **options: Any) -> Any:
    return helper.make_node(kind, inputs.split(), [output], name=f"{kind.lower()}_{output}", **options)


GEMM = node("Gemm", "z V c", "y", transB=1)
MATMUL = [node("MatMul", "z V", "m"), node("Add", "m c", "y")]


def heads() -> dict[str, tuple[list[Any], dict[str, Any]]]:
    """What may follow the last hidden states z (batch, features)."""
    return {
        "gemm": ([GEMM], head()),
        "gemm, scaled": ([node("Gemm", "z V c", "y", alpha=0.5, beta=2.0)], head(transposed=False)),
        "gemm without bias": ([node("Gemm", "z V", "y", transB=1)], head()),
        "matmul": (MATMUL, head(transposed=False)),
        "matmul without bias": ([node("MatMul", "z V", "y")], head(transposed=False)),
        "bias first": ([MATMUL[0], node("Add", "c m", "y")], head(transposed=False)),
        "softmax": ([node("Gemm", "z V c", "a", transB=1), node("Softmax", "a", "y", axis=1)], head()),
        "none": ([node("Identity", "z", "y")], {}),
        "batch normalisation": (
            [
                node("BatchNormalization", "z gain shift mean variance", "n", epsilon=0.01),
                node("Gemm", "n V c", "y", transB=1),
            ],
            {**head(), **batch_statistics()},
        ),
    }


def batch_statistics() -> dict[str, Any]:
    values = {name: RNG.normal(0, 0.5, UNITS) for name in ("shift", "mean")}
    values |= {name: RNG.uniform(0.3, 3, UNITS) for name in ("gain", "variance")}
    return {name: value.astype(np.float32) for name, value in values.items()}


@pytest.mark.parametrize(("name", "bias"), [*itertools.product(heads(), (True, False))])
def test_an_import_computes_what_the_runtime_computes(tmp_path, name, bias):
    """With biases and without, every head behind the last hidden state; the command compares."""
    behind, constants = heads()[name]
    nodes = [lstm(bias=bias), node("Squeeze", "h one", "z"), *behind]
    constants = constants | weights(bias=bias) | {"one": [0]}
    assert compared(save(tmp_path / "m.onnx", nodes, constants, (None, None, FEATURES))) == "onnxruntime"


def compared(path: Path) -> str:
    """Which runtime the command compared with, and it must have: the outputs are within the bound."""
    done = run(path, "-o", path.with_suffix(".safetensors"), "--json", "-q")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)["compared"]
    assert found["error"] <= BOUND
    return str(found["runtime"])


@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize(("cell", "layout", "bias"), [*itertools.product(CELLS, (0, 1), (True, False))])
def test_each_operator_computes_what_a_runtime_computes(tmp_path, cell, layout, bias, every):
    """Both layouts, with biases and without, every step or the last. Layout 1 has one runtime, that of onnx itself."""
    kind, options = CELLS[cell]
    made = layer(kind, bias=bias, layout=layout, **options)
    nodes = [made, node("Squeeze", f"{'Y' if every else 'h'} one", "z"), *MATMUL]
    place = (2 if layout else 1) if every else (1 if layout else 0)
    constants = weights(bias=bias, kind=kind) | head(transposed=False) | {"one": [place]}
    path = save(tmp_path / "m.onnx", nodes, constants, (None, None, FEATURES))
    assert compared(path) == ("onnx.reference" if layout else "onnxruntime")
    (imported,) = model_in(path).layers
    assert imported.cell == kind.lower()
    assert getattr(imported, "reset_after", None) == {"GRU, reset before": False, "GRU, reset after": True}.get(cell)


@pytest.mark.parametrize("layout", [0, 1])
def test_an_rnn_that_rectifies_is_taken(tmp_path, layout):
    """onnxruntime computes it; the evaluator of onnx, which alone has layout 1, has no Relu there, and that is said."""
    rectified = layer("RNN", layout=layout, activations=["Relu"])
    nodes = [rectified, node("Squeeze", "Y one", "z"), *MATMUL]
    constants = weights(kind="RNN") | head(transposed=False) | {"one": [2 if layout else 1]}
    path = save(tmp_path / "m.onnx", nodes, constants, (None, None, FEATURES))
    done = run(path, "-o", tmp_path / "m.safetensors", "--json", "-q")
    found = json.loads(done.stdout)["compared"]
    assert "Unknown activation" in found["not_run"] if layout else found["error"] <= BOUND
    (imported,) = model_in(path).layers
    assert (imported.cell, imported.activation) == ("rnn", "relu")


@pytest.mark.parametrize("layout", [0, 1])
def test_peepholes_are_taken(tmp_path, layout):
    """In ONNX's order i, o, f; where all are 0 the LSTM is a plain one."""
    nodes = [lstm(more=("", "", "", "Q"), layout=layout), node("Squeeze", "Y one", "z"), *MATMUL]
    peephole = RNG.normal(0, 0.5, (1, 3 * UNITS)).astype(np.float32)
    constants = weights() | head(transposed=False) | {"one": [2 if layout else 1]}
    path = save(tmp_path / "m.onnx", nodes, constants | {"Q": peephole}, (None, None, FEATURES))
    assert compared(path) == ("onnx.reference" if layout else "onnxruntime")
    (imported,) = model_in(path).layers
    assert np.array_equal(imported.peephole[[0, 2, 1]].ravel(), peephole.ravel())
    path = save(tmp_path / "plain.onnx", nodes, constants | {"Q": 0 * peephole}, (None, None, FEATURES))
    assert model_in(path).layers[0].cell == "lstm"


@pytest.mark.parametrize(("bias", "every"), [*itertools.product((True, False), (True, False))])
def test_a_forget_gate_that_is_one_minus_the_input_gate_is_in_the_weights(tmp_path, bias, every):
    """``input_forget``: onnxruntime computes it so."""
    nodes = [lstm(bias=bias, input_forget=1), node("Squeeze", f"{'Y' if every else 'h'} one", "z"), *MATMUL]
    constants = weights(bias=bias) | head(transposed=False) | {"one": [int(every)]}
    path = save(tmp_path / "m.onnx", nodes, constants, (None, None, FEATURES))
    assert compared(path) == "onnxruntime"
    layer_ = model_in(path).layers[0]
    for array in (layer_.kernel, layer_.recurrent, layer_.bias):
        assert np.array_equal(array[1], -array[0])
    assert "its forget gate 1 minus its input gate" in run(path, "--check").stdout


def test_a_coupled_gate_that_no_runtime_computes_is_said_to_be_not_compared(tmp_path):
    """In layout 1: onnxruntime has not the layout, and the evaluator of onnx passes over the attribute."""
    nodes = [lstm(layout=1, input_forget=1), node("Squeeze", "h one", "z"), *MATMUL]
    constants = weights() | head(transposed=False) | {"one": [1]}
    path = save(tmp_path / "m.onnx", nodes, constants, (None, None, FEATURES))
    done = run(path, "-o", tmp_path / "m.safetensors", "-q")
    assert done.exit_code == 0, done.stderr
    assert "not compared: no runtime has input_forget in layout 1" in done.stdout


@pytest.mark.parametrize("cells", [*itertools.permutations(CELLS, 3)], ids="-".join)
def test_operators_follow_each_other_in_any_order(tmp_path, cells):
    """Three layers of three kinds."""
    nodes, constants, x = [], head(transposed=False) | {"one": [1]}, "x"
    for k, cell in enumerate(cells):
        kind, options = CELLS[cell]
        nodes += [layer(kind, x, (f"Y{k}",), str(k), **options), node("Squeeze", f"Y{k} one", f"s{k}")]
        constants |= weights(UNITS if k else FEATURES, name=str(k), kind=kind)
        x = f"s{k}"
    nodes += [node("MatMul", f"{x} V", "m"), MATMUL[1]]
    assert compared(save(tmp_path / "m.onnx", nodes, constants, (None, None, FEATURES))) == "onnxruntime"


@pytest.mark.parametrize("squash", ["Relu", "Tanh", "Sigmoid", "Identity"])
def test_dense_layers_before_the_head_are_layers(tmp_path, squash):
    """Gemm or MatMul and Add, before the layer and behind it, with what squashes."""
    nodes = [
        *(node("MatMul", "x D", "d"), node("Add", "d e", "f"), node(squash, "f", "g"), layer("RNN", "g")),
        *(
            node("Squeeze", "h one", "z"),
            node("Gemm", "z E e", "u"),
            node(squash, "u", "v"),
            node("Gemm", "v V c", "y"),
        ),
    ]
    more = {"D": (FEATURES, 4), "E": (UNITS, 4), "e": (4,), "V": (4, OUTPUTS), "c": (OUTPUTS,)}
    constants = {name: RNG.normal(0, 0.5, shape).astype(np.float32) for name, shape in more.items()}
    path = save(tmp_path / "m.onnx", nodes, constants | weights(4, kind="RNN") | {"one": [0]}, TIME_FIRST)
    assert compared(path) == "onnxruntime"
    wanted = "linear" if squash == "Identity" else squash.lower()
    made = model_in(path).layers
    assert [(one.cell, getattr(one, "activation", "")) for one in made] == [
        ("dense", wanted),
        ("rnn", "tanh"),
        ("dense", wanted),
    ]


def test_weights_that_are_not_the_originals_are_refused(tmp_path, monkeypatch):
    """A reset after the product taken for one before it ends in exit code 1."""
    from edge_lstm.importers import onnx_recurrent

    real, before = onnx_recurrent.cell_weights, Choice(reset_after=False)
    monkeypatch.setattr(onnx_recurrent, "cell_weights", lambda cell, rows, order, _: real(cell, rows, order, before))
    nodes = [layer("GRU", linear_before_reset=1), node("Squeeze", "h one", "z"), GEMM]
    path = save(tmp_path / "m.onnx", nodes, weights(kind="GRU") | head() | {"one": [0]}, TIME_FIRST)
    assert "onnxruntime computes other outputs" in refused(path, "-o", tmp_path / "m.safetensors", code=1)


def surroundings() -> dict[str, tuple[list[Any], dict[str, Any], Any, int]]:
    """Nodes around LSTMs as exporters write them, their constants, the input's shape and the opset."""
    to_time = node("Transpose", "x", "t", perm=[1, 0, 2])
    two = weights() | weights(UNITS, name="2")
    zeros = np.zeros((1, BATCH, UNITS), np.float32)
    grown = [
        node("ConstantOfShape", "sizes", "n"),
        node("Expand", "zero wide", "e"),
        lstm(more=("", "n", "e")),
        node("Squeeze", "h one", "z"),
        GEMM,
    ]
    return {
        "last step gathered": (
            [
                *(to_time, lstm("t"), node("Squeeze", "Y one", "s"), node("Transpose", "s", "b", perm=[1, 0, 2])),
                *(node("Gather", "b last", "z", axis=1), GEMM),
            ],
            weights() | head() | {"one": [1], "last": np.array(-1)},
            BATCH_FIRST,
            14,
        ),
        "gathered as a list": (
            [
                *(to_time, lstm("t"), node("Squeeze", "Y one", "s"), node("Gather", "s last", "g", axis=0)),
                *(node("Squeeze", "g front", "z"), GEMM),
            ],
            weights() | head() | {"one": [1], "last": [-1], "front": [0]},
            BATCH_FIRST,
            14,
        ),
        "two layers, every step": (
            [
                *(lstm(), node("Squeeze", "Y one", "s"), lstm("s", ("Y2",), "2"), node("Squeeze", "Y2 one", "z")),
                *MATMUL,
            ],
            two | head(transposed=False) | {"one": [1]},
            TIME_FIRST,
            14,
        ),
        "reshaped": (
            [lstm(), node("Transpose", "Y", "s", perm=[0, 2, 1, 3]), node("Reshape", "s shape", "z"), *MATMUL],
            weights() | head(transposed=False) | {"shape": [0, 0, -1]},
            TIME_FIRST,
            14,
        ),
        "axes as attributes": (
            [lstm(), helper.make_node("Squeeze", ["h"], ["z"], axes=[0]), GEMM],
            weights() | head(),
            TIME_FIRST,
            11,
        ),
        "defaults spelt out": (
            [
                lstm(direction="forward", activations=["Sigmoid", "Tanh", "Tanh"], input_forget=0),
                *(node("Squeeze", "h one", "z"), GEMM),
            ],
            weights() | head() | {"one": [0]},
            TIME_FIRST,
            14,
        ),
        "lengths of all steps": (
            [lstm(more=("lens",)), node("Squeeze", "h one", "z"), GEMM],
            weights() | head() | {"one": [0], "lens": np.full(BATCH, STEPS, np.int32)},
            TIME_FIRST,
            14,
        ),
        "zero states": (
            [lstm(more=("", "n", "n")), node("Squeeze", "h one", "z"), GEMM],
            weights() | head() | {"one": [0], "n": zeros},
            TIME_FIRST,
            14,
        ),
        "zero states that are computed": (
            grown,
            weights()
            | head()
            | {
                "one": [0],
                "sizes": [1, BATCH, UNITS],
                "wide": [1, BATCH, UNITS],
                "zero": np.zeros((1, 1, 1), np.float32),
            },
            TIME_FIRST,
            14,
        ),
    }


@pytest.mark.parametrize("name", surroundings())
def test_what_exporters_put_around_a_layer_is_followed(tmp_path, name):
    """Transposed, squeezed, gathered, reshaped: the outputs are the runtime's, by the command itself."""
    nodes, constants, shape, opset = surroundings()[name]
    path = save(tmp_path / "m.onnx", nodes, constants, shape, opset=opset)
    done = run(path, "-o", tmp_path / "m.safetensors", "--json", "-q")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["compared"]["error"] <= BOUND


def test_a_fixed_number_of_steps_is_the_window(tmp_path):
    """Also behind a transposition."""
    nodes, constants, shape, _ = surroundings()["last step gathered"]
    assert model_in(save(tmp_path / "m.onnx", nodes, constants, shape)).interface.task.window == STEPS


def test_the_states_as_further_outputs_are_passed_over(tmp_path):
    """A stream carries them itself; any other second output stands in the way."""
    nodes = [lstm(), node("Squeeze", "h one", "z"), GEMM, node("Relu", "z", "other")]
    constants = weights() | head() | {"one": [0]}
    assert run(save(tmp_path / "m.onnx", nodes, constants, TIME_FIRST, ("y", "h", "c_")), "--check").exit_code == 0
    path = save(tmp_path / "m.onnx", nodes, constants, TIME_FIRST, ("y", "other"))
    assert "is a second output" in refused(path, "-o", tmp_path / "m.safetensors")


def both(name: str, says: str, **options: Any) -> dict[str, tuple[Any, str]]:
    """A refusal of every operator."""
    return {f"{name}, {kind}": (layer(kind, **options), says) for kind in GATES}


REFUSED = {
    **both("reverse", "direction is reverse: a stream knows no future; train forwards", direction="reverse"),
    **both("clip", "clip is 3.0", clip=3.0),
    **both("sequence_lens", "sequence_lens [3, 3, 3, 3] end sequences before step 7", more=("lens",)),
    **both("lengths that are computed", "sequence_lens may end", more=("computed",)),
    **both("initial_h", "initial_h is not zero", more=("", "ones")),
    "elu": (layer("RNN", activations=["Elu"]), "activations is Elu: a cell here has Tanh or Relu; train it so"),
    "affine": (layer("RNN", activations=["Affine"], activation_alpha=[2.0]), "activations is Affine"),
    "gates of a GRU": (layer("GRU", activations=["HardSigmoid", "Tanh"]), "activations is HardSigmoid Tanh"),
    "candidate of a GRU": (layer("GRU", activations=["Sigmoid", "Relu"]), "a cell here has Sigmoid Tanh"),
    "linear_before_reset": (layer("GRU", linear_before_reset=2), "linear_before_reset is 2"),
    "input_forget of a GRU": (layer("GRU", input_forget=1), "input_forget is 1 of what is no LSTM"),
    "input_forget of peepholes": (
        lstm(more=("", "", "", "P"), input_forget=1),
        "input_forget is 1 of what is no LSTM without peepholes",
    ),
    "half of input_forget": (lstm(input_forget=2), "input_forget is 2: expected 0 or 1"),
    "activations": (lstm(activations=["HardSigmoid", "Tanh", "Tanh"]), "activations is HardSigmoid Tanh Tanh"),
    "initial_c": (lstm(more=("", "", "ones")), "initial_c is not zero"),
    "initial_h from the samples": (lstm(more=("", "x")), "initial_h is not zero"),
    "weights of another operator": (layer("GRU"), "expected (1, 3 units, features)"),
    "peepholes of another width": (lstm(more=("", "", "", "W")), "P has shape (1, 20, 3); expected (1, 15)"),
    "cell state": (lstm(outputs=("Y", "c_", "h")), "cell state"),
    "Loop": (node("Loop", "count true x", "h", body=helper.make_graph([], "body", [], [])), "is a program"),
    "Scan": (node("Scan", "x", "h", body=helper.make_graph([], "body", [], []), num_scan_inputs=1), "is a program"),
    "If": (
        node(
            "If",
            "x",
            "h",
            then_branch=helper.make_graph([], "a", [], []),
            else_branch=helper.make_graph([], "b", [], []),
        ),
        "chooses while it runs",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_cell_here_has_not_is_refused_by_name(tmp_path, name):
    """One line that names it, exit code 2."""
    made, says = REFUSED[name]
    kind = "LSTM" if made.op_type not in GATES or name == "weights of another operator" else made.op_type
    constants = weights(kind=kind) | head() | {"one": [0], "lens": np.full(BATCH, 3, np.int32)}
    constants |= {"ones": np.ones((1, BATCH, UNITS), np.float32), "count": np.array(3), "true": np.array(True)}
    computed = node("Size", "x", "computed")
    path = save(tmp_path / "m.onnx", [computed, made, node("Squeeze", "h one", "z"), GEMM], constants, TIME_FIRST)
    assert says in refused(path, "-o", tmp_path / "m.safetensors")


# ---- files made to hurt ----


def plain(path: Path, **changes: Any) -> Path:
    nodes = [lstm(), node("Squeeze", "h one", "z"), GEMM]
    return save(path, nodes, weights() | head() | {"one": [0]} | changes, TIME_FIRST)


def test_a_truncated_file_is_one_line(tmp_path):
    """Cut anywhere: a protobuf may end where it likes, and then lacks what comes later."""
    content = plain(tmp_path / "m.onnx").read_bytes()
    for k in range(0, 100, 3):
        (tmp_path / "cut.onnx").write_bytes(content[: len(content) * k // 100])
        refused(tmp_path / "cut.onnx", "-o", tmp_path / "m.safetensors")


@pytest.mark.parametrize("seed", range(60))
def test_damage_never_ends_in_a_traceback(tmp_path, seed):
    """Random bytes changed: imported, or refused in one line."""
    content = bytearray(plain(tmp_path / "m.onnx").read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, len(content), 8):
        content[place] = rng.integers(0, 256)
    (tmp_path / "m.onnx").write_bytes(content)
    done = run(tmp_path / "m.onnx", "--no-compare", "-q", "-o", tmp_path / "m.safetensors")
    assert done.exit_code in (0, 2), done.exception
    assert done.exit_code == 0 or done.stderr.count("\n") == 1


def test_a_name_that_is_no_text_is_one_line(tmp_path):
    """Protobuf gives bytes where it is not UTF-8."""
    path = plain(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes().replace(b"gemm_y", b"gem\xff_y"))
    assert "is no text" in refused(path, "--check")


def test_numbers_that_are_none_are_refused(tmp_path):
    """A NaN among the weights."""
    bad = weights()["W"]
    bad[0, 0, 0] = np.nan
    assert "not finite" in refused(plain(tmp_path / "m.onnx", W=bad), "-o", tmp_path / "m.safetensors")


def with_tensor(path: Path, change: Any) -> Path:
    """The plain file with its W changed."""
    model = onnx.load(plain(path))
    change(next(tensor for tensor in model.graph.initializer if tensor.name == "W"))
    path.write_bytes(model.SerializeToString())
    return path


def beside(location: str, length: int = 4 * 4 * UNITS * FEATURES, offset: int = 0) -> Any:
    def change(tensor: Any) -> None:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.dims.__setitem__(1, 10**6), "has 240 B, its shape"),
        (lambda t: t.dims.__setitem__(1, 10**9), "the limit is"),
        (lambda t: t.dims.__setitem__(1, -1), "export it as float32"),
        (lambda t: setattr(t, "data_type", TensorProto.STRING), "export it as float32"),
        (beside("../w.bin"), "outside the model's folder"),
        (beside("/etc/passwd"), "outside the model's folder"),
        (beside("link.bin"), "outside the model's folder"),
        (beside("w.bin", offset=8), "which has 240"),
        (beside("w.bin", length=10**10), "which has 240"),
        (beside("gone.bin"), "cannot be read"),
    ],
    ids=["shape", "huge", "negative", "text", "parent", "absolute", "link", "offset", "length", "gone"],
)
def test_a_tensor_that_lies_is_refused(tmp_path, change, says):
    """About its shape, its type or its place; what lies outside the folder is never opened."""
    (tmp_path / "w.bin").write_bytes(bytes(240))
    (tmp_path / "link.bin").symlink_to("/etc/passwd")
    assert says in refused(with_tensor(tmp_path / "m.onnx", change), "-o", tmp_path / "m.safetensors")


def test_weights_beside_the_file_are_read(tmp_path):
    """Within the model's folder, and of the size that is said."""
    real = onnx.load(plain(tmp_path / "m.onnx"))
    content = next(t for t in real.graph.initializer if t.name == "W").raw_data
    kept = model_in(tmp_path / "m.onnx").layers[0].kernel
    (tmp_path / "w.bin").write_bytes(b"12345678" + content)
    model = with_tensor(tmp_path / "n.onnx", beside("w.bin", offset=8))
    assert kept.shape == (4, UNITS, FEATURES)
    given = np.frombuffer(content, "<f4").reshape(4, UNITS, FEATURES)
    assert np.array_equal(model_in(model).layers[0].kernel, given[[0, 2, 3, 1]])


def test_without_onnx_the_extra_is_named(tmp_path, monkeypatch):
    """Exit code 3."""
    import sys

    plain(tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert "pip install 'edge-lstm[onnx]'" in refused(tmp_path / "m.onnx", "--check", code=3)
