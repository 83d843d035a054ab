"""The ONNX file: valid, computed by onnxruntime as the float reference computes it, step == sequence."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from cell_stacks import STACKS, physical_targets, stacked
from models import float_model

from edge_lstm.model import BidirectionalWeights, Scaling
from edge_lstm.reference import network, replay, trace
from edge_lstm.runtimes.onnx import OnnxSession
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


# ---- cells other than LSTM ----

# onnxruntime multiplies all samples of a chunk at once, and sums in another order than for one; a few of the bounds
# above, because a simple network keeps errors longer than a gated one.
REORDERED_BOUND = 5e-5


@pytest.mark.parametrize("name", STACKS)
def test_every_cell_passes_the_checker_as_the_op_of_its_name(name):
    """GRU with both places of the reset and RNN are ops of ONNX; FastGRNN is one Scan, a layer both ways two ops."""
    features, layers, _ = STACKS[name]
    model = stacked(*STACKS[name])
    content = onnx_model(model)
    onnx.checker.check_model(content, full_check=True)
    graph = onnx.load_from_string(content).graph
    named = {"lstm": "LSTM", "lstm-peephole": "LSTM", "gru": "GRU", "gru-before": "GRU"}
    named |= {"rnn": "RNN", "rnn-relu": "RNN", "fastgrnn": "Scan"}
    recurrent = [node for node in graph.node if node.op_type in named.values()]
    halves = [half for cell, _ in layers for half in _halves(cell) if half in named]
    assert [node.op_type for node in recurrent] == [named[cell] for cell in halves]
    for node, cell in zip(recurrent, halves, strict=True):
        attributes = {attribute.name: attribute.i for attribute in node.attribute}
        assert attributes.get("linear_before_reset") == {"gru": 1, "gru-before": 0}.get(cell)
        named_activations = [a.strings for a in node.attribute if a.name == "activations"]
        assert named_activations == ([[b"Relu"]] if cell == "rnn-relu" else [])
    inputs = {
        entry.name: [d.dim_value or d.dim_param for d in entry.type.tensor_type.shape.dim] for entry in graph.input
    }
    assert inputs.pop("x") == ["steps", "batch", features]
    states = {f"layer{k}/h": [1, "batch", units] for k, (cell, units) in enumerate(layers) if cell in named}
    with_c = [k for k, (cell, _) in enumerate(layers) if cell.startswith(("lstm", "conv"))]
    states |= {f"layer{k}/c": [1, "batch", model.layers[k].cells] for k in with_c}
    for k, layer in enumerate(model.layers):
        if isinstance(layer, BidirectionalWeights):
            half, steps = layer.forward, layer.look_ahead
            states |= {f"layer{k}/c": [1, "batch", half.units]} if half.cell == "lstm" else {}
            states |= {
                f"layer{k}/x": [1, "batch", steps * half.features],
                f"layer{k}/f": [1, "batch", steps * half.units],
            }
    assert inputs == states


def _halves(cell):
    """``both-gru-3`` is two of GRU."""
    return [cell.removeprefix("both-").rpartition("-")[0]] * 2 if cell.startswith("both-") else [cell]


@pytest.mark.parametrize("name", STACKS)
def test_every_cell_agrees_with_the_reference_whole_in_chunks_and_step_by_step(name, tmp_path):
    """Outputs and states, through the adaptor that gives c = h where a cell has none."""
    model = physical_targets(stacked(*STACKS[name], kind="regress"))
    (tmp_path / "m.onnx").write_bytes(onnx_model(model))
    session, x = OnnxSession(tmp_path / "m.onnx"), physical_series(model, 300)
    expected = trace(network(model), model.interface.scaling.apply(x))
    y = model.interface.target_scaling.undo(expected[len(model.layers), "y"])
    for size in (300, 37, 1):
        session.reset()
        found = [session.run(x[k : k + size]) for k in range(0, len(x), size)]
        assert np.abs(np.concatenate(found) - y).max() < REORDERED_BOUND * max(1.0, np.abs(y).max())
        for layer, (h, c) in enumerate(session.get_state()):
            assert np.abs(h - expected[layer, "h"][-1]).max() < REORDERED_BOUND
            assert np.abs(c - expected[layer, "c"][-1]).max() < REORDERED_BOUND * max(1.0, np.abs(c).max())


@pytest.mark.parametrize("name", ["gru-befores", "fastgrnns", "mixed"])
def test_a_stream_of_every_cell_goes_on_from_a_saved_state(name, tmp_path):
    """What is read after some steps and set in another session gives the same bits from there."""
    model = stacked(*STACKS[name])
    (tmp_path / "m.onnx").write_bytes(onnx_model(model))
    one, other = (OnnxSession(tmp_path / "m.onnx") for _ in range(2))
    x = physical_series(model, 40)
    for sample in x[:20]:
        one.step(sample)
    other.set_state(one.get_state())
    assert all(np.array_equal(one.step(sample), other.step(sample)) for sample in x[20:])


@pytest.mark.parametrize("name", ["grus", "fastgrnns"])
def test_streams_of_a_batch_are_independent_in_every_cell(name):
    """Two series side by side give what each gives alone, within float32."""
    model = stacked(*STACKS[name])
    session = onnxruntime.InferenceSession(onnx_model(model))
    series = [physical_series(model, 30, seed) for seed in (1, 2)]

    def run(x):
        states = {t.name: np.zeros((1, x.shape[1], t.shape[2]), np.float32) for t in session.get_inputs()[1:]}
        return session.run(["y"], {"x": x, **states})[0]

    together = run(np.stack(series, axis=1))
    for k, alone in enumerate(series):
        assert np.abs(together[:, k] - run(alone[:, None])[:, 0]).max() < FLOAT32_BOUND
