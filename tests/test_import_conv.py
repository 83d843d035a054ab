"""Causal convolutions in ONNX graphs, as exporters of PyTorch write them and as this project does; others by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from import_runs import model_in, refused, run
from safetensors.numpy import save_file
from test_import_onnx import BATCH, FEATURES, GEMM, STEPS, UNITS, head, lstm, node, save, weights

from edge_lstm.importers.torch_file import SUPPOSED_CAUSAL
from edge_lstm.model import ConvWeights
from edge_lstm.modelfile import load_model

RNG = np.random.default_rng(3)
SIZE = 3
SHAPE = (BATCH, STEPS, FEATURES)
LAST = node("Squeeze", "h first", "z")


def kernel(size: int = SIZE, units: int = 4) -> dict[str, Any]:
    return {
        "K": RNG.normal(0, 0.5, (units, FEATURES, size)).astype(np.float32),
        "k": RNG.normal(0, 0.5, units).astype(np.float32),
    }


def written(folder: Path, middle: list[Any], constants: dict[str, Any] | None = None, size: int = SIZE) -> Path:
    """x (batch, steps, features) → ``middle`` from ``t`` to ``s``, (batch, features, steps) both → an LSTM → a head."""
    nodes = [
        node("Transpose", "x", "t", perm=[0, 2, 1]),
        *middle,
        node("Transpose", "s", "u", perm=[2, 0, 1]),
        lstm("u"),
        LAST,
        GEMM,
    ]
    held = {**kernel(size), **weights(4), **head(), "first": np.array([0]), **(constants or {})}
    return save(folder / "m.onnx", nodes, held, SHAPE)


def conv(given: str, result: str, **options: Any) -> Any:
    return node("Conv", f"{given} K k", result, **options)


CAUSAL: dict[str, tuple[list[Any], dict[str, Any], int]] = {
    "pads of its own": ([conv("t", "s", pads=[SIZE - 1, 0])], {}, 3),
    "with relu": ([conv("t", "r", pads=[SIZE - 1, 0]), node("Relu", "r", "s")], {}, 3),
    "dilated": ([conv("t", "s", pads=[4, 0], dilations=[2])], {}, 5),
    "behind a Pad": ([node("Pad", "t front", "p"), conv("p", "s")], {"front": np.array([0, 0, SIZE - 1, 0, 0, 0])}, 3),
    "behind a Pad and with its own": (
        [node("Pad", "t front", "p"), conv("p", "s", pads=[1, 0])],
        {"front": np.array([0, 0, 1, 0, 0, 0])},
        3,
    ),
    "padded on both sides and cut": (
        [conv("t", "b", pads=[SIZE - 1] * 2), node("Slice", "b begin cut axis", "r"), node("Tanh", "r", "s")],
        {"begin": np.array([0]), "cut": np.array([1 - SIZE]), "axis": np.array([2])},
        3,
    ),
    "squashed, then cut": (
        [conv("t", "b", pads=[SIZE - 1] * 2), node("Sigmoid", "b", "r"), node("Slice", "r begin cut axis", "s")],
        {"begin": np.array([0]), "cut": np.array([1 - SIZE]), "axis": np.array([-1])},
        3,
    ),
    "normalised": (
        [conv("t", "b", pads=[SIZE - 1, 0]), node("BatchNormalization", "b gain shift mean var", "s")],
        {name: RNG.uniform(0.5, 2, 4).astype(np.float32) for name in ("gain", "shift", "mean", "var")},
        3,
    ),
    "without a bias": ([node("Conv", "t K", "s", pads=[SIZE - 1, 0])], {}, 3),
}


@pytest.mark.parametrize("name", CAUSAL)
def test_a_causal_convolution_is_imported_and_equal(tmp_path, name):
    """Held against onnxruntime by the command, whole and step by step with what is carried."""
    middle, constants, taps = CAUSAL[name]
    path = written(tmp_path, middle, constants)
    done = run(path, "-o", tmp_path / "m.safetensors")
    assert done.exit_code == 0, done.stderr
    assert "equal to onnxruntime within" in done.stdout
    layers = model_in(path).layers
    assert [layer.cell for layer in layers] == ["conv", "lstm"]
    assert isinstance(layers[0], ConvWeights)
    assert (layers[0].taps, layers[1].units) == (taps, UNITS)


def test_a_kernel_of_one_step_is_a_dense_layer(tmp_path):
    path = written(tmp_path, [conv("t", "s")], size=1)
    done = run(path, "-o", tmp_path / "m.safetensors")
    assert done.exit_code == 0, done.stderr
    assert [layer.cell for layer in model_in(path).layers] == ["dense", "lstm"]


REFUSED: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "not padded": ([conv("t", "s")], {}, "has no padding: leaves out the first steps of a sequence"),
    "padded on both sides": ([conv("t", "s", pads=[1, 1])], {}, "has 1 steps put before the first, 2 are causal"),
    "padded alike": ([conv("t", "s", auto_pad="SAME_UPPER")], {}, "has 1 steps put before the first, 2 are causal"),
    "not cut": ([conv("t", "s", pads=[2, 2])], {}, "is given (time+2, batch, features)"),
    "cut too far": (
        [conv("t", "b", pads=[2, 2]), node("Slice", "b begin cut axis", "s")],
        {"begin": np.array([0]), "cut": np.array([-3]), "axis": np.array([2])},
        "takes 0:-3 of the axis time+2",
    ),
    "strided": ([conv("t", "s", pads=[2, 0], strides=[2])], {}, "gives fewer steps than it takes"),
    "grouped": (
        [node("Conv", "t G", "s", pads=[2, 0], group=FEATURES)],
        {"G": np.ones((FEATURES, 1, SIZE), np.float32)},
        "group is 3: has a kernel a group of channels",
    ),
    "of images": ([conv("t", "s")], {"K": np.ones((4, FEATURES, 1, SIZE), np.float32)}, "W has shape (4, 3, 1, 3)"),
    "dilated too far": ([conv("t", "s", dilations=[200])], {}, "spans 401 steps, the limit is 256"),
    "padded with ones": (
        [node("Pad", "t front one", "p"), conv("p", "s")],
        {"front": np.array([0, 0, 2, 0, 0, 0]), "one": np.float32(1)},
        "pads with other than zeros",
    ),
    "padded over features": (
        [node("Pad", "t front", "p"), conv("p", "s")],
        {"front": np.array([0, 2, 0, 0, 0, 0])},
        "pads elsewhere than before the first step",
    ),
    "joined with a constant": (
        [node("Concat", "more t", "p", axis=2), conv("p", "s")],
        {"more": np.zeros((BATCH, FEATURES, 2), np.float32)},
        "joins tensors",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_causal_is_refused_by_name(tmp_path, name):
    middle, constants, said = REFUSED[name]
    assert said in refused(written(tmp_path, middle, constants), "-o", tmp_path / "m.safetensors")


def test_a_convolution_of_a_state_dict_is_supposed_to_be_causal(tmp_path):
    """The same tensors as in an ONNX graph that pads so; what squashes behind it is told, as behind a linear layer."""
    onnx = written(tmp_path, [conv("t", "r", pads=[SIZE - 1, 0]), node("Relu", "r", "s")])
    wanted = model_in(onnx).layers[0]
    tensors = {
        "conv.weight": wanted.kernel[0].reshape(4, SIZE, FEATURES).transpose(0, 2, 1),
        "conv.bias": wanted.bias[0],
    }
    rows = {"weight_ih": (4 * UNITS, 4), "weight_hh": (4 * UNITS, UNITS)}
    tensors |= {f"rnn.{name}_l0": RNG.normal(0, 0.5, shape) for name, shape in rows.items()}
    tensors["out.weight"] = RNG.normal(0, 0.5, (2, UNITS))
    path = tmp_path / "m.safetensors"
    save_file({name: np.ascontiguousarray(t, np.float32) for name, t in tensors.items()}, path)
    words = (path, "-o", tmp_path / "out.safetensors")
    assert "give --activations" in refused(*words)
    done = run(*words, "--activations", "relu")
    assert done.exit_code == 0, done.stderr
    assert SUPPOSED_CAUSAL in done.stderr
    found = load_model(tmp_path / "out.safetensors").layers[0]
    assert (found.cell, found.activation, found.taps) == ("conv", "relu", SIZE)
    for name in wanted.arrays:
        assert np.array_equal(getattr(found, name), getattr(wanted, name))


def test_a_dilated_kernel_that_outgrows_its_limit_is_refused_before_it_is_made(tmp_path):
    """A few megabytes of weights with noughts between would be hundreds."""
    wide = {"K": np.ones((4096, 100, 2), np.float32), "k": np.ones(4096, np.float32)}
    path = written(tmp_path, [conv("t", "s", dilations=[255], pads=[255, 0])], wide)
    assert "the limit is 268,435,456 B" in refused(path, "-o", tmp_path / "m.safetensors")
