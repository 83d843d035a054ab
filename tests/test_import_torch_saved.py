"""What PyTorch saved is imported, and computes what PyTorch computed: LSTM, GRU and RNN of one to three layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from import_runs import is_alike, model_in, refused, run
from safetensors.numpy import save_file
from torch_models import GRID, MIXED, PROJECTED, REFUSED

from edge_lstm.importers import read
from edge_lstm.importers.torch_file import SUPPOSED_TANH
from edge_lstm.importers.torch_pickle import read_state_dict
from edge_lstm.modelfile import load_model

SAVED = Path(__file__).with_name("torch_saved")
"""Written by ``torch_models.py``."""

CELLS = {"LSTM": "lstm", "GRU": "gru", "RNN": "rnn"}


@pytest.fixture(scope="module")
def outputs() -> Any:
    return np.load(SAVED / "outputs.npz")


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
@pytest.mark.parametrize("name", GRID)
def test_an_import_computes_what_pytorch_computed(outputs, tmp_path, name, ending):
    """One to three layers, with biases and without; whole and step by step."""
    path = SAVED / f"{name}.pt"
    if ending == ".safetensors":
        save_file(read_state_dict(path), path := tmp_path / "m.safetensors")
    cell, layers, _ = GRID[name]
    assert [layer.cell for layer in model_in(path).layers] == [CELLS[cell]] * layers
    assert is_alike(path, outputs["x"], outputs[name])


def test_a_projected_lstm_is_one_without_a_projection_and_a_dense_layer(outputs):
    """PyTorch's own equations, https://pytorch.org/docs/stable/generated/torch.nn.LSTM.html, on PyTorch's own file."""
    path = SAVED / f"{PROJECTED}.pt"
    state = read_state_dict(path)
    series = outputs["x"].astype(np.float64)
    for k in range(2):
        kernel, recurrent, projection = (
            state[f"lstm.{name}_l{k}"].astype(np.float64) for name in ("weight_ih", "weight_hh", "weight_hr")
        )
        bias = state[f"lstm.bias_ih_l{k}"].astype(np.float64) + state[f"lstm.bias_hh_l{k}"]
        h, c, given = np.zeros((len(series), len(projection))), np.zeros((len(series), projection.shape[1])), []
        for t in range(series.shape[1]):
            i, f, g, o = np.split(series[:, t] @ kernel.T + h @ recurrent.T + bias, 4, axis=1)
            c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
            h = (_sigmoid(o) * np.tanh(c)) @ projection.T
            given.append(h)
        series = np.stack(given, axis=1)
    wanted = series @ state["fc.weight"].astype(np.float64).T + state["fc.bias"]
    assert [layer.cell for layer in model_in(path).layers] == ["lstm", "dense"] * 2
    assert is_alike(path, outputs["x"], wanted)


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize("name", MIXED)
def test_modules_follow_each_other_as_they_were_made(outputs, name):
    """RNN, LSTM and GRU, whose names sort otherwise; and cells of a loop of one's own."""
    assert is_alike(SAVED / f"{name}.pt", outputs["x"], outputs[name])


def test_modules_that_a_file_sorts_are_put_in_the_order_of_their_widths(outputs, tmp_path):
    """A safetensors file sorts by name; a width that fits in one order alone tells it."""
    tensors = {
        name.replace("first.", "z.").replace("second.", "a."): tensor
        for name, tensor in read_state_dict(SAVED / "cells.pt").items()
    }
    save_file(tensors, tmp_path / "m.safetensors")
    assert [layer.cell for layer in model_in(tmp_path / "m.safetensors").layers] == ["gru", "lstm"]
    assert is_alike(tmp_path / "m.safetensors", outputs["x"], outputs["cells"])


def test_an_order_that_nothing_tells_is_refused(tmp_path):
    """Modules of one width under names that say nothing: never a guess."""
    save_file(read_state_dict(SAVED / "mixed.pt"), tmp_path / "m.safetensors")
    text = refused(tmp_path / "m.safetensors", "--check")
    assert "comes first cannot be told" in text
    assert "torch.save" in text


def test_numbers_in_names_tell_the_order(outputs, tmp_path):
    """rnn10 follows rnn9."""
    names = {"z_first": "rnn2", "lstm": "rnn9", "a_last": "rnn10"}
    tensors = {}
    for name, tensor in read_state_dict(SAVED / "mixed.pt").items():
        module, _, what = name.partition(".")
        tensors[f"{names.get(module, module)}.{what}"] = tensor
    save_file(tensors, tmp_path / "m.safetensors")
    assert is_alike(tmp_path / "m.safetensors", outputs["x"], outputs["mixed"])


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_cell_here_has_is_refused_by_name(tmp_path, name):
    """Both directions, and projections."""
    text = refused(SAVED / f"{name}.pt", "-o", tmp_path / "m.safetensors")
    assert REFUSED[name] in text
    assert {"lstm": "LSTM", "gru": "GRU", "rnn": "simple RNN"}[name.partition("-")[0]] in text


def test_a_simple_rnn_says_that_its_nonlinearity_was_supposed():
    """nn.RNN may squash with relu, and its state dict does not tell."""
    assert SUPPOSED_TANH in read(SAVED / "RNN-1-bias.pt").notes
    assert SUPPOSED_TANH not in read(SAVED / "GRU-1-bias.pt").notes


def test_what_a_simple_rnn_squashes_with_can_be_told(tmp_path):
    """By an option, which nothing but a simple RNN of a state dict takes: the weights are the same."""
    told, supposed = tmp_path / "told.safetensors", tmp_path / "supposed.safetensors"
    done = run(SAVED / "RNN-2-bias.pt", "-o", told, "--nonlinearity", "relu")
    assert done.exit_code == 0, done.stderr
    assert SUPPOSED_TANH not in done.stderr
    assert "5 units, relu" in run(SAVED / "RNN-2-bias.pt", "--check", "--nonlinearity", "relu").stdout
    assert run(SAVED / "RNN-2-bias.pt", "-o", supposed, "-q").exit_code == 0
    relu, tanh = load_model(told), load_model(supposed)
    assert [layer.activation for layer in (*relu.layers, *tanh.layers)] == ["relu", "relu", "tanh", "tanh"]
    assert all(np.array_equal(a.kernel, b.kernel) for a, b in zip(relu.layers, tanh.layers, strict=True))
    out = "-o", tmp_path / "m.safetensors", "--nonlinearity", "relu"
    assert "has no simple RNN" in refused(SAVED / "GRU-1-bias.pt", *out)
    assert "says itself what its layers squash with" in refused(SAVED / "RNN-every-step.onnx", *out)


def test_the_command_names_the_cells(tmp_path):
    """Of a mixed stack, in its order."""
    done = run(SAVED / "mixed.pt", "-o", tmp_path / "m.safetensors", "-q")
    assert "simple RNN of 5 units, LSTM of 5, 5 units, GRU of 5 units" in done.stdout
    rows = run(SAVED / "mixed.pt", "--check").stdout.splitlines()
    assert [row[:11].strip() for row in rows] == ["taken"] * 5
    assert "GRU         5 units, reset after the product" in rows[3]
