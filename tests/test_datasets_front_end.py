"""The audio front end is deterministic, and the same on a stream as on a clip."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lstm.datasets import FrontEnd
from edge_lstm.errors import DataError, ProjectError

KINDS = [
    FrontEnd(sample_rate_hz=8000, level="none"),
    FrontEnd(sample_rate_hz=8000, memory_frames=10),
    FrontEnd(sample_rate_hz=8000, kind="mfcc", hop_ms=20),
]
CLIP = (np.random.default_rng(0).normal(size=4000) * 3000).astype(np.int16)


@pytest.mark.parametrize("front_end", KINDS, ids=["log-mel", "running-mean", "mfcc"])
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 4000), max_size=6))
def test_chunks_give_the_frames_of_the_whole_clip(front_end: FrontEnd, cuts: list[int]):
    """Bit for bit, wherever the clip is cut, empty chunks included."""
    stream = front_end.stream()
    chunks = [stream.push(chunk) for chunk in np.split(CLIP, sorted(cuts))]
    assert np.array_equal(np.concatenate(chunks), front_end.apply(CLIP))


@pytest.mark.parametrize("front_end", KINDS, ids=["log-mel", "running-mean", "mfcc"])
def test_a_reset_stream_starts_anew(front_end: FrontEnd):
    """Nothing of the clip before is left."""
    stream = front_end.stream()
    first = stream.push(CLIP)
    stream.reset()
    assert np.array_equal(stream.push(CLIP), first)


def test_the_number_of_frames_follows_from_window_and_hop():
    """A frame is complete or does not exist."""
    front_end = FrontEnd(sample_rate_hz=8000, frame_ms=25, hop_ms=10, bins=23)
    assert front_end.apply(CLIP[:200]).shape == (1, 23)
    assert front_end.apply(CLIP[:279]).shape == (1, 23)
    assert front_end.apply(CLIP[:280]).shape == (2, 23)
    assert front_end.rate_hz == 100


def test_int16_and_unit_floats_are_the_same_clip():
    """Floats in [-1, 1) are brought to the range of int16."""
    front_end = KINDS[0]
    assert np.array_equal(front_end.apply(CLIP), front_end.apply(CLIP.astype(np.float32) / 32768))


def test_a_louder_tone_moves_the_log_energies_by_the_gain():
    """Twice the amplitude adds ln 4 to every log-mel energy: power, natural logarithm, no dither."""
    front_end = FrontEnd(sample_rate_hz=8000, level="none")
    quiet = CLIP // 4 * 2
    gain = front_end.apply(quiet * 2) - front_end.apply(quiet)
    assert np.abs(gain - np.log(4)).max() < 1e-3  # float32 sums of the library


@pytest.mark.parametrize("kind", ["log-mel", "mfcc"])
def test_the_running_mean_takes_out_loudness_but_not_the_spectrum(kind: str):
    """A clip at half the amplitude gives the same levelled frames, whose shape is that of the frames as they were."""
    front_end = FrontEnd(sample_rate_hz=8000, level="running-mean", kind=kind)
    raw = FrontEnd(sample_rate_hz=8000, level="none", kind=kind)
    shape = np.diff(front_end.apply(CLIP)[:, 1:], axis=1) - np.diff(raw.apply(CLIP)[:, 1:], axis=1)
    assert np.abs(shape).max() < 1e-5  # float32 rounding
    quiet = CLIP // 4 * 2
    assert np.abs(front_end.apply(quiet * 2) - front_end.apply(quiet)).max() < 1e-3  # float32 sums of the library


def test_parameters_survive_json():
    """What the model keeps builds the same front end."""
    front_end = FrontEnd(sample_rate_hz=8000, kind="mfcc", cepstra=10)
    assert FrontEnd.from_table(front_end.as_json(), "model front_end") == front_end


@pytest.mark.parametrize(
    ("settings", "phrase"),
    [
        ({"kind": "logmel"}, "kind 'logmel' is not known; did you mean 'log-mel'"),
        ({"bins": 2}, "bins is 2; expected 4 to 256"),
        ({"hop_ms": 40}, "hop_ms is 40; expected 1 to 32"),
        ({"high_hz": 9000}, "high_hz is 9000; expected above low_hz 20 and at most 8000"),
        ({"cepstra": 40}, "cepstra is 40; expected 1 to 32"),
    ],
)
def test_parameters_without_sense_are_refused(settings: dict, phrase: str):
    """Each with its limits."""
    with pytest.raises(ProjectError, match=phrase):
        FrontEnd(**settings)


@pytest.mark.parametrize(
    ("clip", "phrase"),
    [
        (np.zeros((400, 2)), "expected mono"),
        (np.array([0.0, np.nan] * 400), "sample 1 is not finite"),
        (np.zeros(100), "100 samples are shorter than a frame of 32 ms"),
    ],
)
def test_a_clip_without_sense_is_refused(clip: np.ndarray, phrase: str):
    """Stereo, NaN, or too short for one frame."""
    with pytest.raises(DataError, match=phrase):
        FrontEnd(sample_rate_hz=8000).apply(clip)
