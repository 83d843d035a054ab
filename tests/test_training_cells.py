"""Every cell trains, repeats itself to the bit, resumes to the bit, and is held to its limits."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_training import accuracy, interface_of_ramps, ramps, waves

from edge_lstm.model import DenseLayerWeights, FastGrnnWeights, FloatModel, GruWeights, RnnWeights
from edge_lstm.modelfile import encode_model
from edge_lstm.training import TrainingSpec, train
from edge_lstm.training.curve import load_curve
from edge_lstm.training.start import Start

MIXED = TrainingSpec(
    cell=("dense", "conv", "fastgrnn", "lstm", "bilstm", "rnn", "rnn-relu", "gru"),
    units=(5, 4, 5, 4, 3, 4, 4, 5),
    taps=4,
    look_ahead=2,
    epochs=3,
    batch=16,
    input_noise=0.05,
)


def trained_on_ramps(spec: TrainingSpec, *place, **how) -> FloatModel:
    return train(ramps(96, 0), ramps(32, 1), interface_of_ramps(), spec, *place, **how).model


@pytest.mark.parametrize(("cell", "least"), [("gru", 0.95), ("rnn", 0.9), ("rnn-relu", 0.9), ("fastgrnn", 0.9)])
def test_every_cell_learns_a_separable_task(cell, least):
    """Three slopes in noise are told apart on recordings never seen; guessing gives 0.33.

    A GRU reaches what an LSTM does; a simple RNN and a FastGRNN, with a quarter of its weights, come close.
    """
    spec = TrainingSpec(cell=cell, units=(8,), epochs=20, learning_rate=0.01)
    assert accuracy(trained_on_ramps(spec), ramps(100, 2)) >= least


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from test_training_cells import MIXED, trained_on_ramps

def on_epoch(record):
    if record["epoch"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)

trained_on_ramps(MIXED, sys.argv[2], on_epoch=on_epoch)
"""


def test_a_killed_training_of_every_cell_resumes_to_the_same_bits(tmp_path):
    """Killed with SIGKILL and resumed in another process, a stack of everything ends in the weights, to the bit, of
    the uninterrupted run."""
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path)]
    killed = subprocess.run(command, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(load_curve(tmp_path / "curve.jsonl")) == 2
    resumed = trained_on_ramps(MIXED, tmp_path, resume=True)
    assert encode_model(resumed) == encode_model(trained_on_ramps(MIXED))
    assert tuple(layer.variant for layer in resumed.layers) == MIXED.cells


@pytest.mark.parametrize("reset_after", [True, False])
def test_weights_go_into_keras_and_come_back(reset_after):
    """Both kinds of GRU are the same arrays after a round trip; zeta and nu to the rounding of a float32 sigmoid."""
    from edge_lstm.training.keras_layers import KERAS_CELLS

    rng = np.random.default_rng(0)
    kernel, recurrent, bias = (rng.normal(size=s).astype(np.float32) for s in ((3, 4, 2), (3, 4, 4), (3, 4)))
    reset_bias = rng.normal(size=4) if reset_after else np.zeros(4)
    gru = GruWeights(kernel, recurrent, bias, reset_bias, reset_after)
    row = KERAS_CELLS["gru"]
    again = row.weights(row.variables(gru), row.arguments(gru, TrainingSpec()))
    assert again.reset_after == reset_after
    assert all(np.array_equal(getattr(again, name), getattr(gru, name)) for name in gru.arrays)
    for zeta, nu in ((0.73, 0.018), (1.0, 0.0)):
        fast = FastGrnnWeights(kernel[:1], recurrent[:1], bias[:2], zeta, nu)
        row = KERAS_CELLS["fastgrnn"]
        again = row.weights(row.variables(fast), row.arguments(fast, TrainingSpec()))
        assert np.array_equal(again.bias, fast.bias)
        # The logit is rounded to float32: half an ulp of a number up to 16 is 1e-6, and a sigmoid's slope at most 1/4.
        assert (again.zeta, again.nu) == pytest.approx((zeta, nu), abs=3e-7)


def test_a_dense_layer_keeps_its_activation():
    """A new one is a ReLU; one that was imported with another function trains on with that."""
    from edge_lstm.training.network import Network

    rng = np.random.default_rng(0)
    dense = DenseLayerWeights(rng.normal(size=(1, 4, 2)), rng.normal(size=(1, 4)), "sigmoid")
    rnn = RnnWeights(*(rng.normal(size=s) for s in ((1, 3, 4), (1, 3, 3), (1, 3))))
    spec, interface = TrainingSpec(cell=("dense", "rnn"), units=(4, 3), epochs=1), interface_of_ramps()
    model = train(ramps(16, 0), None, interface, spec, start=Start((dense, rnn), None, 0, "")).model
    assert model.layers[0].activation == "sigmoid"
    assert Network(2, 3, spec).layers[0].activation.__name__ == "relu"


def test_a_simple_rnn_keeps_its_activation():
    """One that rectifies is a cell of its own to train, and trains on as it is."""
    from edge_lstm.training.network import Network

    layer = RnnWeights(*(np.random.default_rng(0).normal(size=s) for s in ((1, 3, 2), (1, 3, 3), (1, 3))), "relu")
    spec = TrainingSpec(cell=layer.variant, units=(3,), epochs=1)
    model = train(ramps(16, 0), None, interface_of_ramps(), spec, start=Start((layer,), None, 0, "")).model
    assert (model.layers[0].cell, model.layers[0].activation) == ("rnn", "relu")
    assert Network(2, 3, spec).layers[0].activation.__name__ == "relu"


def test_a_fastgrnn_starts_as_its_authors_start_it():
    """sigmoid(1) and sigmoid(-4) for zeta and nu, ones for both biases."""
    from edge_lstm.training.network import Network

    *_, bias, zeta, nu = (v.numpy() for v in Network(3, 2, TrainingSpec(cell="fastgrnn")).variables[:-2])
    assert (bias == 1).all()
    assert (zeta, nu) == (1.0, -4.0)


def test_a_fastgrnn_that_counts_without_end_is_held_back():
    """Beyond a hidden state of 4 a cost pushes its gate and its candidate down; below, training is left alone."""
    from edge_lstm.training.keras_layers import HIDDEN_LIMIT
    from edge_lstm.training.network import Network
    from edge_lstm.training.optimise import Optimisation

    _, interface = waves(1, 10)
    spec = TrainingSpec(cell="fastgrnn", units=(2,), level_noise=0.0, dropout=0.0)
    network = Network(1, 1, spec)
    _, recurrent, bias, zeta, nu = network.variables[:5]
    recurrent.assign(np.zeros((2, 2)))
    # An open gate and zeta near 0 add nu, one half, of a candidate near one at every step.
    bias.assign([[9.0, 9.0], [3.0, 3.0]])
    zeta.assign(-9.0)
    nu.assign(0.0)
    step = Optimisation(network, interface.task, spec)

    def pushed(steps: int) -> list[np.ndarray]:
        inputs, none = np.zeros((1, steps, 1), np.float32), np.zeros((1, steps, 1), np.float32)
        return [np.array(g) for g in step.gradients(inputs, none, none, np.int32(0))[1][2:5]]

    assert not any(g.any() for g in pushed(int(HIDDEN_LIMIT)))
    assert all((g > 0).all() for g in pushed(6 * int(HIDDEN_LIMIT)))


def test_gru_and_rnn_have_no_limit_to_be_held_to():
    """Their hidden states are means of numbers within ±1."""
    from edge_lstm.training.network import Network

    x = np.full((1, 50, 1), 9.0, np.float32)
    for cell, states in {"gru": 0, "rnn": 0, "rnn-relu": 1, "fastgrnn": 1, "lstm": 1}.items():
        outputs, growing = Network(1, 1, TrainingSpec(cell=cell, units=(2,))).run(x)
        assert len(growing) == states
        assert np.isfinite(outputs).all()


def test_a_checkpoint_of_other_cells_is_refused(tmp_path):
    """GRU and simple RNN of the same units are not taken for each other."""
    from edge_lstm.errors import TrainingError

    spec = TrainingSpec(cell="gru", units=(4,), epochs=1)
    trained_on_ramps(spec, tmp_path)
    with pytest.raises(TrainingError, match="settings or data have changed"):
        trained_on_ramps(dataclasses.replace(spec, cell="rnn"), tmp_path, resume=True)
