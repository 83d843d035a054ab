"""The reference: one step after another, in any grouping, gives the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
from models import calibrated, float_model, native_model, recordings, tflite_model

from edge_lstm.errors import ModelError
from edge_lstm.reference import Network, network, replay, trace

INTEGER = [("native", "w8a16"), ("native", "w8a8"), ("tflite", None), ("tflm", None)]


def integer_case(arithmetic, scheme, **options):
    model = float_model(**options)
    integer = native_model(scheme, **options) if arithmetic == "native" else tflite_model(**options)
    return model, integer, network(integer, arithmetic)


@pytest.mark.parametrize(("arithmetic", "scheme"), INTEGER)
def test_recordings_replayed_together_equal_each_replayed_alone(arithmetic, scheme) -> None:
    """Batching is a matter of speed only: every output code is the same."""
    model, integer, net = integer_case(arithmetic, scheme, units=(8, 5))
    codes = [integer.encoding.encode(r) for r in recordings(model)]
    together = replay(net, codes)
    for one, expected in zip(codes, together, strict=True):
        np.testing.assert_array_equal(replay(net, [one])[0], expected)


@pytest.mark.parametrize(("arithmetic", "scheme"), INTEGER)
def test_chunks_with_carried_state_equal_the_whole(arithmetic, scheme) -> None:
    """Stopping anywhere and going on with the state changes nothing."""
    model, integer, net = integer_case(arithmetic, scheme)
    codes = integer.encoding.encode(recordings(model)[0])
    whole = replay(net, [codes])[0]
    state, rows = net.zero_state(1), []
    for chunk in np.array_split(codes, [1, 2, 17, 40]):
        for x in chunk:
            state, y = net.step(state, x[None])
            rows.append(y[0])
    np.testing.assert_array_equal(np.array(rows), whole)


def test_float_steps_equal_the_whole_bit_for_bit() -> None:
    """The float reference, one recording at a time, has one result however it is cut."""
    model = float_model(units=(8, 4))
    net = network(model)
    x = model.interface.scaling.apply(recordings(model)[0])
    state, rows = net.zero_state(1), []
    for sample in x:
        state, y = net.step(state, sample[None])
        rows.append(y[0])
    np.testing.assert_array_equal(np.array(rows), replay(net, [x])[0])


def test_a_window_zeroes_the_state_at_its_start() -> None:
    """Replaying with a window equals replaying every window as a recording of its own."""
    model, integer, net = integer_case("native", "w8a16")
    codes = integer.encoding.encode(recordings(model, steps=60)[0])
    windowed = replay(net, [codes], window=20)[0]
    alone = np.concatenate(replay(net, [codes[k : k + 20] for k in range(0, 60, 20)]))
    np.testing.assert_array_equal(windowed, alone)


def test_the_float_cell_is_the_textbook_cell() -> None:
    """Against the equations written out with scalars, to the last bits of float64 (sums in another order)."""
    model = float_model(features=2, units=(3,), outputs=1)
    layer, head = model.layers[0], model.head
    h, c = np.zeros(3), np.zeros(3)
    x = model.interface.scaling.apply(recordings(model)[0])
    expected = []
    for sample in x:
        z = [layer.kernel[k] @ sample + layer.recurrent[k] @ h + layer.bias[k] for k in range(4)]
        i, f, o = (1 / (1 + np.exp(-z[k])) for k in (0, 1, 3))
        c = f * c + i * np.tanh(z[2])
        h = o * np.tanh(c)
        expected.append(head.weights @ h + head.bias)
    np.testing.assert_allclose(replay(network(model), [x])[0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("arithmetic", "scheme"), INTEGER)
def test_the_integer_model_follows_the_float_model(arithmetic, scheme) -> None:
    """25 dB on random nets: a slipped scale or gate gives under 10, every arithmetic gives more."""
    model, integer, net = integer_case(arithmetic, scheme, features=4, units=(16,), outputs=3)
    series = recordings(model, count=4, steps=400, seed=5)
    exact = np.concatenate(replay(network(model), [model.interface.scaling.apply(r) for r in series]))
    codes = np.concatenate(replay(net, [integer.encoding.encode(r) for r in series]))
    error = integer.decoding.decode(codes) - exact
    assert 10 * np.log10(exact.var() / np.mean(error**2)) > 25


def test_the_fused_hidden_state_starts_at_its_zero_point() -> None:
    """Code 0 is not zero in an asymmetric format; a port that starts there is wrong from the first step."""
    integer = tflite_model()
    state = network(integer).zero_state(1)
    assert (state[0][0] == integer.layers[0].hidden.zero).all()
    assert integer.layers[0].hidden.zero != 0


def test_a_trace_names_every_tensor_of_every_step() -> None:
    """Gates before and after activation, both states, and the head's output."""
    model = native_model(units=(4, 3))
    codes = model.encoding.encode(recordings(float_model(units=(4, 3)))[0])
    seen = trace(network(model), codes)
    names = {"x", "h_before", "c", "h", "i", "f", "g", "o", "i_pre", "f_pre", "g_pre", "o_pre"}
    assert set(seen) == {(layer, name) for layer in (0, 1) for name in names} | {(2, "y")}
    assert all(len(values) == len(codes) for values in seen.values())


def test_an_arithmetic_a_model_does_not_have_is_refused() -> None:
    """Native integers have no meaning under TFLite's rules, and float models have no arithmetic to choose."""
    with pytest.raises(ModelError, match="native model cannot be computed in arithmetic 'tflm'"):
        network(native_model(), "tflm")
    with pytest.raises(ModelError, match="float model"):
        network(float_model(), "native")


def test_replay_of_nothing_is_nothing() -> None:
    """No recordings, no outputs, no error."""
    assert isinstance(network(float_model()), Network)
    assert replay(network(float_model()), []) == []


@pytest.mark.parametrize("scheme", ["w8a16", "w8a8"])
def test_long_streams_do_not_drift(scheme) -> None:
    """Over 20,000 steps the error of the last fifth is at most 1.3 times that of the first."""
    model = float_model(features=2, units=(8,), outputs=1, seed=3)
    integer = native_model(scheme, features=2, units=(8,), outputs=1, seed=3)
    series = recordings(model, count=1, steps=20_000, seed=8)[0]
    exact = replay(network(model), [model.interface.scaling.apply(series)])[0]
    got = integer.decoding.decode(replay(network(integer), [integer.encoding.encode(series)])[0])
    rms = [np.sqrt(np.mean(part**2)) for part in np.array_split(got - exact, 5)]
    assert rms[-1] <= 1.3 * rms[0]
    assert calibrated(model).steps > 0
