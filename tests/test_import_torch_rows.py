"""Linear layers and batch normalisations of a state dict: in their order, with the activations that the user says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch_files
from import_runs import refused, run
from safetensors.numpy import save_file
from torch_models import ROWS

from edge_lstm.importers import read
from edge_lstm.importers.compare import BOUND, outputs_as_in_file
from edge_lstm.importers.given import Given
from edge_lstm.importers.interface import float_model
from edge_lstm.importers.network import network_of
from edge_lstm.importers.torch_file import SUPPOSED_EPSILON
from edge_lstm.importers.torch_pickle import read_state_dict
from edge_lstm.importers.untold import told

SAVED = Path(__file__).with_name("torch_saved")


@pytest.fixture(scope="module")
def outputs() -> Any:
    return np.load(SAVED / "rows.npz")


def sorted_file(path: Path, to: Path) -> Path:
    """The same tensors in a file that sorts them by name."""
    save_file({k: v for k, v in read_state_dict(path).items() if not k.endswith("num_batches_tracked")}, to)
    return to


def error(path: Path, activations: tuple[str, ...], x: Any, y: Any) -> float:
    """Of the largest output: of the import, whole and step by step."""
    chain = told(read(path), activations or None)
    found, (model, _) = network_of(chain, path), float_model(chain, Given(), path)
    return max(float(np.abs(ours - y).max() / np.abs(y).max()) for ours in outputs_as_in_file(found, model, x))


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
@pytest.mark.parametrize("name", ROWS)
def test_an_import_computes_what_pytorch_computed(outputs, tmp_path, name, ending):
    """Behind, before and around the layers, made in whatever order; the file that sorts them, by their widths."""
    path = SAVED / f"{name}.pt"
    if ending == ".safetensors":
        path = sorted_file(path, tmp_path / "m.safetensors")
    x = np.eye(7)[outputs["tokens"]] if "embedding" in name else outputs["x"]
    assert error(path, ROWS[name][1], x, outputs[name]) <= BOUND


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("row-heads", ("tanh", "relu")),
        ("row-heads", ("linear", "linear")),
        ("row-norms", ("linear", "relu", "linear", "tanh")),
        ("row-norms", ("relu", "linear", "tanh", "linear")),
    ],
)
def test_other_activations_or_places_are_another_network(outputs, name, said):
    """So that it matters what is said: before a normalisation is not behind it."""
    assert error(SAVED / f"{name}.pt", said, outputs["x"], outputs[name]) > 1e-3


def test_the_command_takes_what_is_said_and_says_the_order(tmp_path):
    """The model, and the note."""
    words = ["-o", tmp_path / "m.safetensors", "--activations", "relu, tanh"]
    done = run(SAVED / "row-heads.pt", *words)
    assert done.exit_code == 0, done.stderr
    assert "LSTM of 5 units, dense layer of 6, 4 units" in done.stdout
    assert "supposed in this order, with nothing but dropout between them: lstm, fc1, fc2, out" in done.stderr
    rows = json.loads(run(SAVED / "row-heads.pt", "--check", "--json", *words[2:]).stdout)["layers"]
    assert [row["verdict"] for row in rows] == ["taken", "taken", "passed over", "taken", "passed over", "taken"]


def test_what_is_behind_linear_layers_is_asked_for(tmp_path):
    """One line with the option, the places and the choices; in the check every place."""
    text = refused(SAVED / "row-norms.pt", "-o", tmp_path / "m.safetensors")
    assert "--activations with linear, relu, tanh, sigmoid behind fc1, bn2, fc2, bn3, one each in this order" in text
    done = run(SAVED / "row-norms.pt", "--check", "--json")
    assert done.exit_code == 2
    rows = json.loads(done.stdout)["layers"]
    assert [r["name"] for r in rows if r["verdict"] == "in the way"] == ["fc1", "bn2", "fc2", "bn3"]


@pytest.mark.parametrize(
    ("name", "said", "says"),
    [
        ("row-heads", "relu", "says 1, the file leaves 2 open (behind fc1, fc2)"),
        ("row-heads", "relu,tanh,linear", "says 3, the file leaves 2 open"),
        ("row-heads", "relu,gelu", "has 'gelu'; choose of linear, relu, tanh, sigmoid"),
        ("row-heads", "", "says 1, the file leaves 2 open"),
        ("GRU-1-bias", "relu", "says 1, the file leaves 0 open"),
    ],
)
def test_activations_that_do_not_fit_are_one_line(tmp_path, name, said, says):
    """Exit code 2, nothing written."""
    assert says in refused(SAVED / f"{name}.pt", "-o", tmp_path / "m.safetensors", "--activations", said)
    assert list(tmp_path.iterdir()) == []


def test_a_normalisation_says_what_was_supposed():
    """PyTorch's own epsilon, which no state dict holds."""
    assert SUPPOSED_EPSILON in read(SAVED / "row-free-norm.pt").notes
    assert SUPPOSED_EPSILON not in read(SAVED / "row-heads.pt").notes


def gru(features: int = 3, units: int = 5) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    rows = 3 * units
    shapes = {"weight_ih_l0": (rows, features), "weight_hh_l0": (rows, units), "bias_ih_l0": rows, "bias_hh_l0": rows}
    return {f"gru.{name}": rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}


def linear(name: str, features: int, units: int) -> dict[str, Any]:
    return {f"{name}.weight": np.full((units, features), 0.3, np.float32), f"{name}.bias": np.ones(units, np.float32)}


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
@pytest.mark.parametrize(
    "tensors",
    [
        {"emb.weight": np.ones((7, 5), np.float32)} | gru(5),
        {"e.weight": np.ones((5, 5), np.float32)} | gru(5) | linear("out", 5, 2),
    ],
    ids=["head", "square"],
)
def test_what_can_be_an_embedding_and_a_linear_layer_is_refused(tmp_path, ending, tensors):
    """Before the GRU or behind it, or before it as either: nothing tells."""
    path = tmp_path / f"m{ending}"
    (torch_files.save if ending == ".pt" else lambda p, t: save_file(t, p))(path, tensors)
    assert "is nn.Linear without a bias or nn.Embedding cannot be told" in refused(path, "--check")


def test_a_head_without_a_bias_is_no_embedding(tmp_path):
    """Made behind the GRU, whose units are as many as its features."""
    path = torch_files.save(tmp_path / "m.pt", gru(5) | {"out.weight": np.ones((2, 5), np.float32)})
    assert [part.kind for part in read(path).parts] == ["GRU", "Linear"]


def test_an_order_that_neither_widths_nor_names_tell_is_refused(tmp_path):
    """Never a guess; torch.save keeps it."""
    tensors = gru() | linear("mid", 5, 5) | linear("deep", 5, 5) | linear("out", 5, 2)
    save_file(tensors, tmp_path / "m.safetensors")
    assert "comes first cannot be told" in refused(tmp_path / "m.safetensors", "--check")
    path = torch_files.save(tmp_path / "m.pt", tensors)
    rows = json.loads(run(path, "--check", "--json").stdout)["layers"]
    assert list(dict.fromkeys(row["name"] for row in rows)) == ["gru.l0", "mid", "deep", "out"]


def test_numbers_in_names_tell_the_order_of_equal_widths(tmp_path):
    """fc10 follows fc9, and the widths say that both follow the GRU."""
    save_file(gru() | linear("fc10", 5, 5) | linear("fc9", 5, 5) | linear("out", 5, 2), tmp_path / "m.safetensors")
    rows = json.loads(run(tmp_path / "m.safetensors", "--check", "--json").stdout)["layers"]
    assert list(dict.fromkeys(row["name"] for row in rows)) == ["gru.l0", "fc9", "fc10", "out"]


def test_a_forecast_of_its_own_channels_keeps_its_head_behind(tmp_path):
    """Widths alone would allow a linear layer before the GRU."""
    for path in (tmp_path / "m.safetensors", tmp_path / "m.pt"):
        (torch_files.save if path.suffix == ".pt" else lambda p, t: save_file(t, p))(path, linear("a", 5, 3) | gru())
        assert [type(part.does).__name__ for part in read(path).parts] == ["Recurrent", "DenseWeights"]


@pytest.mark.parametrize("count", [20, 40, 3000])
@pytest.mark.parametrize("width", [5, 4])
def test_many_modules_of_one_width_are_one_line(tmp_path, count, width):
    """Their orders are more than can be tried; at once."""
    names = [f"{chr(97 + k % 26)}{'x' * (k // 26)}" for k in range(count)]
    tensors = gru(1) | {
        key: value[:, :width] if value.ndim == 2 else value
        for name in names
        for key, value in linear(name, 5, 5).items()
    }
    save_file(tensors, tmp_path / "m.safetensors")
    refused(tmp_path / "m.safetensors", "-o", tmp_path / "new.safetensors")


def norm(**changed: Any) -> dict[str, Any]:
    held = {"weight": np.ones(5), "bias": np.ones(5), "running_mean": np.ones(5), "running_var": np.ones(5)} | changed
    return {f"bn.{name}": np.asarray(value, np.float32) for name, value in held.items() if value is not None}


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        (norm(running_var=-np.ones(5)), "is not finite, or negative"),
        (norm(running_mean=np.full(5, np.nan)), "is not finite, or negative"),
        (norm(weight=np.ones(4)), "shapes (5,) and (4,)"),
        (norm(running_var=np.ones((5, 1))), "shapes (5,) and (5, 1)"),
        (norm(running_mean=np.ones(6), running_var=np.ones(6), weight=None, bias=None), "5 numbers a step"),
        (norm(running_var=None), "(tensor): is no weight"),
        (norm(running_mean=None, running_var=None), "(tensor): is no weight"),
    ],
    ids=["variance", "nan", "weight", "shape", "width", "half", "layer norm"],
)
@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
def test_a_normalisation_that_is_none_is_refused_by_name(tmp_path, ending, tensors, says):
    """One line, exit code 2; a LayerNorm keeps no statistics."""
    path = tmp_path / f"m{ending}"
    (torch_files.save if ending == ".pt" else lambda p, t: save_file(t, p))(path, gru() | tensors | linear("out", 5, 2))
    assert says in refused(path, "-o", tmp_path / "new.safetensors")
