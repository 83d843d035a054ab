"""Float C follows the float64 reference within what float32 can do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from c_nets import library
from models import float_model, recordings

from edge_lstm.model import FloatModel
from edge_lstm.reference import network, trace


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
