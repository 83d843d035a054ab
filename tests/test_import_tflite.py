"""TFLite files become the same network: fused, in a loop, unrolled, float and int8. The rest is refused by name."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from import_runs import is_alike, model_in, refused, run
from models import calibrated, float_model, tflite_model
from step_models import step_cell_model

from edge_lstm.importers import compare, read, tflite_file
from edge_lstm.importers.network import network_of
from edge_lstm.integer import Quant
from edge_lstm.model import (
    DenseLayerWeights,
    FastGrnnWeights,
    GruWeights,
    LstmWeights,
    PeepholeLstmWeights,
    RnnWeights,
)
from edge_lstm.modelfile import load_model
from edge_lstm.tflite_schema import schema
from edge_lstm_calibration.quantise_step import quantise_step
from edge_lstm_export.tflite import float_tflite, fused_tflite, step_tflite
from edge_lstm_export.tflite.graph import ABSENT, Graph

CONVERTED = Path(__file__).with_name("converted")
FEATURES, UNITS, OUTPUTS, STEPS = 3, 5, 2, 4


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All models of Keras 3, converted by one TensorFlow."""
    folder = tmp_path_factory.mktemp("tflite")
    script = Path(__file__).with_name("tf_models.py")
    done = subprocess.run([sys.executable, script, "tflite", folder], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


# ---- what converters write ----


@pytest.mark.parametrize("name", ["last", "every", "sigmoid", "scaled", "step"])
def test_a_fused_lstm_of_the_converter_computes_what_keras_computes(name):
    """Two layers, every step or the last, softmax and sigmoid, a scaling; whole and step by step."""
    example = np.load(CONVERTED / f"{name}.npz")
    assert is_alike(CONVERTED / f"{name}.tflite", example["x"], example["y"])


@pytest.mark.parametrize(
    "name",
    [
        *("loop", "loop_every", "loop_without_bias", "loop_gru", "loop_gru_before", "loop_rnn", "loop_rnn_relu"),
        *("unrolled", "dense"),
    ],
)
def test_a_cell_of_plain_operators_computes_what_keras_computes(files, name):
    """Keras 3 converts to loops or unrolled steps alone: LSTM, GRU of both kinds, simple RNN."""
    example = np.load(files / f"{name}.npz")
    assert is_alike(files / f"{name}.tflite", example["x"], example["y"])


@pytest.mark.parametrize("name", ["last", "every", "int8", "int8_float_ends", "scaled"])
def test_the_command_compares_with_a_runtime(tmp_path, name):
    """LiteRT, in a process of its own; float to the last bits, int8 within the rounding of the original."""
    done = run(CONVERTED / f"{name}.tflite", "-o", tmp_path / "m.safetensors", "--json", "-q")
    assert done.exit_code == 0, done.stderr
    compared = json.loads(done.stdout)["compared"]
    assert (compared["runtime"], compared["rounded"]) == ("litert", "int8" in name)
    assert 0 <= compared["error"] <= (compare.ROUNDED_BOUND if "int8" in name else compare.BOUND)


def test_an_unrolled_int8_network_is_compared_within_its_rounding(files, tmp_path):
    """Its cell state is int8, so it is further away than a fused one."""
    done = run(files / "unrolled_int8.tflite", "-o", tmp_path / "m.safetensors", "-q")
    assert done.exit_code == 0, done.stderr
    assert "as near to litert as its rounding lets it be" in done.stdout


@pytest.mark.parametrize("name", ["last", "int8_float_ends"])
def test_weights_that_are_not_the_originals_are_refused(tmp_path, monkeypatch, name):
    """Two gates in each other's place are further away than any rounding: exit code 1, and nothing is written."""
    monkeypatch.setattr(tflite_file, "LstmWeights", lambda *arrays: LstmWeights(*(a[[0, 1, 3, 2]] for a in arrays)))
    assert "litert computes other outputs" in refused(
        CONVERTED / f"{name}.tflite", "-o", tmp_path / "m.safetensors", "-q", code=1
    )
    assert list(tmp_path.iterdir()) == []


def test_quantised_weights_say_their_scales_and_that_their_rounding_stays(tmp_path):
    """In the list of layers, and in a note; the input's codes too."""
    done = run(CONVERTED / "int8.tflite", "--check")
    assert done.exit_code == 0
    assert done.stdout.count("int8 of scales 0.00") == 3
    done = run(CONVERTED / "int8.tflite", "-o", tmp_path / "m.safetensors", "--no-compare")
    assert "the rounding of the original stays in them" in done.stderr
    assert "the input of the original is int8" in done.stderr


def test_a_fixed_number_of_steps_is_the_window_and_single_steps_are_a_stream(tmp_path):
    """As with the other formats; the converter's clip is said to be left out."""
    assert model_in(CONVERTED / "last.tflite").interface.task.window == 8
    assert model_in(CONVERTED / "step.tflite").interface.task.window is None
    assert "keeps its state between calls" in " ".join(read(CONVERTED / "step.tflite").notes)
    assert "cell_clip of 10 left out" in run(CONVERTED / "last.tflite", "--check").stdout


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("converted/backwards", "reads a sequence from its end"),
        ("converted/bidirectional", "a way through the sequence from its end"),
        ("converted/time_major", "is not (batch, steps, features)"),
        ("bidirectional", "a way through the sequence from its end"),
        ("relu", "no LSTM or GRU of tanh and sigmoid"),
        ("unrolled_gru", "an unrolled network that is no LSTM"),
    ],
)
def test_what_converters_write_and_cannot_be_taken_is_refused_by_name(files, tmp_path, name, says):
    """One line, exit code 2, nothing written."""
    folder = CONVERTED.parent if "/" in name else files
    assert says in refused(folder / f"{name}.tflite", "-o", tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


# ---- what we write ----


def test_our_own_float_file_comes_back_bit_for_bit(tmp_path):
    """Two layers and the head."""
    model, path = float_model(units=(6, 5), outputs=3), tmp_path / "m.tflite"
    path.write_bytes(float_tflite(model))
    found = network_of(read(path), path)
    for ours, theirs in zip((*found.layers, found.head), (*model.layers, model.head), strict=True):
        for name in ("kernel", "recurrent", "bias", "weights"):
            if hasattr(theirs, name):
                assert np.array_equal(getattr(ours, name), getattr(theirs, name))


def test_our_own_int8_file_comes_back_code_by_code(tmp_path):
    """Every weight is its code times its scale."""
    model, path = tflite_model(units=(6, 5)), tmp_path / "m.tflite"
    path.write_bytes(fused_tflite(model))
    for found, layer in zip(network_of(read(path), path).layers, model.layers, strict=True):
        codes = found.kernel / np.asarray(layer.kernel_scale, np.float32)[:, None, None]
        assert np.abs(codes - layer.kernel).max() < 1e-3  # float32 of a product
        codes = found.recurrent / np.asarray(layer.recurrent_scale, np.float32)[:, None, None]
        assert np.abs(codes - layer.recurrent).max() < 1e-3
    done = run(path, "-o", tmp_path / "m.safetensors", "--json")
    assert json.loads(done.stdout)["compared"]["error"] <= compare.ROUNDED_BOUND / 5
    assert "as the manifest of its bundle says" in done.stderr


def test_our_own_file_of_single_steps_comes_back_with_its_states_handed_in_and_out(tmp_path):
    """They are passed over, and carried in the comparison."""
    model, path = float_model(units=(6, 5), outputs=3), tmp_path / "m.tflite"
    path.write_bytes(step_tflite(quantise_step(model, calibrated(model))))
    done = run(path, "--check", "--json")
    rows = json.loads(done.stdout)["layers"]
    assert [r["kind"] for r in rows[:3]] == ["step of LSTM", "step of LSTM", "FULLY_CONNECTED"]
    assert {r["note"] for r in rows[3:]} == {"a state, which the stream carries itself"}
    done = run(path, "-o", tmp_path / "m.safetensors", "--json", "-q")
    assert json.loads(done.stdout)["compared"]["error"] <= compare.ROUNDED_BOUND


@pytest.mark.parametrize("stack", [["rnn relu"], ["lstm", "rnn relu", "rnn relu"], ["rnn relu", "lstm peephole"]])
def test_our_own_int8_steps_of_other_cells_come_back_near_the_original(tmp_path, stack):
    """One that rectifies, whose inputs are lifted above others, and one with peepholes; the runtime is near."""
    path = tmp_path / "m.tflite"
    path.write_bytes(step_tflite(step_cell_model([(kind, 6) for kind in stack])))
    done = run(path, "-o", tmp_path / "m.safetensors", "--json", "-q")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["cells"] == [{"rnn relu": "rnn", "lstm peephole": "lstm-peephole"}.get(kind, kind) for kind in stack]
    assert said["compared"]["error"] <= compare.ROUNDED_BOUND
    layers = load_model(tmp_path / "m.safetensors").layers
    assert [getattr(layer, "activation", "") for layer in layers] == ["relu" * (kind == "rnn relu") for kind in stack]


def cell(kind: str, features: int) -> Any:
    """A layer of 6 units."""
    rng = np.random.default_rng(len(kind))
    gates = {"lstm": 4, "lstm peephole": 4, "gru": 3, "gru_before": 3}.get(kind, 1)
    arrays = [rng.normal(0, 0.4, shape) for shape in ((gates, 6, features), (gates, 6, 6), (gates, 6))]
    if kind == "lstm peephole":
        return PeepholeLstmWeights(*arrays, rng.normal(0, 0.4, (3, 6)))
    if kind == "dense":
        return DenseLayerWeights(arrays[0], arrays[2], "relu")
    if kind == "rnn relu":
        return RnnWeights(*arrays, "relu")
    if kind == "fastgrnn":
        kernel, recurrent, bias = arrays
        return FastGrnnWeights(kernel, recurrent, np.concatenate([bias, bias - 0.3]), 0.83, 0.04)
    if kind == "gru":
        return GruWeights(*arrays, rng.normal(0, 0.4, 6))
    return GruWeights(*arrays, np.zeros(6), False) if gates == 3 else {4: LstmWeights, 1: RnnWeights}[gates](*arrays)


@pytest.mark.parametrize(
    "kinds",
    [
        *(["gru"], ["gru_before"], ["rnn"], ["rnn relu"], ["fastgrnn"], ["gru", "lstm"]),
        *(["lstm", "rnn", "rnn relu", "gru"], ["fastgrnn", "gru"], ["lstm peephole"], ["gru", "lstm peephole", "lstm"]),
        *(["dense", "gru"], ["lstm", "dense"], ["dense", "lstm", "dense", "gru"]),
    ],
)
def test_our_own_float_files_of_other_cells_come_back_bit_for_bit(tmp_path, kinds):
    """GRU of both kinds, simple RNN, FastGRNN, LSTM with peepholes, and stacks; the runtime agrees.

    A dense layer takes no state and gives one, so that others' are not at one place among the inputs and the outputs.
    """
    layers = tuple(cell(kind, 6 if k else 3) for k, kind in enumerate(kinds))
    path = tmp_path / "m.tflite"
    path.write_bytes(float_tflite(replace(float_model(units=(6,) * len(kinds)), layers=layers)))
    for ours, theirs in zip(network_of(read(path), path).layers, layers, strict=True):
        assert all(np.array_equal(getattr(ours, name), getattr(theirs, name)) for name in theirs.arrays)
        # The file holds ζ and ζ + ν in float32; every other number or choice comes back as it was.
        found, wanted = ({name: getattr(each, name) for name in theirs.numbers} for each in (ours, theirs))
        assert found == (pytest.approx(wanted, abs=2.0**-23) if theirs.cell == "fastgrnn" else wanted)
    done = run(path, "-o", tmp_path / "m.safetensors", "--json", "-q")
    assert json.loads(done.stdout)["compared"]["error"] <= compare.BOUND


@pytest.mark.parametrize("numbers", [(1.0, 0.0), (0.3, 0.0), (0.0, 1.0), (0.7, 0.3), (1.0, 1.0)])
def test_the_numbers_of_a_fastgrnn_come_back_as_numbers_in_their_limits(tmp_path, numbers):
    """ν is a difference of rounded numbers, and must not fall below 0."""
    layer, path = replace(cell("fastgrnn", 3), zeta=numbers[0], nu=numbers[1]), tmp_path / "m.tflite"
    path.write_bytes(float_tflite(replace(float_model(units=(6,)), layers=(layer,))))
    (found,) = network_of(read(path), path).layers
    assert (found.zeta, found.nu) == pytest.approx((layer.zeta, layer.nu), abs=2.0**-23)
    assert found.nu >= 0


@pytest.mark.parametrize("name", ["zeta", "zeta_and_nu"])
def test_a_fastgrnn_with_numbers_of_each_unit_is_refused(tmp_path, name):
    """A cell here has one for all."""
    layer, path = cell("fastgrnn", 3), tmp_path / "m.tflite"
    content = float_tflite(replace(float_model(units=(6,)), layers=(layer,)))
    values = np.full(6, layer.zeta if name == "zeta" else layer.zeta + layer.nu, np.float32)
    assert content.count(values.tobytes()) == 1
    path.write_bytes(content.replace(values.tobytes(), (values + np.arange(6, dtype=np.float32) / 100).tobytes()))
    assert "no LSTM of plain gates" in refused(path, "-o", tmp_path / "m.safetensors")


# ---- files built here ----


def fused(path: Path, change: Any = None, weights: Any = np.float32, **options: Any) -> Path:
    """A fused LSTM and its head; ``change(operands, graph)`` edits the operands of the LSTM."""
    rng = np.random.default_rng(0)
    graph = Graph("test")
    x = graph.tensor("x", np.float32, (1, STEPS, FEATURES))

    def constant(name: str, shape: tuple[int, ...], dtype: Any = np.float32) -> int:
        values = rng.normal(0, 0.5, shape)
        if dtype is np.int8:
            return graph.tensor(name, np.int8, shape, Quant(0.01), np.rint(values / 0.01).astype(np.int8))
        return graph.tensor(name, dtype, shape, data=values.astype(dtype))

    kernel = [constant(f"W{k}", (UNITS, FEATURES), weights) for k in range(4)]
    recurrent = [constant(f"R{k}", (UNITS, UNITS), weights) for k in range(4)]
    bias = [constant(f"b{k}", (UNITS,)) for k in range(4)]
    state = [graph.tensor(name, np.float32, (1, UNITS), variable=True) for name in "hc"]
    operands = [x, *kernel, *recurrent, *[ABSENT] * 3, *bias, *[ABSENT] * 2, *state, *[ABSENT] * 4]
    if change:
        change(operands, graph)
    settings = schema().UnidirectionalSequenceLSTMOptionsT()
    settings.fusedActivationFunction = schema().ActivationFunctionType.TANH
    for name, value in options.items():
        setattr(settings, name, value)
    hidden = graph.tensor("hidden", np.float32, (1, STEPS, UNITS))
    graph.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", operands, [hidden], 1, settings)
    dense = schema().FullyConnectedOptionsT()
    dense.keepNumDims = True
    y = graph.tensor("y", np.float32, (1, STEPS, OUTPUTS))
    head = [constant("V", (OUTPUTS, UNITS)), constant("v", (OUTPUTS,))]
    graph.operator("FULLY_CONNECTED", [hidden, *head], [y], 5, dense)
    graph.finish([x], [y])
    path.write_bytes(graph.serialise())
    return path


def extra(*places: int, shape: tuple[int, ...] = (UNITS,)) -> Any:
    """A further operand at each of these places."""

    def change(operands: list[int], graph: Graph) -> None:
        for place in places:
            operands[place] = graph.tensor(f"extra{place}", np.float32, shape, data=np.ones(shape, np.float32))

    return change


def without(*places: int) -> Any:
    def change(operands: list[int], graph: Graph) -> None:
        for place in places:
            operands[place] = ABSENT

    return change


def other(place: int, **tensor: Any) -> Any:
    """The operand at this place as another tensor."""

    def change(operands: list[int], graph: Graph) -> None:
        operands[place] = graph.tensor("other", **({"dtype": np.float32} | tensor))

    return change


VARIANTS = {
    "half of its peepholes": (extra(9, 11), {}, "has peepholes in some of its gates"),
    "peepholes of another width": (extra(9, 10, 11, shape=(3,)), {}, "peephole of gate 0 has shape (3,)"),
    "projection": (extra(16, shape=(3, UNITS)), {}, "has a projection"),
    "layer norm": (extra(20, 21, 22, 23), {}, "layer normalisation in its gates"),
    "half an input gate": (without(1), {}, "has half an input gate"),
    "an input gate of its bias": (without(1, 5), {}, "has half an input gate"),
    "relu": (None, {"fusedActivationFunction": 1}, "squashes with relu"),
    "clip": (None, {"cellClip": 3.0}, "clips its cell at 3"),
    "time major": (None, {"timeMajor": True}, "is not (batch, steps, features)"),
    "state from outside": (other(18, shape=(1, UNITS)), {}, "is given its state from outside"),
    "computed weights": (other(2, shape=(UNITS, FEATURES)), {}, "W of gate 1 is computed while it runs"),
    "text": (other(2, dtype=np.int64, shape=(2,), data=[1, 2]), {}, "W of gate 1 has shape (2,)"),
    "no scale": (
        other(2, dtype=np.int8, shape=(UNITS, FEATURES), data=np.ones((UNITS, FEATURES))),
        {},
        "is of INT8 without a scale",
    ),
    "nan": (other(2, shape=(UNITS, FEATURES), data=np.full((UNITS, FEATURES), np.nan)), {}, "not finite"),
    "another width": (other(2, shape=(UNITS, 7), data=np.ones((UNITS, 7))), {}, "W of gate 1 has shape (5, 7)"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_of_the_cell_is_refused_by_name(tmp_path, name):
    """By the operands that are there, and the options."""
    change, options, says = VARIANTS[name]
    assert says in refused(fused(tmp_path / "m.tflite", change, **options), "-o", tmp_path / "m.safetensors")


@pytest.mark.parametrize("weights", [np.float32, np.int8])
def test_a_plain_one_and_one_of_int8_weights_with_float_numbers_are_taken(tmp_path, weights):
    """The second quantises its inputs while it runs (hybrid), so that it is near and no more."""
    done = run(fused(tmp_path / "m.tflite", weights=weights), "-o", tmp_path / "m.safetensors", "--json", "-q")
    assert done.exit_code == 0, done.stderr
    error = json.loads(done.stdout)["compared"]["error"]
    assert error <= compare.BOUND if weights is np.float32 else compare.BOUND < error <= compare.ROUNDED_BOUND


def test_peepholes_of_a_fused_lstm_are_taken(tmp_path):
    """Of i and f, which see the cell, and of o, which sees the new one: as the runtime has it."""
    rng = np.random.default_rng(4)
    peephole = rng.normal(0, 0.5, (3, UNITS)).astype(np.float32)

    def change(operands: list[int], graph: Graph) -> None:
        for k, values in enumerate(peephole):
            operands[9 + k] = graph.tensor(f"P{k}", np.float32, (UNITS,), data=values)

    path = fused(tmp_path / "m.tflite", change)
    done = run(path, "-o", tmp_path / "m.safetensors", "--json", "-q")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["compared"]["error"] <= compare.BOUND
    (layer,) = model_in(path).layers
    assert np.array_equal(layer.peephole, peephole)
    assert f"{UNITS} units, peepholes" in run(path, "--check").stdout


@pytest.mark.parametrize("weights", [np.float32, np.int8])
def test_an_input_gate_that_is_one_minus_the_forget_gate_is_in_the_weights(tmp_path, weights):
    """CIFG: the operands of the input gate are absent, and LiteRT computes it so."""
    path = fused(tmp_path / "m.tflite", without(1, 5, 12), weights)
    done = run(path, "-o", tmp_path / "m.safetensors", "--json", "-q")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["compared"]["error"] <= (
        compare.BOUND if weights is np.float32 else compare.ROUNDED_BOUND
    )
    (layer,) = model_in(path).layers
    for array in (layer.kernel, layer.recurrent, layer.bias):
        assert np.array_equal(array[0], -array[1])
    assert "its input gate 1 minus its forget gate (CIFG)" in run(path, "--check").stdout


def test_weights_of_half_width_are_read_behind_their_dequantize(tmp_path):
    """As float16 conversion writes them."""

    def change(operands: list[int], graph: Graph) -> None:
        for place in range(1, 9):
            tensor = graph.main.tensors[operands[place]]
            values = np.frombuffer(graph.model.buffers[tensor.buffer].data, np.float32).reshape(tensor.shape)
            half = graph.tensor(f"half{place}", np.float16, tensor.shape, data=values.astype(np.float16))
            operands[place] = graph.tensor(f"wide{place}", np.float32, tensor.shape)
            graph.operator("DEQUANTIZE", [half], [operands[place]], 3)

    path = fused(tmp_path / "m.tflite", change)
    plain = model_in(fused(tmp_path / "plain.tflite"))
    assert np.abs(model_in(path).layers[0].kernel - plain.layers[0].kernel).max() < 1e-3  # of float16
    assert run(path, "-o", tmp_path / "m.safetensors").exit_code == 0


def test_a_head_over_all_steps_together_is_refused(tmp_path):
    """Flatten and Dense, which no stream can compute."""
    graph = Graph("test")
    x = graph.tensor("x", np.float32, (1, STEPS, FEATURES))
    weights = graph.tensor("V", np.float32, (2, STEPS * FEATURES), data=np.ones((2, STEPS * FEATURES)))
    y = graph.tensor("y", np.float32, (1, 2))
    flat = graph.tensor("flat", np.float32, (1, STEPS * FEATURES))
    shape = graph.tensor("shape", np.int32, (2,), data=[1, STEPS * FEATURES])
    graph.operator("RESHAPE", [x, shape], [flat])
    graph.operator("FULLY_CONNECTED", [flat, weights, ABSENT], [y], 1, schema().FullyConnectedOptionsT())
    graph.finish([x], [y])
    (tmp_path / "m.tflite").write_bytes(graph.serialise())
    assert "takes numbers of several steps together" in refused(tmp_path / "m.tflite", "-o", tmp_path / "m")


@pytest.mark.parametrize("begin", [0, 1, STEPS - 1, -1])
def test_a_slice_is_the_last_step_or_an_obstacle(tmp_path, begin):
    """Whatever the masks, by what comes out."""
    graph = Graph("test")
    x = graph.tensor("x", np.float32, (1, STEPS, FEATURES))
    y = graph.tensor("y", np.float32, (1, FEATURES))
    places = [
        graph.tensor(name, np.int32, (3,), data=value)
        for name, value in {"begin": [0, begin, 0], "end": [1, begin + 1, FEATURES], "stride": [1, 1, 1]}.items()
    ]
    options = schema().StridedSliceOptionsT()
    options.shrinkAxisMask = 2
    graph.operator("STRIDED_SLICE", [x, *places], [y], 1, options)
    graph.finish([x], [y])
    (tmp_path / "m.tflite").write_bytes(graph.serialise())
    said = run(tmp_path / "m.tflite", "--check").stdout
    assert ("picks other numbers than the last step" in said) == (begin not in (-1, STEPS - 1))


def test_without_the_extra_it_is_named(monkeypatch):
    """Exit code 3."""
    from edge_lstm.importers import tflite_graph

    tflite_graph.schema.cache_clear()
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    try:
        assert "pip install 'edge-lstm[tflite]'" in refused(CONVERTED / "last.tflite", "--check", code=3)
    finally:
        tflite_graph.schema.cache_clear()


# ---- files made to hurt ----


@pytest.mark.parametrize("name", ["last", "int8"])
def test_a_truncated_file_is_one_line(tmp_path, name):
    """Cut at every few hundredths. Its tables lie behind its weights, so none is whole."""
    content = (CONVERTED / f"{name}.tflite").read_bytes()
    for k in range(0, 100, 3):
        (tmp_path / "cut.tflite").write_bytes(content[: len(content) * k // 100])
        refused(tmp_path / "cut.tflite", "-o", tmp_path / "m.safetensors")


@pytest.mark.parametrize("seed", range(100))
@pytest.mark.parametrize("name", ["last", "int8", "loop"])
def test_damage_never_ends_in_a_traceback(files, tmp_path, name, seed):
    """Random bytes changed: imported, or refused in one line."""
    path = files / f"{name}.tflite" if name == "loop" else CONVERTED / f"{name}.tflite"
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, len(content), [3, 30][seed % 2]):
        content[place] = rng.integers(0, 256)
    (tmp_path / "x.tflite").write_bytes(content)
    done = run(tmp_path / "x.tflite", "--no-compare", "-q", "-o", tmp_path / "m.safetensors")
    assert done.exit_code in (0, 2), done.exception
    assert done.exit_code == 0 or done.stderr.count("\n") == 1


def claiming(path: Path, change: Any) -> Path:
    """The converter's file with its tables changed by ``change(model)``."""
    import flatbuffers

    s = schema()
    model = s.ModelT.InitFromObj(s.Model.GetRootAs((CONVERTED / "last.tflite").read_bytes(), 0))
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def _tensor(place: int, **values: Any) -> Any:
    """The tensor that is the first operator's operand of this place, with other values."""

    def change(model: Any) -> None:
        graph = model.subgraphs[0]
        for name, value in values.items():
            setattr(graph.tensors[graph.operators[0].inputs[place]], name, value)

    return change


def _in_circles(model: Any) -> None:
    graph = model.subgraphs[0]
    first, last = graph.operators[0], graph.operators[-1]
    first.inputs = [last.outputs[0], *first.inputs[1:]]


def _many(model: Any) -> None:
    graph = model.subgraphs[0]
    graph.operators = graph.operators * 6000


def _far(model: Any) -> None:
    for buffer in model.buffers:
        buffer.data, buffer.offset, buffer.size = None, 10**10, 10**10


HOSTILE = {
    "wide": (_tensor(5, shape=[10**6, 10**6]), "the limit is 4096 units"),
    "lying": (_tensor(1, shape=[6, 4]), "has 72 B, its shape (6, 4) takes 96"),
    "huge": (_tensor(1, shape=[2**30, 2**30]), "4,611,686,018,427,387,904 B, the limit is"),
    "negative": (_tensor(1, shape=[-6, 3]), "has shape (-6, 3)"),
    "no rank": (_tensor(0, shape=[]), "has shape ()"),
    "long": (_tensor(0, shape=[1, 2**30, 3]), "of no more than 4,194,304 numbers"),
    "buffer": (_tensor(1, buffer=10**6), "names buffer 1000000"),
    "type": (_tensor(1, type=5), "is of type STRING"),
    "circle": (_in_circles, "nothing leads from it"),
    "many": (_many, "the limit is 20,000"),
    "behind": (_far, "behind its tables"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_tables_that_lie_are_refused(tmp_path, name):
    """About shapes, types, places and numbers: one line, before anything is made."""
    change, says = HOSTILE[name]
    assert says in refused(claiming(tmp_path / "m.tflite", change), "-o", tmp_path / "m.safetensors")
