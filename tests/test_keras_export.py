"""The .keras file: Keras opens it and computes the same, import takes it back, and what Keras lacks is named."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from cell_stacks import STACKS, physical_targets, stacked
from import_runs import run
from models import float_model

from edge_lstm.errors import ExportError, MissingDependencyError
from edge_lstm.model import FloatModel, Scaling
from edge_lstm.modelfile import load_model
from edge_lstm.reference import network, replay
from edge_lstm.runtimes.worker import run_isolated
from edge_lstm_export.keras_model import keras_model

# float32 sums in another order, over the largest output; the limit that import holds its originals to, too.
BOUND = 1e-5

STEPS, BATCH = 30, 4
MODELS: dict[str, FloatModel] = {
    "lstm": float_model(5, (9, 6), 3),
    "lstm window": float_model(5, (9, 6), 3, window=STEPS),
    **{
        f"{cell} {units}": stacked(4, ((cell, units),), 2)
        for cell in ("gru", "gru-before", "rnn", "rnn-relu")
        for units in (1, 12)
    },
    "mixed": stacked(*STACKS["mixed keras"]),
    "mixed window": stacked(*STACKS["mixed keras"], window=STEPS),
    "dense": stacked(*STACKS["mixed dense"]),
    "convolutions": stacked(*STACKS["convolutions"]),
    "convolutions window": stacked(*STACKS["convolutions"], window=STEPS),
    "convolution between": stacked(*STACKS["convolution between"]),
    "dense window": stacked(*STACKS["behind lstm"], window=STEPS),
    "physical targets": physical_targets(stacked(*STACKS["mixed keras"], kind="regress")),
}

# In a process of its own, because TensorFlow breaks tflite-runtime. It answers for every file of the folder.
KERAS = """
import os, sys
from pathlib import Path
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np
for file in Path(sys.argv[1]).glob("*.keras"):
    model = keras.saving.load_model(file, safe_mode=True)
    x = np.load(f"{file}.npy")
    y = np.asarray(model(x))
    model.save(file.with_name("again.keras"))
    again = keras.saving.load_model(file.with_name("again.keras"))
    np.savez(f"{file}.npz", y=y, predicted=model.predict(x, verbose=0), again=np.asarray(again(x)))
    file.with_name("again.keras").unlink()
"""


def sequences(model: FloatModel) -> Any:
    """(B, T, C) in physical units."""
    scaled = np.random.default_rng(3).normal(0, 1, (BATCH, STEPS, len(model.interface.channels)))
    return model.interface.scaling.undo(scaled).astype(np.float32)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files, with what Keras computes from them beside them."""
    folder = tmp_path_factory.mktemp("keras")
    for name, model in MODELS.items():
        (folder / f"{name}.keras").write_bytes(keras_model(model))
        np.save(folder / f"{name}.keras.npy", sequences(model))
    done = subprocess.run([sys.executable, "-c", KERAS, folder], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", MODELS)
def test_keras_computes_the_outputs_of_the_reference(opened, name):
    """Physical units in, logits or physical targets out; also as Keras predicts, and as it saves the model again."""
    model, x = MODELS[name], sequences(MODELS[name])
    outputs = np.array(replay(network(model), list(model.interface.scaling.apply(x))))
    expected = model.interface.target_scaling.undo(outputs)
    expected = expected if model.interface.task.window is None else expected[:, -1]
    with np.load(opened / f"{name}.keras.npz") as found:
        for way in ("y", "predicted", "again"):
            assert found[way].shape == expected.shape
            assert np.abs(found[way] - expected).max() <= BOUND * np.abs(expected).max(), way


@pytest.mark.parametrize("name", [name for name in MODELS if name != "physical targets"])
def test_import_takes_the_file_back_to_the_same_weights(opened, tmp_path, name):
    """Every number of the layers, the head and the scaling, to the bit; a window is a fixed number of steps."""
    model = MODELS[name]
    done = run(opened / f"{name}.keras", "-o", tmp_path / "m.safetensors", "--no-compare")
    assert done.exit_code == 0, done.stderr
    back = load_model(tmp_path / "m.safetensors")
    assert isinstance(back, FloatModel)
    assert [type(layer) for layer in back.layers] == [type(layer) for layer in model.layers]
    for ours, theirs in zip((*model.layers, model.head), (*back.layers, back.head), strict=True):
        for field, value in vars(ours).items():
            assert np.array_equal(value, getattr(theirs, field)), field
    assert np.array_equal(back.interface.scaling.offset, model.interface.scaling.offset)
    assert np.array_equal(back.interface.scaling.scale, model.interface.scaling.scale)
    assert back.interface.task.window == model.interface.task.window


def test_import_takes_targets_back_with_their_scaling_in_the_head(opened, tmp_path):
    """What Keras has no place for is in the weights of the Dense: the same outputs in physical units."""
    model = MODELS["physical targets"]
    assert run(opened / "physical targets.keras", "-o", tmp_path / "m.safetensors", "--no-compare").exit_code == 0
    back = load_model(tmp_path / "m.safetensors")
    x = list(model.interface.scaling.apply(sequences(model)))
    ours = model.interface.target_scaling.undo(np.array(replay(network(model), x)))
    theirs = np.array(replay(network(back), x))
    assert np.abs(ours - theirs).max() <= BOUND * np.abs(ours).max()


def test_the_file_holds_layers_of_keras_and_no_code():
    """Every class is one of ``keras.layers``; nothing is registered by anybody else."""
    with zipfile.ZipFile(io.BytesIO(keras_model(MODELS["mixed"]))) as archive:
        config = json.loads(archive.read("config.json"))
    layers = config["config"]["layers"]
    assert [layer["class_name"] for layer in layers] == [
        *("InputLayer", "Normalization"),
        *("SimpleRNN", "GRU", "LSTM", "GRU", "GRU", "LSTM", "Dense"),
    ]
    assert {(layer["module"], layer["registered_name"]) for layer in layers} == {("keras.layers", None)}


def test_exporting_twice_gives_identical_bytes():
    """No date, neither in the zip nor in what Keras notes of itself."""
    assert keras_model(MODELS["mixed"]) == keras_model(MODELS["mixed"])
    with zipfile.ZipFile(io.BytesIO(keras_model(MODELS["mixed"]))) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert json.loads(archive.read("metadata.json")) == {"keras_version": "3.0.0"}


def test_weights_lie_where_every_keras_3_looks_for_them():
    """By class and count; and a group for the variables of every layer, without which Keras 3.0 refuses the file."""
    with zipfile.ZipFile(io.BytesIO(keras_model(MODELS["mixed"]))) as archive:
        content = archive.read("model.weights.h5")
    names = ("input_layer", "normalization", "simple_rnn", "gru", "lstm", "gru_1", "gru_2", "lstm_1", "dense")
    with h5py.File(io.BytesIO(content)) as weights:
        assert set(weights["layers"]) == set(names)
        assert all(isinstance(weights[path], h5py.Group) for path in ("vars", *(f"layers/{n}/vars" for n in names)))
        assert weights["layers/gru_2/cell/vars/0"].shape == (6, 15)


@pytest.mark.parametrize("cell", ["fastgrnn", "lstm-peephole"])
def test_a_cell_that_keras_has_not_is_refused_by_name(cell):
    """And a file that needs code beside it is none that Keras opens."""
    with pytest.raises(ExportError, match=f"layer 1 is a {cell.upper()}, which is no layer of Keras") as caught:
        keras_model(stacked(3, (("gru", 4), (cell, 4)), 2))
    assert "\n" not in str(caught.value)


def test_a_channel_that_keras_would_scale_otherwise_is_refused():
    """Keras divides by its epsilon where a scale is smaller, and would give other outputs without a word."""
    model = float_model(2, (3,), 2)
    small = model.with_interface(scaling=replace(model.interface.scaling, scale=np.array([1.0, 9e-8])))
    with pytest.raises(ExportError, match=r"channel 'ch1' has scale 9e-08, Keras divides by 1e-07 at least"):
        keras_model(small)
    keras_model(model.with_interface(scaling=Scaling(np.zeros(2), np.array([1.0, 1e-7]))))


def test_without_h5py_the_extra_is_named(monkeypatch):
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'edge-lstm\[import\]'"):
        keras_model(MODELS["lstm"])


def test_where_keras_is_missing_verification_is_told_what_installs_it(opened, tmp_path, monkeypatch):
    """A Keras that cannot be imported stands before the real one in the process that runs the file."""
    (tmp_path / "keras.py").write_text("raise ImportError('none')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"pip install 'edge-lstm\[train\]'"):
        run_isolated("keras", opened / "mixed.keras", [sequences(MODELS["mixed"])[0]])


# argv is the file.
RESUMED = """
import sys
from pathlib import Path
import numpy as np
from edge_lstm.errors import BundleError
from edge_lstm.runtimes.keras import KerasModel
one = KerasModel(Path(sys.argv[1]))
x = np.random.default_rng(0).normal(0, 1, (30, 5)).astype(np.float32)
whole = one.run(x)
one.reset()
one.run(x[:11])
kept = one.get_state()
one.reset()
one.set_state(kept)
assert np.array_equal(one.run(x[11:]), whole[11:]), "a restored stream goes another way"
Path(sys.argv[2]).write_bytes(b"no zip")
try:
    KerasModel(Path(sys.argv[2]))
except BundleError as error:
    assert "keras cannot load" in str(error) and "\\n" not in str(error), error
else:
    raise SystemExit("it took no zip for a model")
"""


def test_a_stream_in_keras_resumes_from_a_saved_state_and_a_broken_file_is_named(opened, tmp_path):
    """The runtime that verification uses, over a file with a window, whose layers it still calls step by step."""
    command = [sys.executable, "-c", RESUMED, opened / "mixed window.keras", tmp_path / "broken.keras"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
