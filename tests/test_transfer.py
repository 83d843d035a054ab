"""Training that starts from a trained model: what is kept to the bit, what is new, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from cell_stacks import stacked
from click.testing import CliRunner
from test_training import accuracy, interface_of_ramps, ramps

from edge_lstm.cli import cli
from edge_lstm.datasets import Dataset, Recording, Sequences
from edge_lstm.errors import DataError, ProjectError, TrainingError
from edge_lstm.model import FloatModel, GruWeights, Interface, Scaling, Task
from edge_lstm.modelfile import encode_model, load_model
from edge_lstm.pipeline import prepare
from edge_lstm.project import load_project, parse_project
from edge_lstm.starter import start_project
from edge_lstm.training import TrainingSpec, train
from edge_lstm.training.start import Start
from edge_lstm.transfer import Source

SPEC = TrainingSpec(cell=("gru", "fastgrnn"), units=(8, 6), epochs=15, learning_rate=0.01)
MOVING = ("moving", "steady")


@pytest.fixture(scope="module")
def source() -> FloatModel:
    """Trained to tell falling, rising and steady apart."""
    return train(ramps(96, 0), ramps(32, 1), interface_of_ramps(), SPEC).model


def moving(count: int, seed: int) -> Sequences:
    """The same recordings with other labels."""
    found = ramps(count, seed)
    return dataclasses.replace(found, targets=np.where(found.targets >= 0, found.targets == 2, -1))


def interface_of_moving() -> Interface:
    interface = interface_of_ramps()
    return dataclasses.replace(interface, task=Task("classify", MOVING), target_scaling=Scaling.identity(2))


def start_of(model: FloatModel, frozen: int, task: Task) -> Start:
    return Source(model, "source.safetensors", frozen).start(task)


def test_a_cell_that_cannot_be_trained_is_refused_by_name():
    """Keras has no LSTM with peepholes, so one that was imported cannot be trained on."""
    with pytest.raises(ProjectError, match="layer 1 of m is a lstm-peephole, which Keras has no layer of"):
        Source(stacked(3, (("gru", 4), ("lstm-peephole", 4)), 2), "m")


def same(one: object, other: object) -> bool:
    """Whether two layers hold the same bits."""
    names = (*one.arrays, *one.numbers)
    return type(one) is type(other) and all(np.array_equal(getattr(one, n), getattr(other, n)) for n in names)


def test_frozen_layers_learn_other_labels_and_stay_what_they_were(source):
    """A new head on a frozen stack tells moving from steady; the stack's bits are the source's, FastGRNN's included."""
    interface = interface_of_moving()
    start = start_of(source, 2, interface.task)
    assert start.head is None
    spec = dataclasses.replace(SPEC, epochs=10)
    model = train(moving(48, 3), None, interface, spec, start=start).model
    assert all(same(*pair) for pair in zip(model.layers, source.layers, strict=True))
    assert model.head.outputs == 2
    # Guessing the commoner label gives 0.67; what the layers know separates all but a few.
    assert accuracy(model, moving(100, 4)) >= 0.9


def test_a_frozen_first_layer_lets_the_others_learn(source):
    """`--freeze 1`: the first layer keeps its bits, the second and the kept head do not."""
    interface = interface_of_ramps()
    start = start_of(source, 1, interface.task)
    spec = dataclasses.replace(SPEC, epochs=1)
    model = train(ramps(32, 5), None, interface, spec, start=start).model
    assert same(model.layers[0], source.layers[0])
    assert not np.array_equal(model.layers[1].kernel, source.layers[1].kernel)
    assert model.layers[1].zeta != source.layers[1].zeta
    assert not np.array_equal(model.head.weights, source.head.weights)
    assert model.interface.provenance["from"] == {"fingerprint": start.fingerprint, "frozen": 1, "head": "kept"}


def test_training_starts_at_the_source(source):
    """At a rate of a millionth, everything is where it was but for the few steps taken."""
    spec = dataclasses.replace(SPEC, epochs=1, learning_rate=1e-6, schedule="constant", averaging=0.0)
    interface = interface_of_ramps()
    model = train(ramps(32, 5), None, interface, spec, start=start_of(source, 0, interface.task)).model
    for new, old in zip((*model.layers, model.head), (*source.layers, source.head), strict=True):
        # Adam's steps are at most about the rate: 8 of them here, a bias of Keras is two variables, and float32 rounds.
        assert np.abs(new.bias - old.bias).max() < 3e-5
    assert 0 < np.abs(model.layers[0].kernel - source.layers[0].kernel).max() < 3e-5


def test_a_gru_that_resets_before_its_product_goes_on_as_one():
    """An imported kind that `[model] cell` cannot ask for keeps its arithmetic."""
    rng = np.random.default_rng(0)
    layer = GruWeights(*(rng.normal(0, 0.5, s) for s in ((3, 8, 2), (3, 8, 8), (3, 8))), np.zeros(8), reset_after=False)
    interface, spec = interface_of_ramps(), TrainingSpec(cell="gru", units=(8,), epochs=15, learning_rate=0.01)
    model = train(ramps(96, 0), None, interface, spec, start=Start((layer,), None, 0, "")).model
    assert not model.layers[0].reset_after
    # As for the other cells: guessing gives 0.33.
    assert accuracy(model, ramps(100, 2)) >= 0.9


class StoppedError(Exception):
    """What a training is stopped by."""


def test_a_stopped_transfer_resumes_to_the_same_bits(source, tmp_path):
    """It does from the same source only: the checkpoint knows the model, the freezing and the head."""
    interface, spec = interface_of_ramps(), dataclasses.replace(SPEC, epochs=3)
    data, start = ramps(32, 5), start_of(source, 1, interface.task)

    def stop(record):
        if record["epoch"] == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(data, None, interface, spec, tmp_path, on_epoch=stop, start=start)
    others = (
        None,
        dataclasses.replace(start, frozen=0),
        dataclasses.replace(start, head=None),
        start_of(source.with_interface(rate_hz=7.0), 1, interface.task),
    )
    for other in others:
        with pytest.raises(TrainingError, match="settings or data have changed"):
            train(data, None, interface, spec, tmp_path, resume=True, start=other)
    resumed = train(data, None, interface, spec, tmp_path, resume=True, start=start).model
    whole = train(data, None, interface, spec, start=start).model
    assert encode_model(resumed) == encode_model(whole)


def test_the_head_follows_its_labels(source):
    """The same labels in another order take its rows along; other labels, or labels turned numbers, take a new one."""
    task = source.interface.task
    turned = start_of(source, 0, dataclasses.replace(task, kind="tag", outputs=task.outputs[::-1]))
    assert np.array_equal(turned.head.weights, source.head.weights[::-1])
    assert np.array_equal(turned.head.bias, source.head.bias[::-1])
    assert start_of(source, 0, dataclasses.replace(task, outputs=("falling", "rising"))).head is None
    assert start_of(source, 0, dataclasses.replace(task, kind="regress")).head is None


def dataset(*channels: str, rate_hz: float | None = None, front_end: dict | None = None) -> Dataset:
    series = np.random.default_rng(0).normal(0, 1, (9, len(channels)))
    return Dataset((Recording("one", series, rate_hz, "a"),), channels, front_end=front_end)


@pytest.mark.parametrize(
    ("recordings", "words"),
    [
        (dataset("slope"), "the recordings lack noise; m takes the channels slope, noise: name those in"),
        (dataset("slope", "noise", "x", "y"), "the recordings have also x, y; m takes"),
        (dataset("slope", "hum"), "the recordings lack noise and have also hum; m takes"),
        (dataset("noise", "slope"), "in the order noise, slope, m takes slope, noise; name them in that order"),
        (dataset("slope", "noise", rate_hz=25), "have 25 Hz, m was trained at 50 Hz; resample the recordings to 50 Hz"),
        (
            dataset("slope", "noise", rate_hz=50, front_end={"bins": 2}),
            "a front end whose bins is 2, m was trained with none",
        ),
    ],
)
def test_another_sensor_is_refused_by_name(source, recordings, words):
    """Channels, their order, the front end and the rate: each with what to do."""
    with pytest.raises(DataError, match=words):
        Source(source.with_interface(rate_hz=50.0), "m").refuse_other_sensor(recordings)


def test_the_same_sensor_is_taken_and_an_unknown_rate_is_told(source):
    """Rates within a per mille are one; where one is not known, a note asks the user to see to it."""
    known, unknown = Source(source.with_interface(rate_hz=50.0), "m"), Source(source, "m")
    task = source.interface.task
    for recordings in (dataset("slope", "noise", rate_hz=50.01), dataset("slope", "noise")):
        known.refuse_other_sensor(recordings)
    assert len(known.notes(task, dataset("slope", "noise", rate_hz=50))) == 1
    assert known.notes(task, dataset("slope", "noise"))[1].startswith("the recordings do not tell a sample rate")
    assert unknown.notes(task, dataset("slope", "noise"))[1].startswith("m does not tell a sample rate")


def project_with(model_table: dict) -> object:
    content = {"data": {"path": "d"}, "task": {"kind": "classify"}, "model": model_table}
    return parse_project(content, Path("edge-lstm.toml"))


def test_the_model_table_gives_way_or_agrees(source):
    """What it leaves out is the source's; what it says must be the source's."""
    agreeing = ({}, {"dropout": 0.5}, {"units": [8, 6]}, {"units": [8, 6], "cell": ["gru", "fastgrnn"]})
    for table in agreeing:
        spec = Source(source, "m").training(project_with(table))
        assert (spec.cells, spec.units) == (("gru", "fastgrnn"), (8, 6))
        assert spec.dropout == table.get("dropout", 0.2)
    uniform = train(ramps(8, 0), None, interface_of_ramps(), TrainingSpec(units=(3, 3), epochs=1)).model
    assert Source(uniform, "m").training(project_with({"cell": "lstm"})).units == (3, 3)
    with pytest.raises(ProjectError, match=r"\[model\] units is \[9\], m has \[8, 6\]; write that, or leave units out"):
        Source(source, "m").training(project_with({"units": [9]}))
    with pytest.raises(ProjectError, match=r'\[model\] cell is "gru", m has \["gru", "fastgrnn"\]'):
        Source(source, "m").training(project_with({"cell": "gru"}))
    with pytest.raises(ProjectError, match="--freeze is 3, but m has 2 layers; give 0 to 2"):
        Source(source, "m", 3)


def test_the_command_keeps_layers_scaling_and_says_so(tmp_path):
    """`train --from --freeze` on recordings of other labels and means: a note, and the source's scaling."""
    folder = tmp_path / "p"
    start_project(folder)
    project = load_project(folder)
    text = (folder / "edge-lstm.toml").read_text()
    (folder / "edge-lstm.toml").write_text(text.replace("units = [16]", 'cell = "gru"\nunits = [5]'))
    run = CliRunner().invoke
    first = run(cli, ["train", "--project", str(folder), "--epochs", "1", "--json", "-q"])
    assert first.exit_code == 0, first.output
    (folder / "data" / "shake").rename(folder / "data" / "jerk")
    for file in (folder / "data" / "jerk").iterdir():
        rows = np.loadtxt(file, delimiter=",", skiprows=1)
        np.savetxt(file, rows + 5, delimiter=",", header="ax,ay,az", comments="")
    (folder / "edge-lstm.toml").write_text(text.replace("units = [16]", ""))
    words = ["train", "--project", str(folder), "--from", str(project.model_file), "--freeze", "1", "--epochs", "1"]
    again = run(cli, [*words, "-o", str(tmp_path / "new.safetensors"), "--json"])
    assert again.exit_code == 0, again.output
    told = json.loads(again.stdout)
    begun = f"started from {project.model_file}: its scaling of the channels is kept, its head is new"
    assert told["notes"] == [f"{begun}, for the outputs are others"]
    old, new = load_model(project.model_file), load_model(tmp_path / "new.safetensors")
    assert same(new.layers[0], old.layers[0])
    assert new.interface.task.outputs == ("circle", "jerk", "rest")
    assert np.array_equal(new.interface.scaling.offset, old.interface.scaling.offset)
    assert not np.allclose(prepare(load_project(folder)).interface().scaling.offset, old.interface.scaling.offset)
    for asked, line in (
        (words, "is the model to start from, and would be replaced; give another --output"),
        (["train", "--project", str(folder), "--freeze", "1"], "--freeze 1 is of the layers of a trained model"),
        ([*words[:-2], "-o", "x", "--from", str(folder / "none")], "none: cannot be read"),
    ):
        refused = run(cli, asked)
        assert refused.exit_code == 2
        assert line in refused.stderr
