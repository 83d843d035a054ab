"""One sample in, one prediction out: whole, in chunks, in steps, interleaved and resumed, it is the same stream."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from edge_lstm.bundle import Bundle
from edge_lstm.errors import BundleError, InputError, ProjectError
from edge_lstm.reference import network, replay
from edge_lstm.streaming import LoadedModel, Stream

KINDS = ("classify", "tag", "regress", "forecast", "anomaly")
ARITHMETICS = ("native", "tflite", "tflm", "float")


def pushed(stream, samples):
    made = [stream.push(sample) for sample in samples]
    return [one for one in made if one is not None]


def reference_stream(bundle, arithmetic=None, **more):
    return Stream(bundle, "reference", arithmetic, **more)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("kind", KINDS)
def test_chunks_of_any_size_say_what_single_steps_say(bundles, samples, kind, arithmetic):
    """Pushing one by one, all at once and in uneven chunks gives equal predictions."""
    stream = reference_stream(bundles(kind), arithmetic)
    singly = pushed(stream, samples)
    at_once = stream.another().push_many(samples)
    chunked = stream.another()
    in_chunks = [p for part in np.split(samples, [1, 3, 3, 11, 40]) for p in chunked.push_many(part)]
    assert singly == at_once == in_chunks


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_predictions_are_the_replayed_codes_in_physical_units(bundles, samples, arithmetic):
    """A forecast is the reference's output, decoded and scaled back, at every step."""
    model = Bundle.open(bundles("forecast")).model(arithmetic)
    net = network(model, None if arithmetic == "float" else arithmetic)
    if arithmetic == "float":
        scaled = replay(net, [model.interface.scaling.apply(samples)])[0]
    else:
        scaled = model.decoding.decode(replay(net, [model.encoding.encode(samples)])[0])
    expected = model.interface.target_scaling.undo(scaled)
    made = reference_stream(bundles("forecast"), arithmetic).push_many(samples)
    assert [list(p.values.values()) for p in made] == expected.tolist()
    assert [p.for_step for p in made] == [step + 3 for step in range(len(samples))]


def test_a_window_speaks_at_its_last_step_alone(bundles, samples):
    """With windows of 5, steps 4, 9, 14, … have a prediction and the others none."""
    stream = reference_stream(bundles("classify"))
    spoken = [step for step, sample in enumerate(samples) if stream.push(sample) is not None]
    assert spoken == list(range(4, 60, 5))


def test_every_step_speaks_inside_windows_and_changes_nothing_at_their_ends(bundles, samples):
    """every_step adds predictions; those at window ends stay what they were."""
    talkative = reference_stream(bundles("classify"), every_step=True).push_many(samples)
    assert len(talkative) == len(samples)
    assert talkative[4::5] == reference_stream(bundles("classify")).push_many(samples)


def test_a_window_starts_from_zero_state(bundles, samples):
    """What a window says does not depend on the windows before it."""
    stream = reference_stream(bundles("classify"))
    second = stream.push_many(samples[:10])[1]
    alone = stream.another().push_many(samples[5:10])[0]
    assert second.probabilities == alone.probabilities
    assert (second.step, alone.step) == (9, 4)


def test_reset_forgets_everything(bundles, samples):
    """After a reset in the middle of a window, the stream repeats itself."""
    for kind in KINDS:
        stream = reference_stream(bundles(kind))
        first = stream.push_many(samples[:33])
        stream.reset()
        assert stream.push_many(samples[:33]) == first


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_stream_goes_on_where_it_was(bundles, samples, kind, arithmetic):
    """State, place in the window and anomaly score survive save and load."""
    stream = reference_stream(bundles(kind), arithmetic)
    stream.push_many(samples[:23])
    saved = stream.save()
    rest = stream.push_many(samples[23:])
    resumed = reference_stream(bundles(kind), arithmetic)
    resumed.load(saved)
    assert resumed.push_many(samples[23:]) == rest


def test_saving_changes_nothing_and_gives_the_same_bytes(bundles, samples):
    """save is a look, not a step."""
    stream = reference_stream(bundles("anomaly"))
    stream.push_many(samples[:10])
    assert stream.save() == stream.save()


def test_a_state_of_another_model_or_arithmetic_is_refused(bundles, other_model_bundle, samples):
    """A state knows where it belongs; a refused load leaves the stream as it was."""
    stream = reference_stream(bundles("tag"), "native")
    stream.push_many(samples[:7])
    before = stream.save()
    strangers = {
        "of model": reference_stream(other_model_bundle, "native").save(),
        "of arithmetic tflite": reference_stream(bundles("tag"), "tflite").save(),
        "not a saved stream": b"rubbish",
        "not a saved": before[:-1],
    }
    for phrase, data in strangers.items():
        with pytest.raises(InputError, match=phrase):
            stream.load(data)
    assert stream.save() == before


@pytest.mark.parametrize("kind", KINDS)
def test_interleaved_streams_do_not_hear_each_other(bundles, samples, kind):
    """Streams that share one loaded model, pushed in turns, say what each says alone."""
    model = LoadedModel.open(bundles(kind), "reference")
    inputs = [samples, samples[::-1], samples * 1.1]
    alone = [pushed(Stream(model), series) for series in inputs]
    streams = [model.stream() for _ in inputs]
    together = [[] for _ in inputs]
    for row in zip(*inputs, strict=True):
        for stream, sample, said in zip(streams, row, together, strict=True):
            said.append(stream.push(sample))
    assert [[p for p in said if p is not None] for said in together] == alone


def test_streams_of_one_model_run_in_threads(bundles, samples):
    """Threads take turns with the runtime; no state is mixed up."""
    model = LoadedModel.open(bundles("tag"), "reference")
    expected = [Stream(model).push_many(samples + k) for k in range(4)]
    found = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda k=k: found[k].extend(pushed(Stream(model), samples + k))) for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


UNUSABLE = {
    "too few": ([1.0, 2.0], "2 values given, the model takes 3 channels"),
    "too many": ([1.0, 2.0, 3.0, 4.0], "4 values given, the model takes 3 channels"),
    "nan": ([1.0, math.nan, 3.0], "channel ay: nan is not finite"),
    "inf": ([1.0, 2.0, -math.inf], "channel az: -inf is not finite"),
    "text": (["1.0", 2.0, 3.0], "channel ax: '1.0' is not a number"),
    "none": ([1.0, None, 3.0], "channel ay: None is not a number"),
    "complex": ([1.0, 2.0, 3j], "channel az: 3j is not a number"),
    "nested": ([[1.0], [2.0], [3.0]], "channel ax: \\[1.0\\] is not a number"),
    "scalar": (1.0, "1.0 given, the model takes 3 channels"),
    "string": ("abc", "'abc' given, the model takes 3 channels"),
    "dictionary": ({"ax": 1.0}, "{'ax': 1.0} given, the model takes 3 channels"),
    "nothing": (None, "None given, the model takes 3 channels"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_sample_is_refused_and_leaves_no_trace(bundles, samples, case):
    """The message names step and channel; the stream goes on as if nothing had come."""
    sample, message = UNUSABLE[case]
    stream = reference_stream(bundles("anomaly"))
    expected = stream.push_many(samples)
    stream.reset()
    stream.push_many(samples[:8])
    with pytest.raises(InputError, match=f"^step 8.*{message}") as caught:
        stream.push(sample)
    assert "\n" not in str(caught.value)
    assert stream.push_many(samples[8:]) == expected[8:]


def test_an_unusable_sample_in_a_chunk_refuses_the_whole_chunk(bundles, samples):
    """push_many looks before it steps, and names the step at fault."""
    stream = reference_stream(bundles("tag"))
    stream.push_many(samples[:2])
    bad = samples[2:9].copy()
    bad[4, 1] = math.nan
    with pytest.raises(InputError, match="step 6, channel ay"):
        stream.push_many(bad)
    assert stream.step == 2


def test_huge_finite_samples_saturate(bundles):
    """A finite sample beyond float32 is as large as the largest code, not an error and not a wrap."""
    stream = reference_stream(bundles("tag"), "native")
    huge = stream.push([1e300, -1e300, 1e39])
    large = stream.another().push([1e30, -1e30, 1e30])
    assert huge == large


def test_lists_tuples_integers_and_arrays_are_samples_alike(bundles):
    """Whatever holds the numbers, the prediction is the same."""
    stream = reference_stream(bundles("tag"))
    forms = ([1, -20, 300], (1.0, -20.0, 300.0), np.array([1, -20, 300], np.int16), np.array([1, -20, 300], np.float32))
    first, *others = [stream.another().push(form) for form in forms]
    assert all(other == first for other in others)


def test_an_empty_chunk_says_nothing(bundles):
    """No samples, no predictions, no error."""
    assert reference_stream(bundles("classify")).push_many(np.empty((0, 3))) == []
    assert reference_stream(bundles("classify")).push_many([]) == []


def test_the_anomaly_score_is_the_smoothed_residual_of_the_last_forecast(bundles, samples):
    """Score and alarm follow the rule in the model; the first step has none."""
    model = Bundle.open(bundles("anomaly")).model("native")
    made = reference_stream(bundles("anomaly")).push_many(samples)
    scaling, score = model.interface.scaling, 0.0
    assert made[0].score is None
    assert made[0].anomaly is None
    for before, now, sample in zip(made, made[1:], samples[1:], strict=False):
        foretold = scaling.apply(list(before.values.values()))
        score += 0.2 * (float(np.abs(foretold - scaling.apply(sample)).mean()) - score)
        # The forecast went to physical units and back here, which the scorer does not: two roundings of 1e-16.
        assert now.score == pytest.approx(score, rel=1e-12)
        assert now.anomaly == (now.score > 0.9)
    assert any(p.anomaly for p in made)


def test_time_follows_the_rate(bundles, samples):
    """At 50 Hz, step 7 is at 0.14 s."""
    assert reference_stream(bundles("tag")).push_many(samples)[7].time == 7 / 50


def test_auto_takes_the_reference_where_nothing_faster_is_in_the_bundle(bundles):
    """A bundle without a library for this machine still streams."""
    stream = Stream(bundles("tag"))
    assert (stream.backend, stream.arithmetic) == ("reference", "native")


def test_an_unknown_back_end_or_arithmetic_is_refused(bundles):
    """The message lists what there is."""
    with pytest.raises(ProjectError, match="'gpu' is not known; choose one of auto, reference, c"):
        Stream(bundles("tag"), "gpu")
    with pytest.raises(ProjectError, match="'int4'; it computes native, tflite, tflm, step, float"):
        Stream(bundles("tag"), "reference", "int4")
    with pytest.raises(ProjectError, match="back end c does not compute arithmetic 'tflite'"):
        Stream(bundles("tag"), "c", "tflite")


def test_a_back_end_whose_file_is_not_in_the_bundle_says_so(bundles):
    """Asked for by name, a back end does not quietly become another."""
    for backend in ("c", "tflite-runtime", "litert", "tflm"):
        with pytest.raises(BundleError, match=r"has no .*; export it again"):
            Stream(bundles("tag"), backend)
