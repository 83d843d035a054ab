"""Layers that look ahead are trained as they will stream: each step is taught where the network speaks of it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from test_training import interface_of_ramps, ramps, waves
from test_transfer import project_with

from edge_lstm.cli import cli
from edge_lstm.datasets import Dataset, Recording, make_sequences
from edge_lstm.datasets.spec import TaskSpec
from edge_lstm.errors import DataError, ProjectError
from edge_lstm.model import BidirectionalWeights
from edge_lstm.modelfile import load_model
from edge_lstm.reference import network, replay
from edge_lstm.training import TrainingSpec, train
from edge_lstm.training.network import Network
from edge_lstm.transfer import Source

AHEAD = 2
"""Steps that the future of ``write_project`` lies ahead."""


@pytest.mark.parametrize("cell", ["bilstm", "bigru", "birnn"])
def test_what_is_trained_says_at_every_step_what_a_stream_says(cell):
    """Two layers behind a convolution, at random: Keras' outputs are the reference's from the first step on."""
    spec = TrainingSpec(cell=("conv", cell, cell), units=(4, 5, 3), look_ahead=3)
    trained = Network(2, 3, spec)
    model = trained.to_model([v.numpy() for v in trained.variables], interface_of_ramps())
    assert model.interface.look_ahead == spec.late == 6
    inputs = np.random.default_rng(0).normal(size=(3, 20, 2)).astype(np.float32)
    # Both add a few tens of float32 products of numbers within ±1, in orders of their own.
    np.testing.assert_allclose(replay(network(model), list(inputs)), trained(inputs), atol=2e-6)


def test_the_halves_begin_unlike():
    forward, backward = Network(3, 2, TrainingSpec(cell="bigru", units=(4,))).layers[0].weights[:6:3]
    assert forward.shape == backward.shape
    assert not np.array_equal(forward, backward)


def test_targets_lie_where_a_late_model_speaks_of_them():
    """Those of the last steps of each chunk are lost; what a recording bears at its end is of the whole, and stays."""
    labels = np.array(["a", "b", "", "b", "a", "a"])
    recording = Recording("r", np.zeros((6, 1), np.float32), targets=labels)
    short = Recording("s", np.zeros((2, 1), np.float32), label="b")
    sequences = make_sequences(Dataset((recording, short), ("x",)), TaskSpec("tag", chunk=4), ("a", "b"), late=2)
    assert sequences.targets.tolist() == [[-1, -1, 0, 1]]
    assert sequences.skipped == ("s",)
    with pytest.raises(DataError, match="longest recording has 2 steps, the model speaks 2 steps late"):
        make_sequences(Dataset((short,), ("x",)), TaskSpec("tag"), ("a", "b"), late=2)
    whole = make_sequences(Dataset((short,), ("x",)), TaskSpec("classify"), ("a", "b"), late=2)
    assert whole.targets.tolist() == [[-1, 1]]
    numbers = Recording("n", np.zeros((3, 1), np.float32), targets=np.array([[1.0], [2.0], [3.0]]))
    at_end = make_sequences(Dataset((numbers,), ("x",), ("y",)), TaskSpec("regress", at="end"), ("y",), late=2)
    assert np.array_equal(at_end.targets[0, :, 0], [np.nan, np.nan, 3], equal_nan=True)


def write_project(folder: Path, cell: str) -> Path:
    """Each step of a random walk's noise bears the sign of what comes two steps later, which no past tells."""
    (folder / "recordings").mkdir(parents=True)
    rng = np.random.default_rng(5)
    for number in range(12):
        x = rng.normal(size=240)
        rows = [(f"{v:.4f}", "up" if later > 0 else "down") for v, later in zip(x[:-AHEAD], x[AHEAD:], strict=True)]
        with (folder / "recordings" / f"{number}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("x", "soon"), *rows])
    (folder / "edge-lstm.toml").write_text(
        '[data]\npath = "recordings"\nlabel = "soon"\n[task]\nkind = "tag"\nchunk = 60\n'
        f"[model]\n{cell}\nunits = [8]\ndropout = 0.0\n"
        "[training]\nepochs = 12\nbatch = 8\nlearning_rate = 0.02\nlevel_noise = 0.0\n"
    )
    return folder


def done(*words: object) -> dict[str, Any]:
    result = CliRunner(catch_exceptions=False).invoke(cli, [*map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_what_no_past_tells_is_learnt_by_looking_ahead(tmp_path):
    """Signs of coming noise: a forward GRU guesses one half, one that looks two steps ahead knows nearly all, and as
    much in integers, which every back end here says alike."""
    forward, ahead = (
        write_project(tmp_path / name, cell)
        for name, cell in (("f", 'cell = "gru"'), ("a", f'cell = "bigru"\nlook_ahead = {AHEAD}'))
    )
    assert done("train", "--project", forward)["float"]["accuracy"] < 0.6
    assert done("train", "--project", ahead)["float"]["accuracy"] > 0.95
    layer = load_model(ahead / "build" / "a.safetensors").layers[0]
    assert isinstance(layer, BidirectionalWeights)
    assert (layer.forward.units, layer.look_ahead) == (8, AHEAD)
    exported = done("export", "--int8", "--project", ahead)
    assert exported["accuracy"]["int8"]["accuracy"] > 0.95
    assert exported["verification"]["ok"]
    assert len([check for check in exported["verification"]["checks"] if check["steps"]]) == 13


def test_it_cannot_foretell():
    """What a late network says is of a step that has passed, so a forecast is refused before any work."""
    sequences, interface = waves(2, 10)
    with pytest.raises(ProjectError, match=r"cell looks 8 steps ahead of what it says, and so cannot foretell, as the"):
        train(sequences, None, interface, TrainingSpec(cell="bilstm", units=(3,)))


def test_the_look_ahead_is_of_cells_that_have_one_and_of_the_model_begun_with():
    with pytest.raises(ProjectError, match="look_ahead is of bilstm, bigru and birnn, and cell names none"):
        project_with({"look_ahead": 4})
    with pytest.raises(ProjectError, match="look_ahead is 65; give a whole number in 1 to 64"):
        project_with({"cell": "bigru", "look_ahead": 65})
    spec = TrainingSpec(cell=("birnn", "gru"), units=(3, 4), look_ahead=5, epochs=1)
    source = Source(train(ramps(8, 0), None, interface_of_ramps(), spec).model, "m")
    begun = source.training(project_with({}))
    assert (begun.cells, begun.units, begun.look_ahead) == (spec.cells, spec.units, 5)
    with pytest.raises(ProjectError, match=r"\[model\] look_ahead is 8, m has 5; write that, or leave look_ahead out"):
        source.training(project_with({"cell": ["birnn", "gru"], "units": [3, 4], "look_ahead": 8}))


def test_a_frozen_layer_keeps_its_bits():
    interface, spec = interface_of_ramps(), TrainingSpec(cell=("bilstm", "gru"), units=(3, 4), look_ahead=2, epochs=1)
    first = train(ramps(16, 0), None, interface, spec).model
    second = train(ramps(16, 1), None, interface, spec, start=Source(first, "m", 1).start(interface.task)).model
    for name, half in first.layers[0].named_halves.items():
        again = second.layers[0].named_halves[name]
        assert all(np.array_equal(getattr(half, each), getattr(again, each)) for each in half.arrays)
    assert not np.array_equal(first.layers[1].kernel, second.layers[1].kernel)
