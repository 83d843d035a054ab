"""The fused float32 file agrees with the float reference in tflite-runtime and LiteRT, and carries its state."""

import numpy as np
import pytest
from models import float_model, recordings

from edge_lstm.reference import network, trace
from edge_lstm.runtimes.worker import Job, run_jobs
from edge_lstm_export.tflite import float_tflite

# float32 against float64: an LSTM contracts rounding errors of 6e-8 a product; 2e-5 leaves room for sums over 40 terms,
# reordered by the kernels, and for their polynomial tanh.
FLOAT32_BOUND = 2e-5

SHAPES = [(1, (1,), 1), (3, (5,), 2), (9, (32, 16), 6), (40, (48, 16, 5), 9)]


@pytest.mark.parametrize("runtime", ["tflite-runtime", "litert"])
def test_outputs_and_states_are_within_float32_of_the_reference(runtime, tmp_path):
    """Scaled samples in, network outputs out, h and c of every layer, over whole recordings."""
    models = [float_model(*shape) for shape in SHAPES]
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


def test_exporting_twice_gives_identical_bytes():
    """Equal models give equal files."""
    assert float_tflite(float_model()) == float_tflite(float_model())
