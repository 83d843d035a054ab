"""The float32 file agrees with the float reference in every interpreter, its state inside or in the caller's hands."""

import subprocess
import sys

import numpy as np
import pytest
from cell_stacks import STACKS, stacked
from models import float_model, recordings

from edge_lstm.reference import network, trace
from edge_lstm.runtimes.litert import litert, package
from edge_lstm.runtimes.tflite_operators import operators
from edge_lstm.runtimes.worker import Job, run_jobs
from edge_lstm_export.tflite import float_tflite

# float32 against float64: an LSTM contracts rounding errors of 6e-8 a product; 2e-5 leaves room for sums over 40 terms,
# reordered by the kernels, and for their polynomial tanh.
FLOAT32_BOUND = 2e-5

SHAPES = [(1, (1,), 1), (3, (5,), 2), (9, (32, 16), 6), (40, (48, 16, 5), 9)]


RUNTIMES = ("tflite-runtime", "litert", "tflm")


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("cells", ["lstm", "every"])
def test_outputs_and_states_are_within_float32_of_the_reference(runtime, cells, tmp_path):
    """Scaled samples in, network outputs out, h and c of every layer, over whole recordings."""
    lstms, stacks = (float_model(*shape) for shape in SHAPES), (stacked(*stack) for stack in STACKS.values())
    models = list(lstms if cells == "lstm" else stacks)
    jobs, series = [], []
    for k, model in enumerate(models):
        (tmp_path / f"{k}.tflite").write_bytes(float_tflite(model))
        scaled = [model.interface.scaling.apply(r).astype(np.float32) for r in recordings(model, 2, 400)]
        series.append(scaled)
        jobs.append(Job(tmp_path / f"{k}.tflite", scaled))
    for model, scaled, computed in zip(models, series, run_jobs(runtime, jobs), strict=True):
        for x, got in zip(scaled, computed, strict=True):
            expected = trace(network(model), x)
            assert np.abs(got.outputs - expected[len(model.layers), "y"]).max() < FLOAT32_BOUND
            for layer, (h, c) in enumerate(got.states):
                assert np.abs(h - expected[layer, "h"]).max() < FLOAT32_BOUND
                # The cell is not bounded by 1 as h is.
                assert np.abs(c - expected[layer, "c"]).max() < FLOAT32_BOUND * max(1, np.abs(c).max())


def test_a_stack_of_lstms_keeps_its_state_inside_and_any_other_hands_it_out():
    """A fused file has one input; an explicit one takes h of each layer but a dense one, c of LSTMs."""
    assert litert(float_tflite(float_model()))._x.shape == (1, 1, 3)
    content = float_tflite(stacked(5, (("gru", 4), ("lstm", 3), ("dense-relu", 6), ("rnn", 2)), 2))
    taken = [details["name"] for details in package().Interpreter(model_content=content).get_input_details()]
    assert taken == ["x", "layer0/h", "layer1/h", "layer1/c", "layer3/h"]
    widths = [[part.shape for part in layer] for layer in litert(content).get_state()]
    assert widths == [[(units,)] * 2 for units in (4, 3, 6, 2)]


def test_the_explicit_file_is_of_operators_that_every_interpreter_has():
    """Plain ones alone, whose names the project's own reader of files knows."""
    used = operators(float_tflite(stacked(*STACKS["mixed"]))) + operators(float_tflite(stacked(*STACKS["mixed dense"])))
    plain = {"ADD", "SUB", "MUL", "CONCATENATION", "FULLY_CONNECTED", "LOGISTIC", "TANH", "RELU"}
    assert set(used) == plain


# In a process of its own: argv is the runtime and the file.
RESUMED = """
import sys
from pathlib import Path
import numpy as np
from edge_lstm.runtimes.worker import RUNTIMES
one, other = (RUNTIMES[sys.argv[1]](Path(sys.argv[2])) for _ in range(2))
x = np.random.default_rng(0).normal(0, 1, (60, 5)).astype(np.float32)
whole = one.run(x)
one.reset()
one.run(x[:25])
other.run(x[:7])
other.set_state(one.get_state())
assert all(np.array_equal(a, b) for a, b in zip(np.array(other.get_state()[0]), np.array(one.get_state()[0])))
assert np.array_equal(other.run(x[25:]), whole[25:])
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_stream_of_mixed_cells_resumes_from_a_saved_state(runtime, tmp_path):
    """A state saved in one stream and set in another continues bit for bit, pairs (h, h) and (h, c) alike."""
    (tmp_path / "m.tflite").write_bytes(float_tflite(stacked(*STACKS["mixed"])))
    command = [sys.executable, "-c", RESUMED, runtime, tmp_path / "m.tflite"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_exporting_twice_gives_identical_bytes():
    """Equal models give equal files."""
    assert float_tflite(float_model()) == float_tflite(float_model())
    assert float_tflite(stacked(*STACKS["mixed"])) == float_tflite(stacked(*STACKS["mixed"]))
