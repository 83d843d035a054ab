"""The ONNX file: valid, computed by onnxruntime as the float reference computes it, step == sequence."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from models import float_model

from edge_lstm.model import Scaling
from edge_lstm.reference import network, replay
from edge_lstm_export.onnx_model import onnx_model

# float32 against float64: an LSTM contracts rounding errors of 6e-8 a product; 2e-5 leaves room for sums over 40 terms
# and for the reordering of a different matrix kernel.
FLOAT32_BOUND = 2e-5

SHAPES = [(1, (1,), 1), (3, (5,), 2), (9, (32, 16), 6), (40, (48, 16, 5), 9)]


def random_model(features, units, outputs):
    rng = np.random.default_rng(7)
    targets = Scaling(rng.normal(0, 3, outputs), rng.uniform(0.5, 2, outputs))
    return float_model(features, units, outputs, kind="regress").with_interface(target_scaling=targets)


def physical_series(model, steps, seed=1):
    scaled = np.random.default_rng(seed).normal(0, 1, (steps, len(model.interface.channels)))
    return model.interface.scaling.undo(scaled).astype(np.float32)


class Session:
    """onnxruntime over the model's bytes, with the state carried by the caller."""

    def __init__(self, model):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(onnx_model(model), options, providers=["CPUExecutionProvider"])
        self._units = [layer.units for layer in model.layers]

    def zero_state(self, batch=1):
        return [np.zeros((1, batch, units), np.float32) for units in self._units for _ in range(2)]

    def __call__(self, x, state):
        names = [entry.name for entry in self._session.get_inputs()]
        y, *state = self._session.run(None, dict(zip(names, [x, *state], strict=True)))
        return y, state


@pytest.mark.parametrize(("features", "units", "outputs"), SHAPES)
def test_onnx_checker_finds_nothing(features, units, outputs):
    """The file passes onnx's own full check, shape inference included."""
    onnx.checker.check_model(onnx_model(random_model(features, units, outputs)), full_check=True)


@pytest.mark.parametrize(("features", "units", "outputs"), SHAPES)
def test_onnxruntime_agrees_with_the_float_reference(features, units, outputs):
    """Physical units in, physical units out, within float32 of the float64 reference over 500 steps."""
    model = random_model(features, units, outputs)
    x = physical_series(model, 500)
    session = Session(model)
    y, _ = session(x[:, None], session.zero_state())
    scaling, targets = model.interface.scaling, model.interface.target_scaling
    expected = targets.undo(replay(network(model), [scaling.apply(x)])[0])
    assert np.abs(y[:, 0] - expected).max() < FLOAT32_BOUND * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize(("features", "units", "outputs"), SHAPES)
def test_single_steps_and_chunks_equal_the_sequence(features, units, outputs):
    """Feeding one sample at a time, or chunks of 7, gives the sequence's outputs and states bit for bit."""
    model = random_model(features, units, outputs)
    x = physical_series(model, 200)[:, None]
    session = Session(model)
    whole, final = session(x, session.zero_state())
    for size in (1, 7):
        state, parts = session.zero_state(), []
        for start in range(0, len(x), size):
            y, state = session(x[start : start + size], state)
            parts.append(y)
        assert np.array_equal(np.concatenate(parts), whole)
        assert all(np.array_equal(a, b) for a, b in zip(state, final, strict=True))


def test_a_batch_holds_independent_streams():
    """Two series side by side give what each gives alone, within float32."""
    model = random_model(3, (8,), 2)
    a, b = physical_series(model, 50, 1), physical_series(model, 50, 2)
    session = Session(model)
    together, _ = session(np.stack([a, b], axis=1), session.zero_state(2))
    for k, alone in enumerate((a, b)):
        y, _ = session(alone[:, None], session.zero_state())
        assert np.abs(together[:, k] - y[:, 0]).max() < FLOAT32_BOUND


def test_exporting_twice_gives_identical_bytes():
    """Equal models give equal files."""
    assert onnx_model(random_model(3, (8,), 2)) == onnx_model(random_model(3, (8,), 2))


def test_the_graph_holds_real_lstm_ops():
    """One LSTM op a layer, opset 17."""
    model = onnx.load_from_string(onnx_model(random_model(3, (8, 4), 2)))
    assert [node.op_type for node in model.graph.node].count("LSTM") == 2
    assert [entry.version for entry in model.opset_import] == [17]


def test_metadata_name_channels_outputs_rate_and_task():
    """A reader of the file alone can label both ends."""
    model = onnx.load_from_string(onnx_model(random_model(2, (4,), 1)))
    properties = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert properties["channels"] == ["ch0", "ch1"]
    assert properties["outputs"] == ["out0"]
    assert (properties["rate_hz"], properties["task"]) == (50.0, "regress")
