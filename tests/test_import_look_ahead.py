"""Bidirectional layers of ONNX graphs and PyTorch state dicts, which a stream follows some steps late."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from import_runs import refused, run
from safetensors.numpy import save_file
from test_import_onnx import BATCH, CELLS, FEATURES, GATES, MATMUL, OUTPUTS, STEPS, UNITS, node, save
from test_import_torch_saved import SAVED

from edge_lstm.importers import read
from edge_lstm.importers.torch_pickle import read_state_dict
from edge_lstm.model import BidirectionalWeights
from edge_lstm.modelfile import load_model

RNG = np.random.default_rng(8)


def two_ways(kind: str, more: dict[str, Any] | None = None) -> dict[str, Any]:
    """W, R and B of both directions, and a head over both."""
    rows = GATES[kind] * UNITS
    shapes = {"W": (2, rows, FEATURES), "R": (2, rows, UNITS), "B": (2, 2 * rows), "V": (2 * UNITS, OUTPUTS)}
    arrays = {name: RNG.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    return {**arrays, "c": np.ones(OUTPUTS, np.float32), "flat": np.array([0, 0, -1]), **(more or {})}


JOINED = [node("Transpose", "Y", "t", perm=[0, 2, 1, 3]), node("Reshape", "t flat", "z"), *MATMUL]
"""(steps, directions, batch, units) → (steps, batch, 2 units), as torch.onnx writes it."""


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("look_ahead", [1, 3])
def test_an_operator_of_two_directions_is_equal_where_the_sequence_ends(tmp_path, cell, look_ahead):
    """Held against onnxruntime by the command."""
    kind, options = CELLS[cell]
    both = node(kind, "x W R B", "Y", direction="bidirectional", hidden_size=UNITS, **options)
    path = save(tmp_path / "m.onnx", [both, *JOINED], two_ways(kind), (STEPS, BATCH, FEATURES))
    done = run(path, "-o", tmp_path / "m.safetensors", "--look-ahead", str(look_ahead))
    assert done.exit_code == 0, done.stderr
    assert "equal to onnxruntime within" in done.stdout
    assert f"{look_ahead} steps before the end" in done.stdout
    layer = load_model(tmp_path / "m.safetensors").layers[0]
    assert isinstance(layer, BidirectionalWeights)
    assert (layer.forward.units, layer.look_ahead) == (UNITS, look_ahead)


def test_peepholes_and_relu_have_no_bound_that_a_look_ahead_needs(tmp_path):
    """Halves are of cells within ±1; the refusal names the cells that can be."""
    ways = {"direction": "bidirectional", "hidden_size": UNITS}
    seeing = node("LSTM", "x W R B  ", "Y", **ways)
    seeing.input[:] = ["x", "W", "R", "B", "", "", "", "P"]
    peepholes = {"P": RNG.normal(0, 0.5, (2, 3 * UNITS)).astype(np.float32)}
    shape = (STEPS, BATCH, FEATURES)
    path = save(tmp_path / "p.onnx", [seeing, *JOINED], two_ways("LSTM", peepholes), shape)
    words = ("-o", tmp_path / "m.safetensors", "--look-ahead", "2")
    assert "are lstm-peephole and lstm-peephole; expected two of lstm, gru or rnn (tanh)" in refused(path, *words)
    rectified = node("RNN", "x W R B", "Y", activations=["Relu", "Relu"], **ways)
    path = save(tmp_path / "r.onnx", [rectified, *JOINED], two_ways("RNN"), shape)
    assert "are rnn-relu and rnn-relu; expected two of lstm, gru or rnn (tanh)" in refused(path, *words)


@pytest.mark.parametrize(
    ("taken", "says"),
    [
        ([node("Squeeze", "h one", "z")], "gives the end of what it reads from the end"),
        ([node("Reshape", "Y flat", "z")], "mixes axes of (time, directions, batch, features)"),
    ],
)
def test_what_mixes_the_directions_otherwise_is_refused(tmp_path, taken, says):
    both = node("GRU", "x W R B", "Y", direction="bidirectional", hidden_size=UNITS)
    both.output.append("h")
    path = save(tmp_path / "m.onnx", [both, *taken, *MATMUL], two_ways("GRU", {"one": np.array([0])}), (7, 4, FEATURES))
    assert says in refused(path, "-o", tmp_path / "m.safetensors", "--look-ahead", "2")


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_state_dict_of_two_directions_is_read_both_ways(tmp_path, cell):
    """Two layers, as torch saved them; each half is what the same tensors are in a module of one direction."""
    tensors = read_state_dict(SAVED / f"{cell}-bidirectional.pt")
    done = run(SAVED / f"{cell}-bidirectional.pt", "-o", tmp_path / "m.safetensors", "--look-ahead", "4")
    assert done.exit_code == 0, done.stderr
    model = load_model(tmp_path / "m.safetensors")
    assert model.interface.look_ahead == 8
    for k, layer in enumerate(model.layers):
        assert isinstance(layer, BidirectionalWeights)
        for half, ending in ((layer.forward, ""), (layer.backward, "_reverse")):
            alone = {
                name.partition("_l")[0] + "_l0": t for name, t in tensors.items() if name.endswith(f"_l{k}{ending}")
            }
            save_file({name: np.ascontiguousarray(t) for name, t in alone.items()}, tmp_path / "one.safetensors")
            (part,) = read(tmp_path / "one.safetensors").parts
            for name in half.arrays:
                assert np.array_equal(getattr(half, name), getattr(part.does.weights, name)), (k, ending, name)


def test_a_state_dict_that_has_but_the_reverse_is_refused(tmp_path):
    """A layer that nothing reads forwards."""
    tensors = read_state_dict(SAVED / "gru-bidirectional.pt")
    held = {name: np.ascontiguousarray(t) for name, t in tensors.items() if name.endswith("_reverse")}
    save_file(held, tmp_path / "m.safetensors")
    words = ("-o", tmp_path / "out.safetensors", "--look-ahead", "2")
    assert "reads backwards what no plain layer reads forwards" in refused(tmp_path / "m.safetensors", *words)
