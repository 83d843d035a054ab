"""Float C follows the float64 reference within what float32 can do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from c_nets import library
from cell_stacks import STACKS, stacked
from models import float_model, recordings

from edge_lstm.model import GATES, BidirectionalWeights, FloatModel
from edge_lstm.reference import network, trace
from edge_lstm_export.c_source import write_c_float


def scaled(model: FloatModel) -> Any:
    return model.interface.scaling.apply(np.concatenate(recordings(model))).astype(np.float32)


@pytest.mark.parametrize("units", [(1,), (32,), (13, 8), (5, 9, 3)])
def test_every_tensor_is_close_to_the_reference(tmp_path: Any, units: tuple[int, ...]) -> None:
    """Gates, states and outputs of every step stay within float32 rounding, over 400 steps of carried state."""
    model = float_model(features=7, units=units, outputs=4)
    x = scaled(model)
    expected, seen = trace(network(model), x), library(tmp_path, model, ["EL_TAP"]).trace(x)
    assert expected.keys() == seen.keys()
    for key, value in expected.items():
        # A row sums at most 45 products of size below 4: 45 * 4 * 2**-24 = 1.1e-5 in a pre-activation, less in a gate,
        # whose slope is at most 1; forget gates near 0.7 carry a few steps' errors. Typical is a tenth of it.
        assert np.abs(value - seen[key]).max() < 2e-5, key


def test_steps_and_chunks_are_the_same_floats(tmp_path: Any) -> None:
    """The same machine code runs either way, so even floats are equal."""
    model = float_model(units=(6, 4))
    x, runtime = scaled(model)[:50], library(tmp_path, model)
    assert runtime.arithmetic == "float"
    whole = runtime.run(x)
    runtime.reset()
    assert np.array_equal(whole, [runtime.step(row) for row in x])


def test_far_out_gates_do_not_overflow(tmp_path: Any) -> None:
    """Samples so large that exp overflows drive gates to exactly 0 and 1, and outputs stay finite."""
    model = float_model(features=3)
    runtime = library(tmp_path, model, ["EL_TAP"])
    seen = runtime.trace(np.full((4, 3), 1e4, np.float32))
    gates = np.concatenate([seen[0, gate] for gate in "ifo"])
    assert (gates.min(), gates.max()) == (0.0, 1.0)
    assert np.isfinite(seen[1, "y"]).all()


@pytest.mark.parametrize("name", STACKS)
def test_every_tensor_of_every_cell_is_close_to_the_reference(tmp_path: Any, name: str) -> None:
    """Gates, states and outputs, over 400 steps; a tap has the gates of a cell in the cell's own order."""
    model = stacked(*STACKS[name])
    x = scaled(model)
    expected, seen = trace(network(model), x), library(tmp_path, model, ["EL_TAP"]).trace(x)
    for layer, weights in enumerate(model.layers):
        gates = () if isinstance(weights, BidirectionalWeights) else weights.gates  # taps of its halves lie apart
        named = dict(zip(gates, GATES, strict=False))
        tensors = {"h": "h", "c": "c", **named, **{f"{gate}_pre": f"{tap}_pre" for gate, tap in named.items()}}
        for tensor, tap in tensors.items():
            # As above, and a simple network without gates keeps errors for longer. Typical is 1e-6.
            assert np.abs(expected[layer, tensor] - seen[layer, tap]).max() < 2e-5, (layer, tensor)
    last = len(model.layers)
    assert np.abs(expected[last, "y"] - seen[last, "y"]).max() < 2e-5


@pytest.mark.parametrize("cell", ["gru", "gru-before", "rnn", "fastgrnn"])
def test_the_cell_array_of_other_cells_is_a_copy_of_the_hidden_state(tmp_path: Any, cell: str) -> None:
    """After every step, bit for bit, so that a state that was saved is whole."""
    model = stacked(3, ((cell, 6), (cell, 4)), 2)
    runtime = library(tmp_path, model)
    for sample in scaled(model)[:10]:
        runtime.step(sample)
        for h, c in runtime.get_state():
            assert h.any()
            assert np.array_equal(h, c)


@pytest.mark.parametrize("name", ["grus", "gru-befores", "rnns", "fastgrnns", "mixed"])
def test_a_stream_of_every_cell_goes_on_from_a_saved_state(tmp_path: Any, name: str) -> None:
    """Steps, a chunk, and a state set in another stream give the same bits."""
    model = stacked(*STACKS[name])
    x, runtime = scaled(model)[:50], library(tmp_path, model)
    whole = runtime.run(x)
    runtime.reset()
    assert np.array_equal(whole[:20], [runtime.step(row) for row in x[:20]])
    other = runtime.another()
    other.set_state(runtime.get_state())
    assert np.array_equal(whole[20:], other.run(x[20:]))


def test_the_sources_hold_the_cells_that_the_model_has_and_say_so() -> None:
    """A file a cell, none for cells that are not there, and a title that names them all."""
    files = write_c_float(stacked(3, (("gru", 6), ("gru", 4), ("lstm", 3)), 2))
    cells = {name for name in files if name.endswith("_float.c")} - {"el_float.c"}
    assert cells == {"el_gru_float.c", "el_lstm_float.c"}
    assert b"GRU 6 + GRU 4 + LSTM 3 in float32" in files["model.h"]
