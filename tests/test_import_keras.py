"""Keras files become the same network: every stack, both formats and ways to build. The rest is refused by name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from import_runs import is_alike, model_in, refused, run
from keras2_models import NAMES as KERAS_2
from keras_models import ALIKE, ARGUMENTS, CELLS, LATE, LAYERS, REFUSED, STEPS, grid

from edge_lstm.cli import cli
from edge_lstm.errors import ModelError
from edge_lstm.importers import read, trial
from edge_lstm.importers.compare import BOUND, outputs_as_in_file
from edge_lstm.importers.given import Given
from edge_lstm.importers.interface import float_model
from edge_lstm.importers.look_ahead import with_look_ahead
from edge_lstm.importers.network import network_of
from edge_lstm.modelfile import load_model
from edge_lstm.pipeline import prepare
from edge_lstm.project import load_project

ROOT = Path(__file__).parent.parent
KERAS_2_SAVED = Path(__file__).with_name("keras2_saved")
"""Written by ``keras2_models.py``."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All models, made by one Keras."""
    folder = tmp_path_factory.mktemp("keras")
    script = Path(__file__).with_name("keras_models.py")
    done = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", [*grid(), *ALIKE])
def test_an_imported_network_computes_what_keras_computes(files, name):
    """Every cell, and stacks of all in any order; with bias and without, every step or the last, .keras and .h5."""
    example = np.load(files / f"{name}.npz")
    assert is_alike(files / name, example["x"], example["y"])


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_of_a_layer_is_honoured_or_refused_by_its_name(files, tmp_path, name):
    """Keras' outputs within 1e-5, or one line with the argument and exit code 2."""
    kind, _, refusal = ARGUMENTS[name]
    if refusal:
        assert refusal in refused(files / name, "-o", tmp_path / "m.safetensors")
        return
    example = np.load(files / f"{name}.npz")
    assert is_alike(files / name, example["x"], example["y"])
    assert [layer.cell for layer in model_in(files / name).layers] == [LAYERS[kind]]


def test_the_command_names_the_cells(files, tmp_path):
    """Of a mixed stack, in its order, and in JSON."""
    name = next(name for name in grid() if name.startswith("-".join(CELLS)))
    done = run(files / name, "-o", tmp_path / "m.safetensors", "-q")
    assert "LSTM of 6 units, GRU of 5, 4 units, simple RNN of 3 units" in done.stdout
    assert "equal to keras within" in done.stdout
    said = json.loads(run(files / name, "-o", tmp_path / "m.safetensors", "-q", "--json", "--no-compare").stdout)
    assert (said["cells"], said["units"]) == (["lstm", "gru", "gru", "rnn"], [6, 5, 4, 3])
    notes = [row["note"] for row in json.loads(run(files / name, "--check", "--json").stdout)["layers"]]
    assert "5 units, reset after the product" in notes
    assert "4 units, reset before the product" in notes


def test_dense_layers_before_the_head_are_layers(files, tmp_path):
    """Each with its activation, wherever it stands; the last one is the head, if nothing recurrent follows."""
    behind = model_in(files / "dense_behind.keras")
    assert [layer.cell for layer in behind.layers] == ["lstm", "dense", "dense"]
    assert [layer.activation for layer in behind.layers[1:]] == ["relu", "tanh"]
    first = model_in(files / "dense_first.keras")
    assert [layer.cell for layer in first.layers] == ["dense", "dense", "lstm"]
    assert np.array_equal(first.head.weights, np.eye(5))
    done = run(files / "dense_between.keras", "-o", tmp_path / "m.safetensors", "-q", "--no-compare")
    assert "LSTM of 5 units, dense layer of 6 units, GRU of 4 units" in done.stdout
    rows = json.loads(run(files / "dense_behind.keras", "--check", "--json").stdout)["layers"]
    assert [(row["verdict"], row["note"]) for row in rows if row["kind"] in ("Dense", "Activation", "tanh")] == [
        ("taken", "6 units, a dense layer"),
        ("passed over", "of the layer before it"),
        ("taken", "4 units, a dense layer"),
        ("passed over", "of the layer before it"),
        ("taken", "3 outputs"),
    ]


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_the_command_compares_an_embedding_on_tokens(files, tmp_path, ending):
    """Keras is given them as they are; the table is a dense layer over one-hot channels."""
    done = run(files / f"embedding{ending}", "-o", tmp_path / "m.safetensors", "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["compared"]["runtime"] == "keras"
    assert (said["channels"][-1], said["cells"], said["task"]["window"]) == ("token_6", ["dense", "lstm"], STEPS)
    assert "takes 7 channels, the token's is 1 and all others are 0" in done.stderr


def test_a_stateful_file_carries_its_state_for_ever(files):
    """Its fixed number of steps is no window, for nothing is zeroed there."""
    assert model_in(files / "stateful.keras").interface.task.window is None


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("name", KERAS_2)
def test_what_keras_2_saved_is_imported(name, ending):
    """Each cell, one that an RNN wraps, and a stack of all; its outputs were computed by Keras 2."""
    path, outputs = KERAS_2_SAVED / f"{name}{ending}", np.load(KERAS_2_SAVED / "outputs.npz")
    assert tuple(layer.cell for layer in model_in(path).layers) == KERAS_2[name]
    assert is_alike(path, outputs["x"], outputs[name])


def test_a_normalisation_becomes_the_scaling_of_the_channels(files):
    """Mean and deviation; a variance of zero divides by Keras' epsilon."""
    scaling = model_in(files / "constants.keras").interface.scaling
    assert scaling.offset.tolist() == [1, 2, 3]
    assert np.allclose(scaling.scale, [2, np.sqrt(0.5), 1e-7], rtol=1e-7)  # Keras keeps them in float32


def test_a_sigmoid_becomes_two_labels(files):
    """Logits 0 and z, so that the softmax of a stream is the sigmoid of the file."""
    model = model_in(files / "sigmoid.keras", task="classify", labels=("no", "yes"))
    assert model.head.outputs == 2
    assert not model.head.weights[0].any()


@pytest.mark.parametrize(
    ("name", "kind", "window"),
    [("softmax.keras", "classify", None), ("fixed.keras", "classify", STEPS), ("timedistributed.keras", "tag", None)],
)
def test_the_task_is_read_off_the_file_where_nobody_says_it(files, name, kind, window):
    """Every step is a tag, the last a class; a fixed number of steps is the window."""
    task = model_in(files / name).interface.task
    assert (task.kind, task.window) == (kind, window)


def test_what_a_file_cannot_say_is_given(files, tmp_path):
    """Names, task, window and rate end in the model file."""
    words = ["--channels", "ax, ay,az", "--labels", "up,down", "--task", "regress", "--window", "8", "--rate", "50"]
    done = run(files / "headless.keras", "-o", tmp_path / "m.safetensors", *words, "--no-compare")
    assert "names 2, the file has 5" in done.stderr
    words[3] = "a,b,c,d,e"
    assert run(files / "headless.keras", "-o", tmp_path / "m.safetensors", *words, "--no-compare").exit_code == 0
    interface = load_model(tmp_path / "m.safetensors").interface
    assert interface.channels == ("ax", "ay", "az")
    assert (interface.task.kind, interface.task.window, interface.rate_hz) == ("regress", 8, 50)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_the_command_compares_with_keras_itself(files, tmp_path, ending):
    """In a process of its own, and says how far apart they are."""
    done = run(files / f"softmax{ending}", "-o", tmp_path / "m.safetensors", "--json", "-q")
    assert done.exit_code == 0, done.stderr
    compared = json.loads(done.stdout)["compared"]
    assert compared["runtime"] == "keras"
    assert 0 <= compared["error"] <= 1e-5


def test_weights_that_are_not_the_originals_are_refused(files, tmp_path, monkeypatch):
    """Gates in a wrong order end in exit code 1, and nothing is written."""
    from edge_lstm.importers import keras_layers

    real = keras_layers.cell_weights
    monkeypatch.setattr(
        keras_layers, "cell_weights", lambda cell, rows, _, after: real(cell, rows, (0, 1, 3, 2), after)
    )
    text = refused(files / "softmax.keras", "-o", tmp_path / "m.safetensors", code=1)
    assert "keras computes other outputs" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_taken_is_refused_by_name(files, tmp_path, name):
    """One line that names it, exit code 2, nothing written."""
    text = refused(files / f"{name}.keras", "-o", tmp_path / "m.safetensors")
    assert REFUSED[name] in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", LATE)
def test_a_layer_that_reads_both_ways_is_whole_where_the_sequence_ends(files, name):
    """What Keras, which knows the whole sequence, says of N steps before its end, the import says at its end."""
    example, chain = np.load(files / f"{name}.npz"), read(files / name)
    for steps in range(1, STEPS):
        late = with_look_ahead(chain, steps)
        model, _ = float_model(late, Given(), files / name)
        assert model.interface.look_ahead == steps
        for ours in outputs_as_in_file(network_of(late, files / name), model, example["x"]):
            assert np.abs(ours[:, -1] - example["y"][:, -1 - steps]).max() <= BOUND * np.abs(example["y"]).max()


def test_the_command_takes_a_look_ahead_and_compares_with_it(files, tmp_path):
    """And says how late the model is; what remembers behind such a layer has no whole sequence to be compared over."""
    out = tmp_path / "m.safetensors"
    done = run(files / "both_lstm.keras", "-o", out, "--look-ahead", "3")
    assert done.exit_code == 0, done.stderr
    assert "bidirectional layer of 10 units" in done.stdout
    assert "3 steps before the end of 3 sequences of 24 steps" in done.stdout
    assert "it looks ahead: what it says at a step is of the step 3 before" in done.stderr
    assert load_model(out).interface.look_ahead == 3
    done = run(files / "both_before.keras", "-o", out, "--look-ahead", "2")
    assert "not compared: what is behind a layer that looks ahead never sees a whole sequence" in done.stdout
    checked = run(files / "both_lstm.keras", "--check", "--look-ahead", "3").stdout
    assert "5 units each way, 3 steps late" in checked
    assert "no layer of the file reads both ways" in refused(files / "softmax.keras", "-o", out, "--look-ahead", "3")
    assert "expected 1 to 64 steps" in refused(files / "both_lstm.keras", "-o", out, "--look-ahead", "65")


def test_the_check_lists_every_layer(files):
    """Exit code 0 where all is well, 2 where something stands in the way, in text and in JSON."""
    done = run(files / "softmax.keras", "--check")
    assert done.exit_code == 0
    assert [line[:11].strip() for line in done.stdout.splitlines()] == ["passed over", "taken", "taken", "taken"]
    done = run(files / "masking.keras", "--check", "--json")
    rows = json.loads(done.stdout)["layers"]
    assert done.exit_code == 2
    assert [(r["kind"], r["verdict"]) for r in rows][1:3] == [("Masking", "in the way"), ("LSTM", "taken")]


def test_weights_without_a_model_say_how_to_save_one(files):
    """save_weights writes no layers."""
    assert "model.save, not save_weights" in refused(files / "bare.weights.h5", "--check")


def test_an_import_goes_all_the_way_to_a_verified_bundle(files, tmp_path, monkeypatch):
    """A Keras model of the example data's shape, exported in int8 from the example project."""
    project = tmp_path / "vowels"
    shutil.copytree(ROOT / "examples" / "japanese_vowels", project)
    prepared, model = prepare(load_project(project)), project / "mine.safetensors"
    names = ["--channels", ",".join(prepared.dataset.channels), "--labels", ",".join(prepared.outputs)]
    words = [files / "vowels.keras", "-o", model, "--no-compare", *names]
    assert run(*words).exit_code == 0
    monkeypatch.chdir(project)
    done = CliRunner().invoke(cli, ["export", "--int8", "--linux", "none", "-m", str(model), "--json", "-q"])
    assert done.exit_code == 0, done.output
    checks = json.loads(done.stdout)["verification"]
    assert checks["ok"]
    assert sum("not_run" not in check for check in checks["checks"]) >= 5


# ---- files made to hurt ----


def altered(source: Path, target: Path, config=None, rename=None, weights=None):
    """A copy of a .keras file with another configuration, other names of members, or another weights file."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if config and name == "config.json":
                content = config(content.decode()).encode()
            if weights and name.endswith(".h5"):
                content = weights(content)
            new.writestr((rename or {}).get(name, name), content)
    return target


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_truncated_file_is_one_line(files, tmp_path, ending):
    """Cut at every hundredth of it."""
    content = (files / f"softmax{ending}").read_bytes()
    for k in range(0, 100, 7):
        path = tmp_path / f"cut{ending}"
        path.write_bytes(content[: len(content) * k // 100])
        assert "save the model again" in refused(path, "--check")


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_damage_never_ends_in_a_traceback(files, tmp_path, ending, seed):
    """Random bytes changed: imported, or refused in one line."""
    content = bytearray((files / f"softmax{ending}").read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, len(content), 30):
        content[place] = rng.integers(0, 256)
    (tmp_path / f"x{ending}").write_bytes(content)
    done = run(tmp_path / f"x{ending}", "--check")
    assert done.exit_code in (0, 2), done.exception
    assert done.exit_code == 0 or done.stdout or done.stderr.count("\n") == 1


def test_a_configuration_that_asks_for_a_million_units_is_refused_before_anything_is_made(files, tmp_path):
    """The limit and the number asked."""
    path = altered(files / "softmax.keras", tmp_path / "x.keras", lambda c: c.replace('"units": 5', '"units": 1000000'))
    assert "units is 1000000, the limit is 4096" in refused(path, "-o", tmp_path / "m.safetensors")


def test_a_configuration_that_lies_about_a_shape_is_refused(files, tmp_path):
    """Shape there against shape asked for."""
    path = altered(files / "softmax.keras", tmp_path / "x.keras", lambda c: c.replace('"units": 5', '"units": 6'))
    text = refused(path, "-o", tmp_path / "m.safetensors")
    assert "kernel has shape (3, 20), its configuration asks for (3, 24)" in text


@pytest.mark.parametrize("name", ["../config.json", "/etc/passwd", "a/../../b", "C:\\x"])
def test_a_member_outside_the_archive_is_refused(files, tmp_path, name):
    """Nothing is ever unpacked, and yet such a file is no honest one."""
    path = altered(files / "softmax.keras", tmp_path / "x.keras", rename={"metadata.json": name})
    assert "lies outside the archive" in refused(path, "--check")


def test_a_zip_bomb_is_refused_by_what_it_declares(files, tmp_path):
    """300 MB of zeros in 300 kB."""
    path = altered(files / "softmax.keras", tmp_path / "x.keras")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as member:
        for _ in range(300):
            member.write(bytes(10**6))
    assert path.stat().st_size < 10**6
    assert "unpacks to" in refused(path, "--check")


def edited(path: Path, edit) -> Path:
    """An .h5 file with its first kernel's group changed by ``edit(group, name of the kernel)``."""
    with h5py.File(path, "r+") as file:
        group = file["model_weights"]
        found = []
        group.visititems(lambda name, item: found.append(name) if name.endswith("lstm_cell/kernel") else None)
        edit(group, found[0])
    return path


def as_external_link(group, name):
    del group[name]
    group[name] = h5py.ExternalLink("/etc/passwd", "/")


def as_external_storage(group, name):
    del group[name]
    group.create_dataset(name, (3, 20), "f4", external=[("/etc/passwd", 0, 240)])


def as_virtual(group, name):
    del group[name]
    layout = h5py.VirtualLayout((3, 20), "f4")
    layout[...] = h5py.VirtualSource("/etc/passwd", "x", (3, 20))
    group.create_virtual_dataset(name, layout)


def as_nan(group, name):
    group[name][0, 0] = np.nan


def as_ten_gigabytes(group, name):
    del group[name]
    group.create_dataset(name, (25_000, 100_000), "f4", chunks=(1000, 1000), compression="gzip")


def as_text(group, name):
    del group[name]
    group.create_dataset(name, (3, 20), h5py.string_dtype())


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (as_external_link, "link to another file"),
        (as_external_storage, "lies in another file"),
        (as_virtual, "lies in another file"),
        (as_nan, "not finite"),
        (as_ten_gigabytes, "has shape (25000, 100000)"),
        (as_text, "not of floats"),
    ],
)
def test_weights_that_are_not_plain_numbers_in_the_file_are_refused(files, tmp_path, edit, says):
    """Links, foreign storage, no numbers, too many: named, and never followed."""
    path = edited(Path(shutil.copy(files / "softmax.h5", tmp_path / "x.h5")), edit)
    text = refused(path, "-o", tmp_path / "m.safetensors")
    assert says in text
    assert "lstm" in text


@pytest.mark.parametrize(
    "config", ["[]", "{}", "{", "[" * 100_000, '{"class_name": "Sequential", "config": 3}', "null"]
)
def test_a_configuration_that_is_none_is_one_line(files, tmp_path, config):
    """Wrong JSON, and JSON of something else."""
    refused(altered(files / "softmax.keras", tmp_path / "x.keras", lambda _: config), "--check")


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_weights_file_in_a_whole_zip_never_ends_in_a_traceback(files, tmp_path, seed):
    """Past the checksums of the zip."""

    def damage(content: bytes) -> bytes:
        rng, damaged = np.random.default_rng(seed), bytearray(content)
        for place in rng.integers(0, len(content), 30):
            damaged[place] = rng.integers(0, 256)
        return bytes(damaged)

    done = run(altered(files / "softmax.keras", tmp_path / "x.keras", weights=damage), "--check")
    assert done.exit_code in (0, 2), done.exception
    assert done.exit_code == 0 or done.stdout or done.stderr.count("\n") == 1


def test_without_h5py_the_extra_is_named(files, monkeypatch):
    """Exit code 3."""
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert "pip install 'edge-lstm[import]'" in refused(files / "softmax.h5", "--check", code=3)


def loop(path: Path) -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("read", "says"),
    [
        (lambda path: time.sleep(60), "takes over 0.1 s"),
        (loop, "takes over 0.1 s"),
        (lambda path: os.abort(), "crashes"),
    ],
    ids=["sleep", "loop", "crash"],
)
def test_a_file_that_hangs_or_crashes_its_library_is_refused(monkeypatch, tmp_path, read, says):
    """Damaged HDF5 has done so; the process that tried it first is ended, by its own time if it uses any."""
    monkeypatch.setattr(trial, "SECONDS", 0.1)
    monkeypatch.setattr(trial, "ASLEEP", 0.2 if "sleep" in read.__code__.co_names else 100.0)
    with pytest.raises(ModelError, match=says):
        trial.try_first(read, tmp_path / "x.h5")


def test_the_first_try_gets_no_more_memory_than_a_file_of_its_size_can_need(tmp_path):
    """What damage claims is not allocated; the error of the try is the one that is said."""

    def take(path: Path) -> None:
        try:
            bytearray(2**30)
        except MemoryError as error:
            raise ModelError("no memory") from error

    with pytest.raises(ModelError, match="no memory"):
        trial.try_first(take, tmp_path / "x.h5")


def test_a_file_that_the_installed_keras_cannot_run_is_imported_and_said_so(files, tmp_path):
    """As Keras 3 refuses a key of Keras 2, time_major."""
    path = altered(
        files / "softmax.keras",
        tmp_path / "x.keras",
        lambda c: c.replace('"units": 5', '"time_major": false, "units": 5'),
    )
    done = run(path, "-o", tmp_path / "m.safetensors")
    assert done.exit_code == 0
    assert "not compared: the keras that is installed cannot run it" in done.stdout
