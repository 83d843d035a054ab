"""Calibration replays recordings as the device will see them, and quantisation never overflows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from models import calibrated, float_model, recordings

from edge_lstm.arithmetic import native
from edge_lstm.errors import CalibrationError, QuantisationError
from edge_lstm.metrics import signal_to_noise
from edge_lstm.model import DenseWeights, FloatModel, LstmWeights
from edge_lstm.reference import network, replay
from edge_lstm_calibration import calibrate, error_report, quantise_native, quantise_tflite
from edge_lstm_calibration.histogram import BINS, Histogram
from edge_lstm_calibration.input_codes import InputCodes
from edge_lstm_calibration.observers import OBSERVERS, observer
from edge_lstm_calibration.quantise_tflite import asymmetric, cell_exponent
from edge_lstm_calibration.rounding import round_to_nearest, round_with_compensation


def histogram_of(values) -> Histogram:
    histogram = Histogram()
    histogram.add(np.asarray(values, float))
    return histogram


@given(st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=1, max_size=50), st.integers(1, 5))
@example([0.0, 0.25], 2)
def test_a_histogram_counts_everything_whatever_the_order(values, parts) -> None:
    """Its range grows as data arrive; counts, minimum and maximum are those of the whole."""
    whole, pieces = histogram_of(values), Histogram()
    for part in np.array_split(np.array(values), parts):
        pieces.add(part)
    assert pieces.counts.sum() == len(values)
    assert (pieces.low[0], pieces.high[0]) == (min(values), max(values))
    assert pieces.exponent[0] == whole.exponent[0]
    # Merging keeps bin edges, so values land where they would have landed at once, but for those on an edge.
    np.testing.assert_allclose(np.cumsum(pieces.counts), np.cumsum(whole.counts), atol=parts)


def test_histograms_keep_channels_apart() -> None:
    """A loud channel does not coarsen a quiet one."""
    histogram = Histogram(2)
    histogram.add(np.array([[0.01, 100.0], [-0.02, -50.0]]))
    assert histogram.exponent[0] < -4 < 6 < histogram.exponent[1]
    assert histogram.counts.sum(axis=1).tolist() == [2, 2]


@pytest.mark.parametrize("name", ["percentile", "entropy"])
def test_observers_cut_off_a_lone_spike(name) -> None:
    """One sample in 100,000 at 50 times the spread does not set the range."""
    values = np.append(np.random.default_rng(0).normal(0, 1, 100_000), 50.0)
    low, high = OBSERVERS[name](histogram_of(values), 0)
    assert 2.5 < high < 20.0
    assert low < -2.5


def test_the_mse_observer_trades_clipping_against_step_size() -> None:
    """With one spike in a million its range gives 8-bit codes half the squared error of the full range."""
    values = np.append(np.random.default_rng(0).normal(0, 1, 1_000_000), 30.0)

    def error(low: float, high: float) -> float:
        step = (high - low) / 255
        return float(np.mean((np.clip(np.round(values / step) * step, low, high) - values) ** 2))

    histogram = histogram_of(values)
    assert error(*OBSERVERS["mse"](histogram, 0)) < 0.6 * error(*OBSERVERS["min-max"](histogram, 0))


def test_min_max_keeps_everything() -> None:
    """The range is what was seen, exactly."""
    assert OBSERVERS["min-max"](histogram_of([-1.25, 3.5]), 0) == (-1.25, 3.5)


def test_the_percentile_observer_keeps_an_exact_extreme() -> None:
    """Where nothing is cut off, the range ends at the value itself and not in the middle of its bin."""
    flag = np.repeat([0.0, 0.7], 5000)
    assert OBSERVERS["percentile"](histogram_of(flag), 0) == (0.0, 0.7)


@pytest.mark.parametrize("name", OBSERVERS)
def test_observers_never_exceed_what_was_seen(name) -> None:
    """A clipped range is inside the seen one."""
    values = np.random.default_rng(1).normal(2, 1, 5000)
    low, high = OBSERVERS[name](histogram_of(values), 0)
    assert values.min() <= low < high <= values.max()


def test_unknown_observers_and_percentiles_are_refused() -> None:
    """The choices are named."""
    with pytest.raises(CalibrationError, match="choose one of min-max, percentile, mse, entropy"):
        observer("max")
    with pytest.raises(CalibrationError, match="percentile 40"):
        observer("percentile", 40)


def test_calibration_carries_the_state_through_whole_recordings() -> None:
    """A slow cell reaches its range only late: halves replayed from zero would miss it."""
    model = float_model(features=1, units=(1,), outputs=1)
    slow = LstmWeights(np.full((4, 1, 1), 0.5), np.zeros((4, 1, 1)), np.array([[2.0], [6.0], [0.5], [0.0]]))
    model = FloatModel((slow,), model.head, model.interface)
    ones = [model.interface.scaling.undo(np.ones((400, 1)))]
    whole = calibrate(model, ones).largest(0, "c")[0]
    halves = calibrate(model, [ones[0][:200], ones[0][200:]]).largest(0, "c")[0]
    assert whole > 1.5 * halves


def test_calibration_obeys_the_window_of_the_model() -> None:
    """A model whose state is zeroed every window never sees carried ranges."""
    windowed, carried = float_model(window=10), float_model()
    series = recordings(carried)
    assert calibrate(windowed, series).largest(0, "c")[0] < calibrate(carried, series).largest(0, "c")[0]


def test_too_little_constant_and_unreached_data_are_said_plainly() -> None:
    """Three warnings, each naming the figure or the channel."""
    model = float_model()
    scaled = np.random.default_rng(0).normal(0, 1, (50, 3)) * [1.0, 0.0, 0.05]
    warnings = " | ".join(calibrate(model, [model.interface.scaling.undo(scaled)]).warnings)
    assert "only 50 calibration steps" in warnings
    assert "channel 'ch1' is constant" in warnings
    assert "channel 'ch2' moves 0.0" in warnings
    assert "its range was never reached" in warnings


@pytest.mark.parametrize(
    ("broken", "phrase"),
    [
        (lambda r: [], "0 steps"),
        (lambda r: [r[0][:, :2]], r"recording 0 has shape \(60, 2\); expected \(steps, 3\)"),
        (lambda r: [np.where(np.arange(60)[:, None] == 7, np.nan, r[0])], "recording 0, step 7, channel 'ch0' is nan"),
    ],
)
def test_unusable_calibration_data_is_refused(broken, phrase) -> None:
    """Nothing, the wrong width, or a NaN: what, where, what to do."""
    model = float_model()
    with pytest.raises(CalibrationError, match=phrase):
        calibrate(model, broken(recordings(model)))


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 20), st.lists(st.integers(1, 24), min_size=1, max_size=3), st.integers(0, 1000), st.floats(0.2, 4.0)
)
@example(18, [1, 1], 32, 3.0)  # a hidden state made coarse for its own layer's sake is too coarse for the next
def test_no_native_accumulator_can_overflow(features, units, seed, gain) -> None:
    """For any codes within their limits every accumulator of every row stays below 2**23."""
    model = float_model(features, units, 3, seed=seed, gain=gain)
    for scheme in ("w8a16", "w8a8"):
        integer = quantise_native(model, calibrated(model), scheme)
        limits = integer.encoding.high.astype(np.int64)
        for layer in integer.layers:
            reach = 1 << layer.hidden_bits if scheme == "w8a16" else 128
            parts = np.split(np.concatenate([limits, np.full(layer.units, reach)]), [layer.features])
            columns = [np.concatenate(parts)] if len(layer.blocks) == 1 else parts
            for block, column in zip(layer.blocks, columns, strict=True):
                worst = np.abs(block.weights.astype(np.int64)) @ column + np.abs(block.bias.astype(np.int64))
                assert worst.max() < native.ACCUMULATOR_LIMIT
            limits = np.full(layer.units, reach)


def test_inputs_that_outweigh_the_recurrence_get_a_coarser_code() -> None:
    """Strong input weights would overflow at any hidden format; the input limit gives way instead."""
    model = float_model(features=40, units=(16,), outputs=2)
    layer = model.layers[0]
    strong = LstmWeights(layer.kernel * 3, layer.recurrent, layer.bias)
    integer = quantise_native(model := FloatModel((strong,), model.head, model.interface), calibrated(model))
    assert integer.encoding.high.max() < 32767


WIDE = [(40, (192,)), (64, (256,)), (2, (256, 256)), (3, (64, 64, 64)), (100, (32,))]


@pytest.mark.parametrize("scheme", ["w8a16", "w8a8"])
@pytest.mark.parametrize(("features", "units"), WIDE)
@pytest.mark.parametrize("change", ["none", "large inputs", "no recurrence", "large head"])
def test_wide_and_lopsided_networks_are_served(features, units, change, scheme) -> None:
    """Formats give way until all sums fit, those of the head too, and 22 dB of the worst of these networks remain.

    Nearest rounding, which needs no large covariance to be inverted, meets the same limits.
    """
    kernel, recurrent, head = {
        "none": (1, 1, 1),
        "large inputs": (8, 1, 1),
        "no recurrence": (1, 0, 1),
        "large head": (1, 1, 100),
    }[change]
    plain = float_model(features, units, 4, seed=3)
    layers = tuple(LstmWeights(k.kernel * kernel, k.recurrent * recurrent, k.bias) for k in plain.layers)
    model = FloatModel(layers, DenseWeights(plain.head.weights * head, plain.head.bias), plain.interface)
    series = recordings(model, 2, 40)
    integer = quantise_native(model, calibrate(model, series), scheme, "nearest")
    exact = replay(network(model), [model.interface.scaling.apply(r) for r in series])
    codes = replay(network(integer), [integer.encoding.encode(r) for r in series])
    assert signal_to_noise(exact, [integer.decoding.decode(y) for y in codes])["pooled"] > 22
    bits = [layer.hidden_bits for layer in integer.layers]
    assert worst_sum(integer.head, np.full(units[-1], 1 << bits[-1])) < native.ACCUMULATOR_LIMIT


def worst_sum(block, limits) -> int:
    return int((np.abs(block.weights.astype(np.int64)) @ limits + np.abs(block.bias.astype(np.int64))).max())


def test_small_hidden_states_get_a_finer_code_in_w8a8() -> None:
    """An int8 hidden state that stays far below one has as many fraction bits as int8 holds."""
    model = float_model(units=(6,))
    layer = model.layers[0]
    bias = layer.bias.copy()
    bias[3] = -3.0
    weights = LstmWeights(layer.kernel * 0.2, layer.recurrent * 0.2, bias)
    quiet = FloatModel((weights,), model.head, model.interface)
    calibration = calibrated(quiet)
    bits = quantise_native(quiet, calibration, "w8a8").layers[0].hidden_bits
    largest = calibration.largest(0, "h")[0]
    assert bits > 7
    assert largest * 2**bits <= 127 < largest * 2 ** (bits + 1)


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 5, 6, 8, 10])
def test_a_channel_of_few_levels_is_encoded_exactly(levels) -> None:
    """A flag or a small counter loses nothing in int8, and 5 % beyond the calibrated range still have codes."""
    model = float_model(features=1)
    scaled = np.random.default_rng(0).integers(0, levels + 1, (500, 1)) * 0.37 - 0.8
    codes = InputCodes.of(model, calibrate(model, [model.interface.scaling.undo(scaled)]))
    encoded = (scaled - codes.centre) / codes.step
    np.testing.assert_allclose(encoded, np.rint(encoded), atol=1e-4)  # recordings are float32
    assert np.abs(encoded).max() * 1.05 < 127


@pytest.mark.parametrize("scheme", ["w8a16", "w8a8"])
def test_a_channel_that_never_moved_does_not_saturate_at_once(scheme) -> None:
    """A token that calibration did not see still has its vector: one scaled unit is within the codes."""
    model = float_model()
    still = [
        model.interface.scaling.undo(model.interface.scaling.apply(r) * [1.0, 0.0, 1.0]) for r in recordings(model)
    ]
    encoding = quantise_native(model, calibrate(model, still), scheme).encoding
    one = (encoding.gain * model.interface.scaling.scale)[1]
    assert 100 < one < encoding.high[1]


def test_a_channel_in_other_units_costs_nothing() -> None:
    """Per-channel input scales: a channel 64 times larger with weights 64 times smaller gives the same integers."""
    model = float_model()
    factor = np.array([64.0, 1.0, 1.0])
    layer, interface = model.layers[0], model.interface
    scaled = LstmWeights(layer.kernel / factor, layer.recurrent, layer.bias)
    other = FloatModel((scaled,), model.head, interface)
    series = recordings(model)
    wide = [interface.scaling.undo(interface.scaling.apply(r) * factor) for r in series]
    ours = quantise_native(model, calibrate(model, series), rounding="nearest")
    theirs = quantise_native(other, calibrate(other, wide), rounding="nearest")
    np.testing.assert_array_equal(ours.layers[0].blocks[0].weights, theirs.layers[0].blocks[0].weights)


def test_compensated_rounding_leaves_less_error_in_what_rows_compute() -> None:
    """On correlated inputs the error variance of W v falls to under a third of nearest rounding's."""
    rng = np.random.default_rng(0)
    mixed = rng.normal(0, 1, (4000, 12)) @ rng.normal(0, 1, (12, 24)) + rng.normal(0, 0.1, (4000, 24))
    weights = rng.normal(0, 0.3, (40, 24))
    step = np.abs(weights).max(axis=1, keepdims=True) / 127
    covariance = np.cov(mixed.T, bias=True)
    nearest = (weights - step * round_to_nearest(weights, step)) @ mixed.T
    compensated = (weights - step * round_with_compensation(weights, step, covariance)) @ mixed.T
    assert compensated.var() < nearest.var() / 3


def test_compensated_rounding_is_nearest_rounding_for_independent_inputs() -> None:
    """With nothing to compensate through, each weight is rounded alone."""
    weights = np.random.default_rng(0).normal(0, 0.3, (5, 8))
    step = np.full((5, 1), 0.01)
    np.testing.assert_array_equal(round_with_compensation(weights, step, np.eye(8)), round_to_nearest(weights, step))


def test_the_cell_scale_stays_where_the_runtimes_can_compute() -> None:
    """Powers of two from 2**-15 to 2**-9; beyond 64 the export is refused with the next move."""
    assert cell_exponent(1.5, "layer 0") == -14
    assert cell_exponent(0.2, "layer 0") == -15
    assert cell_exponent(64.0, "layer 0") == -9
    with pytest.raises(QuantisationError, match=r"reaches 65.0, TFLite can compute up to 64; reset the state"):
        cell_exponent(65.0, "layer 0")


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_asymmetric_ranges_hold_zero_exactly(a, b) -> None:
    """Zero is a code, and both ends of the range are within half a step of one."""
    low, high = min(a, b), max(a, b)
    quant = asymmetric((low, high))
    assert -128 <= quant.zero <= 127
    for value in (low, high):
        code = np.clip(round(value / quant.scale) + quant.zero, -128, 127)
        assert abs((code - quant.zero) * quant.scale - value) <= 0.51 * quant.scale + abs(value) * 1e-6


def test_weights_too_large_for_any_shift_are_refused() -> None:
    """Inputs that dwarf the recurrence leave no multiplier; the message says what to check."""
    model = float_model(features=2)
    layer = model.layers[0]
    huge = LstmWeights(layer.kernel * 3000, layer.recurrent, layer.bias)
    broken = FloatModel((huge,), model.head, model.interface)
    with pytest.raises(QuantisationError, match="layer 0"):
        quantise_native(broken, calibrated(broken))


def test_a_pruned_row_with_a_bias_does_not_overflow() -> None:
    """A row of zeros takes its scale from its bias."""
    model = float_model()
    layer = model.layers[0]
    kernel, recurrent = layer.kernel.copy(), layer.recurrent.copy()
    kernel[1, 2], recurrent[1, 2] = 0, 0
    pruned = FloatModel((LstmWeights(kernel, recurrent, layer.bias),), model.head, model.interface)
    integer = quantise_native(pruned, calibrated(pruned))
    series = recordings(pruned)
    exact = np.concatenate(replay(network(pruned), [pruned.interface.scaling.apply(r) for r in series]))
    codes = np.concatenate(replay(network(integer), [integer.encoding.encode(r) for r in series]))
    assert np.abs(integer.decoding.decode(codes) - exact).max() < 0.1


def test_a_constant_zero_head_row_is_allowed() -> None:
    """An output nothing feeds is its bias."""
    model = float_model()
    weights = model.head.weights.copy()
    weights[1] = 0
    flat = FloatModel(model.layers, DenseWeights(weights, model.head.bias), model.interface)
    integer = quantise_native(flat, calibrated(flat))
    codes = replay(network(integer), [integer.encoding.encode(recordings(flat)[0])])[0]
    assert np.abs(integer.decoding.decode(codes)[:, 1] - model.head.bias[1]).max() <= integer.decoding.scale


def test_the_report_names_range_saturation_and_the_worst_gate() -> None:
    """Seven rows a layer-and-head, and the worst gate is the lowest of the gate rows."""
    model = float_model()
    calibration = calibrated(model)
    for integer in (quantise_native(model, calibration), quantise_tflite(model, calibration)):
        report = error_report(model, integer, recordings(model))
        rows = {row["tensor"]: row for row in report["tensors"]}
        assert list(rows) == ["i_pre", "f_pre", "g_pre", "o_pre", "c", "h", "y"]
        gate = report["worst_gate"]["gate"]
        assert rows[f"{gate}_pre"]["snr_db"] == min(rows[f"{g}_pre"]["snr_db"] for g in "ifgo") > 20
        assert all(0 <= row["saturated"] < 0.05 and row["low"] < row["high"] for row in rows.values())


def test_quantising_twice_gives_the_same_integers() -> None:
    """Calibration and rounding are deterministic."""
    model = float_model(units=(8, 8))
    first, second = (quantise_native(model, calibrated(model)) for _ in range(2))
    for a, b in zip(first.layers, second.layers, strict=True):
        np.testing.assert_array_equal(a.blocks[0].weights, b.blocks[0].weights)
        np.testing.assert_array_equal(a.blocks[0].bias, b.blocks[0].bias)


def test_histogram_bins_cover_their_range() -> None:
    """Bin centres run over (-2**e, 2**e)."""
    centres = histogram_of([0.75]).centres()
    assert len(centres) == BINS
    assert centres[0] > -1
    assert centres[-1] < 1
