"""The monitor of a stream: every step counted once, whoever asks in between, and predictions as without it."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from stream_bundles import CHANNELS, SCALING, small_model, write_small_bundle

from edge_lstm.bundle import Bundle
from edge_lstm.errors import ProjectError
from edge_lstm.monitor import Monitor
from edge_lstm.monitor.keys import CHANNEL, KEYS
from edge_lstm.monitor.monitor import BLOCK, LOOK
from edge_lstm.monitor.saturation import States
from edge_lstm.reference import network, trace
from edge_lstm.streaming import Stream
from edge_lstm_calibration import calibrate, drift_table, quantise_native, quantise_tflite
from edge_lstm_calibration.report import tensor_codes


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    """A tag bundle that every back end can run, with the drift table of 3,000 steps of noise."""
    folder = write_small_bundle(tmp_path_factory.mktemp("watched"), "tag", artefacts=True)
    return Bundle.open(with_drift(folder, noise(3000, seed=4)))


def noise(steps: int, seed: int = 0) -> np.ndarray:
    """(steps, 3) samples in the small models' physical units."""
    return SCALING.undo(np.random.default_rng(seed).normal(0, 1, (steps, 3)))


def with_drift(folder: Path, training: np.ndarray) -> Path:
    """The same bundle, whose manifest says what the training data looked like."""
    file = folder / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"drift": drift_table([training])}))
    return folder


def test_predictions_are_those_of_the_stream_alone(bundle):
    """Watching changes nothing, over several looks at the state."""
    samples = noise(2 * LOOK + 10)
    monitor = Monitor(Stream(bundle, "c"), bundle)
    assert [monitor.push(sample) for sample in samples] == Stream(bundle, "c").push_many(samples)


def test_every_step_is_counted_once(bundle):
    """Steps, latencies and inputs of every sample, those too that fill no block yet."""
    samples = noise(LOOK + 100)
    samples[:7, 1] += 1e4
    samples[3:5, 2] -= 1e6
    monitor = Monitor(Stream(bundle, "c"), bundle)
    for sample in samples:
        monitor.push(sample)
    values = monitor.report().values
    low, high = monitor._stream.model.limits
    outside = ((samples < low) | (samples > high)).sum(axis=0).tolist()
    assert (values["steps"], values["latency"]["count"]) == (len(samples), len(samples))
    assert values["saturation"]["inputs"] == dict(zip(CHANNELS, outside, strict=True))
    assert outside[1] >= 7
    assert {row["samples"] for row in values["drift"].values()} == {len(samples)}
    assert values["saturation"]["sampled_steps"] == 1


def test_reports_from_other_threads_lose_no_step(bundle):
    """While the stream goes on, two threads ask as often as they can."""
    monitor, done = Monitor(Stream(bundle, "c"), bundle), threading.Event()
    seen: list[list[int]] = [[], []]

    def ask(steps: list[int]) -> None:
        while not done.is_set():
            steps.append(monitor.report().values["steps"])

    threads = [threading.Thread(target=ask, args=(steps,)) for steps in seen]
    for thread in threads:
        thread.start()
    for sample in noise(6000):
        monitor.push(sample)
    done.set()
    for thread in threads:
        thread.join()
    assert monitor.report().values["latency"]["count"] == 6000
    for steps in seen:
        assert steps == sorted(steps)
        assert len(set(steps)) > 1


@pytest.mark.parametrize("every", [1, 100, BLOCK, LOOK, 2000])
def test_reports_by_steps_come_at_those_steps(bundle, every):
    """Also when somebody else asks in between, at the very step, too."""
    monitor, reports = Monitor(Stream(bundle, "c"), bundle), []
    monitor.every(every, reports.append)
    total = min(5000, 40 * every)
    for k, sample in enumerate(noise(total)):
        monitor.push(sample)
        if k % 97 == 0 or k % every == every - 2:
            monitor.report()
    assert [report.values["steps"] for report in reports] == list(range(every, total + 1, every))
    assert {report.values["recent"]["count"] for report in reports} == {every}


def test_arrays_may_be_used_again_after_a_push(bundle):
    """The monitor keeps values, not the caller's memory."""
    monitor, buffer = Monitor(Stream(bundle, "c"), bundle), np.empty(3)
    for sample in noise(200):
        buffer[:] = sample
        monitor.push(buffer)
    buffer[:] = 1e9
    assert set(monitor.report().values["saturation"]["inputs"].values()) == {0}


def test_latency_is_from_arrival_to_prediction(bundle):
    """By the two times that the stream's path notes."""
    monitor = Monitor(Stream(bundle, "c"), bundle, deadline_ms=2.0)
    for k in range(10):
        monitor.took(
            [0.0, 0.0, 0.0], 10_000_000 * k, lambda k=k: 10_000_000 * k + (3_000_000 if k in (4, 5) else 1_000_000)
        )
    latency = monitor.report().values["latency"]
    assert (latency["mean_us"], latency["max_us"]) == (1400.0, 3000.0)
    assert (latency["missed"], latency["longest_missed_run"]) == (2, 2)
    assert monitor.report().values["arrival"]["rate_hz"] == 100.0


def test_the_deadline_is_the_models_period_unless_given(bundle):
    """Of 50 Hz: 20 ms."""
    assert Monitor(Stream(bundle, "c"), bundle).report().values["latency"]["deadline_ms"] == 20.0
    assert Monitor(Stream(bundle, "c"), bundle, 5).report().values["latency"]["deadline_ms"] == 5
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ProjectError, match="give a positive number"):
            Monitor(Stream(bundle, "c"), bundle, wrong)


@pytest.mark.parametrize(
    ("backend", "arithmetic"),
    [("c", "native"), ("reference", "native"), ("litert", "tflite"), ("tflm", "tflm")],
)
def test_the_state_is_looked_at_on_every_back_end(bundle, backend, arithmetic):
    """Each tensor has its row; nothing saturates in the training data's range."""
    monitor = Monitor(Stream(bundle, backend, arithmetic), bundle)
    for sample in noise(LOOK):
        monitor.push(sample)
    saturation = monitor.report().values["saturation"]
    assert saturation["sampled_steps"] == 1
    rows = [(row["layer"], row["tensor"]) for row in saturation["tensors"]]
    assert rows == [(0, "c"), (0, "h"), (1, "c"), (1, "h"), (2, "y")]


def test_models_without_integer_states_are_watched_without_them(bundle):
    """Floats have no limits; the explicit-state file's are not watched. Nothing is invented for them."""
    for arithmetic, inputs in (("float", True), ("step", False)):
        monitor = Monitor(Stream(bundle, "reference", arithmetic), bundle)
        monitor.push(noise(1)[0])
        saturation = monitor.report().values["saturation"]
        assert (saturation["tensors"], saturation["sampled_steps"]) == (None, None)
        assert (saturation["inputs"] is None) is inputs


@pytest.mark.parametrize(("quantise", "arithmetic"), [(quantise_native, "native"), (quantise_tflite, "tflm")])
def test_saturation_is_counted_as_the_reference_has_it(quantise, arithmetic):
    """A model driven far beyond its calibration: shares by tensor equal those counted in a trace of the reference."""
    model = small_model("tag")
    head = dataclasses.replace(model.head, bias=model.head.bias + 3)
    model = dataclasses.replace(model, head=head)
    integer = quantise(model, calibrate(model, [noise(300) * 0.01]))
    codes = integer.encoding.encode(noise(200, seed=3) * 100)
    net = network(integer, None if arithmetic == "native" else arithmetic)
    states, state = States(integer, arithmetic), net.zero_state(1)
    for code in codes:
        state, _ = net.step(state, code[None])
        states.add(tuple((h[0], c[0]) for h, c in state))
    traced = trace(net, codes)
    rows = {(row["layer"], row["tensor"]): row["saturated"] for row in states.to_json()}
    assert states.steps == 200
    for key, share in rows.items():
        low, high = tensor_codes(integer)[key].low, tensor_codes(integer)[key].high
        assert share == round(float(np.mean((traced[key] <= low) | (traced[key] >= high))), 6)
    assert max(rows.values()) > 0


def test_a_bundle_without_a_table_has_no_drift(own_bundle):
    """Exported by an earlier version."""
    bundle = Bundle.open(own_bundle)
    monitor = Monitor(Stream(bundle, "reference"), bundle)
    monitor.push(noise(1)[0])
    assert not monitor.watches_drift
    assert monitor.report().values["drift"] is None


def test_the_keys_of_a_report_are_stable(bundle):
    """What a program reads is there before the first sample, the same after it, and documented."""
    monitor = Monitor(Stream(bundle, "c"), bundle)

    def paths(value, *before):
        if not isinstance(value, dict) or not value:
            return [".".join(before)]
        return [p for k, v in value.items() for p in paths(v, *before, CHANNEL if k in CHANNELS else k)]

    for _ in range(2):
        assert list(dict.fromkeys(paths(monitor.report().values))) == list(KEYS)
        monitor.push(noise(1)[0])
