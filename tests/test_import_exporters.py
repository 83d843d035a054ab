"""ONNX files as exporters of others write them are followed: torch.onnx and tf2onnx."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from import_runs import refused, run
from keras2_models import EXPORTED as OF_KERAS
from keras2_models import LOOPS, STEPS
from torch_models import EXPORTED as OF_TORCH

from edge_lstm.importers.compare import BOUND
from edge_lstm.model import FloatModel
from edge_lstm.modelfile import load_model

TESTS = Path(__file__).parent
FILES = {name: TESTS / "torch_saved" / name for name in OF_TORCH} | {
    name: TESTS / "keras2_saved" / name for name in OF_KERAS
}
CELLS = {"LSTM": "lstm", "GRU": "gru", "RNN": "rnn"}


@pytest.mark.parametrize("name", FILES)
def test_the_file_of_an_exporter_computes_what_the_runtime_computes(tmp_path, name):
    """h_n[-1], the last step, every step through a tensordot, states as inputs: compared by the command itself."""
    done = run(FILES[name], "-o", tmp_path / "m.safetensors", "--json", "-q")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["compared"]["runtime"] == "onnxruntime"
    assert said["compared"]["error"] <= BOUND
    assert said["cells"] == [CELLS[name.partition("-")[0]]] * 2


@pytest.mark.parametrize("name", [name for name in OF_KERAS if "fixed-last" in name])
def test_fixed_steps_are_the_window(tmp_path, name):
    """Also behind what an exporter puts before the layers."""
    assert run(FILES[name], "-o", tmp_path / "m.safetensors", "-q", "--no-compare").exit_code == 0
    model = load_model(tmp_path / "m.safetensors")
    assert isinstance(model, FloatModel)
    assert model.interface.task.window == STEPS


@pytest.mark.parametrize("name", LOOPS)
def test_a_layer_that_an_exporter_left_a_loop_is_refused_by_its_name(tmp_path, name):
    """And the file it was made of is recommended."""
    text = refused(TESTS / "keras2_saved" / name, "-o", tmp_path / "m.safetensors")
    assert "(Loop): is a program, not a layer" in text
    assert "import the file that this was made of" in text
