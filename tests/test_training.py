"""Training: it learns, it repeats itself to the bit, it survives a kill, and it refuses what it cannot do."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge_lstm.datasets import Sequences
from edge_lstm.errors import MissingDependencyError, ProjectError, TrainingError
from edge_lstm.model import AnomalyRule, Interface, Scaling, Task
from edge_lstm.modelfile import encode_model, load_model
from edge_lstm.reference import network, replay
from edge_lstm.streaming.anomaly import alarms
from edge_lstm.training import TrainingSpec, train
from edge_lstm.training.curve import load_curve
from edge_lstm.training.examples import batches, examples, taught

LABELS = ("falling", "rising", "steady")
SMALL = TrainingSpec(units=(6, 5), epochs=4, batch=16, input_noise=0.05)


def ramps(count: int, seed: int) -> Sequences:
    """Two channels that rise, fall or stay, in noise; 12 to 20 steps; labelled at the end."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(12, 21, count)
    labels = rng.integers(0, 3, count)
    inputs = rng.normal(0, 0.5, (count, 20, 2)) + 3.0
    inputs[..., 0] += np.array([-0.15, 0.15, 0.0])[labels][:, None] * np.arange(20)
    inputs[np.arange(20) >= lengths[:, None]] = 0.0
    targets = np.full((count, 20), -1)
    targets[np.arange(count), lengths - 1] = labels
    return Sequences(inputs, lengths, targets, np.arange(count), np.zeros(count))


def interface_of_ramps() -> Interface:
    scaling = Scaling([3.0, 3.0], [1.0, 0.5])
    return Interface(("slope", "noise"), scaling, Task("classify", LABELS), Scaling.identity(3))


def waves(count: int, steps: int, kind: str = "forecast") -> tuple[Sequences, Interface]:
    """Chunks of one sine wave, each step bearing the next value."""
    wave = 5 + 2 * np.sin(np.arange(count * steps + 1) * 0.3)
    inputs = wave[:-1].reshape(count, steps, 1)
    targets = wave[1:].reshape(count, steps, 1)
    sequences = Sequences(inputs, np.full(count, steps), targets, np.zeros(count), np.arange(count) * steps)
    task = Task(kind, ("level",), horizon=1, target_channels=(0,))
    return sequences, Interface(("level",), Scaling([5.0], [1.4]), task, Scaling([5.0], [1.4]))


def accuracy(model, sequences: Sequences) -> float:
    series = [model.interface.scaling.apply(x[:n]) for x, n in zip(sequences.inputs, sequences.lengths, strict=True)]
    found = [y[-1].argmax() for y in replay(network(model), series)]
    return float(np.mean(found == sequences.targets.max(axis=1)))


@pytest.fixture(scope="module")
def trained():
    return train(ramps(96, 0), ramps(32, 1), interface_of_ramps(), SMALL)


def test_the_defaults_learn_a_separable_task():
    """Three slopes in noise are told apart on recordings never seen."""
    spec = TrainingSpec(units=(8,), epochs=20)
    model = train(ramps(96, 0), ramps(32, 1), interface_of_ramps(), spec).model
    # 0.95 leaves room for a few of the 100 recordings whose noise hides a slope; guessing gives 0.33.
    assert accuracy(model, ramps(100, 2)) >= 0.95


def test_a_forecast_learns_a_sine():
    """One step ahead, the error falls below a fifth of that of repeating the last value."""
    sequences, interface = waves(24, 30)
    spec = TrainingSpec(units=(12,), epochs=60, batch=8, learning_rate=0.01, dropout=0.0, level_noise=0.0)
    result = train(sequences, None, interface, spec)
    output = replay(network(result.model), [interface.scaling.apply(sequences.inputs.reshape(-1, 1))])[0]
    error = np.abs(interface.target_scaling.undo(output) - sequences.targets.reshape(-1, 1))[30:].mean()
    naive = np.abs(sequences.inputs - sequences.targets).mean()
    assert error < naive / 5


def test_training_prints_nothing(capfd):
    """The library is silent; only the command line speaks."""
    train(ramps(16, 0), None, interface_of_ramps(), dataclasses.replace(SMALL, epochs=1))
    out, _ = capfd.readouterr()
    assert out == ""


def test_the_same_seed_gives_the_same_bits(trained):
    """Weights and curve repeat to the last bit on one machine; another seed gives others."""
    again = train(ramps(96, 0), ramps(32, 1), interface_of_ramps(), SMALL)
    other = train(ramps(96, 0), ramps(32, 1), interface_of_ramps(), dataclasses.replace(SMALL, seed=1))
    assert encode_model(again.model) == encode_model(trained.model)
    assert again.curve == trained.curve
    assert not np.array_equal(other.model.layers[0].kernel, trained.model.layers[0].kernel)


def test_the_curve_has_one_record_an_epoch(trained, tmp_path):
    """The file, the callback and the result tell the same story."""
    seen = []
    directory = tmp_path / "run"
    result = train(ramps(96, 0), ramps(32, 1), interface_of_ramps(), SMALL, directory, on_epoch=seen.append)
    assert [record["epoch"] for record in result.curve] == [1, 2, 3, 4]
    assert load_curve(directory / "curve.jsonl") == seen == list(result.curve)
    assert encode_model(load_model(directory / "model.safetensors")) == encode_model(result.model)
    assert result.curve == trained.curve


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_training import SMALL, interface_of_ramps, ramps
from edge_lstm.training import train

def on_epoch(record):
    if record["epoch"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)

train(ramps(96, 0), ramps(32, 1), interface_of_ramps(), SMALL, sys.argv[2], on_epoch=on_epoch)
"""


def test_a_killed_training_resumes_to_the_same_bits(trained, tmp_path):
    """Killed with SIGKILL after its second epoch and resumed, it ends in the weights of the uninterrupted run."""
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path)]
    killed = subprocess.run(command, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(load_curve(tmp_path / "curve.jsonl")) == 2
    assert not (tmp_path / "model.safetensors").exists()
    seen = []
    resumed = train(
        ramps(96, 0), ramps(32, 1), interface_of_ramps(), SMALL, tmp_path, resume=True, on_epoch=seen.append
    )
    assert [record["epoch"] for record in seen] == [3, 4]
    assert resumed.curve == trained.curve
    assert encode_model(resumed.model) == encode_model(trained.model)


def test_resuming_a_finished_training_gives_its_model_again(tmp_path):
    """Nothing is trained beyond the epochs asked for."""
    first = train(ramps(32, 0), None, interface_of_ramps(), SMALL, tmp_path)
    again = train(ramps(32, 0), None, interface_of_ramps(), SMALL, tmp_path, resume=True)
    assert encode_model(first.model) == encode_model(again.model)


def test_resuming_what_has_changed_is_refused(tmp_path):
    """A checkpoint of other settings, other data, a damaged one and a missing one each give one clear line."""
    data, interface = ramps(32, 0), interface_of_ramps()
    spec = dataclasses.replace(SMALL, epochs=1)
    with pytest.raises(TrainingError, match="no checkpoint to resume from"):
        train(data, None, interface, spec, tmp_path, resume=True)
    train(data, None, interface, spec, tmp_path)
    with pytest.raises(TrainingError, match="settings or data have changed"):
        train(data, None, interface, dataclasses.replace(spec, units=(7,)), tmp_path, resume=True)
    with pytest.raises(TrainingError, match="settings or data have changed"):
        train(ramps(32, 1), None, interface, spec, tmp_path, resume=True)
    checkpoint = tmp_path / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(TrainingError, match=r"checkpoint\.safetensors: checkpoint cannot be read"):
        train(data, None, interface, spec, tmp_path, resume=True)
    with pytest.raises(ProjectError, match="resume needs the directory"):
        train(data, None, interface, spec, resume=True)


def test_the_checkpoint_holds_no_pickle(tmp_path):
    """It is a safetensors file: a length, a JSON header, raw arrays."""
    train(ramps(32, 0), None, interface_of_ramps(), dataclasses.replace(SMALL, epochs=1), tmp_path)
    data = (tmp_path / "checkpoint.safetensors").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert {name.split("/")[0] for name in header} == {"__metadata__", "weights", "average", "optimiser", "best"}


def test_what_lies_in_the_padding_changes_nothing(trained):
    """Steps beyond a sequence's length reach neither the loss nor the weights."""
    clean = ramps(96, 0)
    inputs = np.where(np.arange(20)[None, :, None] < clean.lengths[:, None, None], clean.inputs, 1e6)
    dirty = dataclasses.replace(clean, inputs=inputs.astype(np.float32))
    again = train(dirty, ramps(32, 1), interface_of_ramps(), SMALL)
    assert encode_model(again.model) == encode_model(trained.model)


def test_early_stopping_keeps_the_best_epoch():
    """Training ends `patience` epochs after the lowest validation loss, and those weights are kept."""
    spec = TrainingSpec(units=(8,), epochs=60, patience=3, learning_rate=0.05, schedule="constant", averaging=0.0)
    validation = ramps(32, 1)
    result = train(ramps(48, 0), validation, interface_of_ramps(), spec)
    losses = [record["validation_loss"] for record in result.curve]
    assert result.stopped_early
    assert result.best_epoch == int(np.argmin(losses)) + 1 == result.epochs - 3
    assert accuracy(result.model, validation) == result.curve[result.best_epoch - 1]["validation_accuracy"]


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_the_learning_rate_falls(schedule):
    """Cosine ends at 1 % of the rate; a plateau halves it each time the validation loss stalls."""
    spec = TrainingSpec(units=(4,), epochs=16, patience=99, schedule=schedule, learning_rate=0.05, averaging=0.0)
    rates = [r["learning_rate"] for r in train(ramps(32, 0), ramps(8, 1), interface_of_ramps(), spec).curve]
    assert rates == sorted(rates, reverse=True)
    # The last step of the cosine is one step short of its end: 1 % and what the last of 16 steps still has above it.
    assert (
        rates[-1] < 0.02 * spec.learning_rate if schedule == "cosine" else rates[-1] in (0.05, 0.025, 0.0125, 0.00625)
    )


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "fastgrnn", ("rnn", "gru"), ("fastgrnn", "dense")])
def test_the_numpy_reference_computes_what_keras_computes(cell):
    """Two stacked layers and the head, gate by gate in the right order."""
    from edge_lstm.training.network import Network

    rng = np.random.default_rng(0)
    keras_network = Network(3, 4, TrainingSpec(cell=cell, units=(7, 5)))
    for variable in keras_network.variables:
        variable.assign(rng.normal(0, 0.3, variable.shape))
    task = Task("tag", ("a", "b", "c", "d"))
    interface = Interface(("x", "y", "z"), Scaling.identity(3), task, Scaling.identity(4))
    model = keras_network.to_model([v.numpy() for v in keras_network.variables], interface)
    x = rng.normal(0, 1, (6, 50, 3)).astype(np.float32)
    keras_outputs = keras_network(x).numpy()
    outputs = np.stack(replay(network(model), list(x)))
    # Keras adds in float32 (relative error 6e-8 an operation): some hundred additions of terms of size 1, carried
    # through 50 steps of contracting gates, stay two orders below this.
    assert np.abs(outputs - keras_outputs).max() < 2e-5


def test_initial_weights_are_the_classic_ones():
    """Orthogonal recurrent matrices, Glorot-bounded kernels, zero biases but the forget gate's one."""
    from edge_lstm.training.network import Network

    kernel, recurrent, bias = (v.numpy() for v in Network(9, 2, TrainingSpec(units=(16,), seed=3)).variables[:3])
    # float32 rounding of a product of unit rows.
    assert np.abs(recurrent @ recurrent.T - np.eye(16)).max() < 1e-5
    assert np.abs(kernel).max() <= np.sqrt(6 / (9 + 64))
    assert (bias == np.repeat([0, 1, 0, 0], 16)).all()


def test_gradients_are_clipped_by_their_global_norm():
    """However large the loss, the norm of all gradients together is at most `clip_norm`."""
    from edge_lstm.training.network import Network
    from edge_lstm.training.optimise import Optimisation

    sequences, interface = waves(4, 10)
    spec = TrainingSpec(units=(4,), loss="mse", clip_norm=0.5)
    step = Optimisation(Network(1, 1, spec), interface.task, spec)
    data = examples(sequences, interface)
    _, gradients = step.gradients(data.inputs, data.targets * np.float32(1e3), data.weights, np.int32(0))
    # float32 rounding of the norm.
    assert np.sqrt(sum(np.sum(g.numpy() ** 2) for g in gradients)) == pytest.approx(0.5, rel=1e-5)


def test_a_cell_that_counts_without_end_is_held_back():
    """Beyond a cell state of 32 a cost pushes it down; below, training is left alone."""
    from edge_lstm.training.keras_layers import CELL_LIMIT
    from edge_lstm.training.network import Network
    from edge_lstm.training.optimise import Optimisation

    _, interface = waves(1, 10)
    spec = TrainingSpec(units=(2,), level_noise=0.0, dropout=0.0)
    network_ = Network(1, 1, spec)
    # Every gate all but open: sigmoid and tanh of 3 are above 0.95, so the cell gains almost one a step.
    network_.variables[2].assign(np.repeat([3.0, 9.0, 3.0, 3.0], 2))
    step = Optimisation(network_, interface.task, spec)

    def pushed(steps: int) -> np.ndarray:
        inputs, none = np.zeros((1, steps, 1), np.float32), np.zeros((1, steps, 1), np.float32)
        return np.array(step.gradients(inputs, none, none, np.int32(0))[1][2])

    assert not pushed(int(CELL_LIMIT) // 2).any()
    # The output gate has no part in the cell but through the hidden state, so its sign says nothing.
    assert (pushed(2 * int(CELL_LIMIT))[:6] > 0).all()


def test_supervision_shares_out_one_label():
    """A ramp teaches every step, each recording weighing one; `last` teaches the labelled step alone."""
    sequences, interface = ramps(8, 0), interface_of_ramps()
    ramp = taught(sequences, interface, TrainingSpec(supervision="ramp"))
    last = taught(sequences, interface, TrainingSpec(supervision="last"))
    # float32 rounding of a sum of 20 terms.
    assert ramp.weights.sum(axis=1) == pytest.approx(np.ones(8), rel=1e-6)
    for weights, targets, n in zip(ramp.weights, ramp.targets, ramp.lengths, strict=True):
        assert (np.diff(weights[:n]) > 0).all()
        assert not weights[n:].any()
        assert len(set(targets[:n])) == 1
    assert (last.weights == sequences.has_target).all()


def test_class_weights_balance_the_labels():
    """`balanced` gives every label the same total weight; a table gives each label its own."""
    sequences, interface = ramps(40, 0), interface_of_ramps()
    balanced = taught(sequences, interface, TrainingSpec(supervision="last", class_weights="balanced"))
    totals = [balanced.weights[balanced.targets == k].sum() for k in range(3)]
    assert totals == pytest.approx([40 / 3] * 3, rel=1e-6)  # float32 rounding
    named = taught(sequences, interface, TrainingSpec(supervision="last", class_weights=(("rising", 4.0),)))
    assert set(named.weights[named.weights > 0]) == {1.0, 4.0}
    with pytest.raises(ProjectError, match=r"label 'up'; choose from falling, rising, steady"):
        taught(sequences, interface, TrainingSpec(class_weights=(("up", 2.0),)))
    nothing = tuple((label, 0.0) for label in interface.task.outputs)
    with pytest.raises(ProjectError, match="gives every label the weight 0"):
        taught(sequences, interface, TrainingSpec(class_weights=nothing))


def test_every_epoch_sees_every_sequence_once_in_its_own_order():
    """Batches part the rows, nearly evenly; the order is a function of seed and epoch."""
    for count, size in ((1, 32), (33, 32), (100, 32), (31, 64)):
        parts = batches(count, size, 0, 5)
        assert sorted(np.concatenate(parts).tolist()) == list(range(count))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert max(map(len, parts)) <= 1.5 * size
    first, second = (np.concatenate(batches(100, 32, 0, epoch)) for epoch in (0, 1))
    assert not np.array_equal(first, second)


def test_an_anomaly_model_learns_its_threshold_from_whole_recordings():
    """Chunks are put together again: the state is carried, and 5 % of the normal scores lie above the threshold."""
    sequences, interface = waves(20, 30, "anomaly")
    task = dataclasses.replace(interface.task, anomaly=AnomalyRule(0.2, np.inf, 0.95))
    interface = dataclasses.replace(interface, task=task)
    model = train(sequences, None, interface, dataclasses.replace(SMALL, epochs=2)).model
    assert model.interface.task.anomaly.smoothing == 0.2
    series = sequences.inputs.reshape(-1, 1)
    outputs = replay(network(model), [interface.scaling.apply(series)])[0]
    # 599 scores: the 95 % quantile leaves 5 % of them above it, give or take one.
    assert abs(alarms(model.interface, series, outputs).sum() - 0.05 * 599) <= 1


def test_unusable_data_is_refused():
    """A missing input and a part without targets are said plainly."""
    interface = interface_of_ramps()
    data = ramps(8, 0)
    holed = np.array(data.inputs)
    holed[3, 2, 1] = np.nan
    with pytest.raises(TrainingError, match="sequence 3 holds an input that is not finite"):
        train(dataclasses.replace(data, inputs=holed), None, interface, SMALL)
    with pytest.raises(TrainingError, match="no step of any sequence has a target"):
        train(dataclasses.replace(data, targets=np.full((8, 20), -1)), None, interface, SMALL)


def test_a_loss_that_does_not_suit_the_task_is_refused():
    """Labels take cross-entropy, numbers take mse, mae or huber."""
    with pytest.raises(ProjectError, match="'mse' does not suit the task 'classify'"):
        train(ramps(8, 0), None, interface_of_ramps(), dataclasses.replace(SMALL, loss="mse"))
    sequences, interface = waves(2, 10)
    with pytest.raises(ProjectError, match="choose mse, mae, huber"):
        train(sequences, None, interface, dataclasses.replace(SMALL, loss="cross-entropy"))


def test_a_loss_that_explodes_is_said_where_it_did():
    """The message names epoch, batch and the rate to lower; the checkpoint of the epoch before stays."""
    sequences, interface = waves(4, 10)
    huge = dataclasses.replace(sequences, targets=sequences.targets * np.float32(1e30))
    with pytest.raises(TrainingError, match=r"epoch 1, batch 1; lower learning_rate"):
        train(huge, None, interface, dataclasses.replace(SMALL, loss="mse"))


def test_training_without_tensorflow_names_the_extra(monkeypatch):
    """The base install trains nothing, and says what to install."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'edge-lstm\[train\]'"):
        train(ramps(8, 0), None, interface_of_ramps(), SMALL)


def test_importing_training_does_not_import_tensorflow():
    """A command that reads the project file but trains nothing must not wait for TensorFlow."""
    code = "import sys, edge_lstm.training; sys.exit(bool({'tensorflow', 'keras'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
