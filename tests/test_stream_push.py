"""The short way of a sample through C: whatever is pushed, however the ways are mixed, it is the reference's stream."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_bundles import write_small_bundle

from edge_lstm.errors import InputError
from edge_lstm.runtimes import c_library
from edge_lstm.streaming import Stream

KINDS = ("classify", "tag", "regress", "forecast")

HOLDERS: dict[str, Callable[[Any], Any]] = {
    "list": lambda row: row.tolist(),
    "tuple": lambda row: tuple(row.tolist()),
    "float64": lambda row: row,
    "float32": lambda row: row.astype(np.float32),
    "big-endian": lambda row: row.astype(">f8"),
    "every second of an array": lambda row: np.repeat(row, 2)[::2],
    "NumPy's numbers": list,
}


@pytest.fixture(scope="module")
def by_kind(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("push")
    return {kind: write_small_bundle(folder / kind, kind, artefacts=True) for kind in KINDS}


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_pushed_in_c_it_is_the_reference(by_kind, samples, kind, every_step):
    """Every task, inside windows and at their ends: the same predictions, field by field."""
    fast, slow = (Stream(by_kind[kind], name, "native", every_step) for name in ("c", "reference"))
    assert fast._pushing is not None
    assert [fast.push(row) for row in samples] == [slow.push(row) for row in samples]
    assert fast.save() == slow.save()


@pytest.mark.parametrize("holder", HOLDERS)
def test_whatever_holds_the_numbers_it_is_the_same_step(by_kind, samples, holder):
    """The holder leaves no trace: float32 alone has other numbers."""
    held = [HOLDERS[holder](row) for row in samples.astype(np.float32).astype(np.float64)]
    stream = Stream(by_kind["tag"], "c")
    expected = stream.another().push_many(samples.astype(np.float32))
    assert [stream.push(row) for row in held] == expected


@given(st.lists(st.sampled_from(["push", "chunk", "reset", "reload", "refused"]), max_size=25), st.sampled_from(KINDS))
@settings(max_examples=60, deadline=None)
def test_ways_may_be_mixed(by_kind, samples, moves, kind):
    """Short way, long way, chunks, resets and saved states in any order are one stream."""
    fast, slow = (Stream(by_kind[kind], name, "native") for name in ("c", "reference"))
    at = 0
    for move in moves:
        if move == "push":
            assert fast.push(samples[at].tolist()) == slow.push(samples[at])
            at += 1
        elif move == "chunk":
            assert fast.push_many(samples[at : at + 2]) == slow.push_many(samples[at : at + 2])
            at += 2
        elif move == "reset":
            fast.reset(), slow.reset()
        elif move == "reload":
            saved = fast.save()
            fast.push(samples[0])
            fast.load(saved)
        else:
            with pytest.raises(InputError, match=f"step {slow.step}, channel ay: nan is not finite"):
                fast.push([1.0, math.nan, 2.0])
        assert fast.step == slow.step
    assert fast.save() == slow.save()


@pytest.mark.parametrize(
    "sample", [{1.0, 2.0, 3.0}, [1.0, 2.0], ["1", 2, 3], [1, 2, 3j], b"abc", None, 1.0, [[1, 2, 3]]]
)
def test_what_is_no_sample_is_refused_in_c_as_everywhere(by_kind, samples, sample):
    """The message is the reference's, and the stream is as it was."""
    fast, slow = (Stream(by_kind["tag"], name, "native") for name in ("c", "reference"))
    assert fast.push(samples[0]) == slow.push(samples[0])
    said = []
    for stream in (fast, slow):
        with pytest.raises(InputError) as caught:
            stream.push(sample)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert fast.save() == slow.save()


def test_without_a_built_in_function_it_goes_by_ctypes(by_kind, samples, monkeypatch):
    """Where C cannot be a function of Python, the same predictions come from the same library."""
    expected = [Stream(by_kind["classify"], "c").push_many(samples)]
    monkeypatch.setattr(c_library._Library, "builtin", lambda self, stream: None)
    stream = Stream(by_kind["classify"], "c")
    assert stream._take == stream._pushing.convert
    assert [[made for made in map(stream.push, samples.tolist()) if made is not None]] == expected


class Treacherous:
    """A number that empties the list it lies in while it is looked at."""

    def __init__(self, around: list[object]) -> None:
        self.around = around

    def __float__(self) -> float:
        self.around.clear()
        return 1.0


def test_a_list_that_changes_while_it_is_read_is_refused(by_kind, samples):
    """Nothing is read behind its end."""
    stream = Stream(by_kind["tag"], "c")
    sample: list[object] = []
    sample += [Treacherous(sample), 1.0, 2.0]
    with pytest.raises(InputError, match="step 0: 0 values given"):
        stream.push(sample)
    assert stream.push(samples[0].tolist()) == stream.another().push(samples[0])


def test_numbers_that_answer_minus_one_are_numbers(by_kind):
    """C's word for a number that is none."""
    stream = Stream(by_kind["tag"], "c")
    assert stream.push([-1.0, -1, 1]) == stream.another().push(np.array([-1.0, -1.0, 1.0]))


def test_a_value_beyond_float32_saturates(by_kind):
    """1e300 is as large as the largest code."""
    stream = Stream(by_kind["tag"], "c")
    assert stream.push([1e300, -1e300, 1e39]) == stream.another().push([1e30, -1e30, 1e30])


def test_a_prediction_is_the_same_whenever_it_is_looked_at(by_kind, samples):
    """Decoded at once or after the stream went on, copied, pickled or printed: the same fields."""
    stream = Stream(by_kind["tag"], "c")
    late = [stream.push(row) for row in samples]
    stream.reset()
    at_once = [stream.push(row).to_json() for row in samples]
    first = stream.another().push(samples[0])
    assert pickle.loads(pickle.dumps(first)) == copy.copy(late[0]) == late[0]
    assert repr(late[1]).startswith("Prediction(step=1, time=0.02, label=")
    assert [one.to_json() for one in late] == at_once
    with pytest.raises(AttributeError, match="a prediction has no 'colour'"):
        _ = late[2].colour


def test_streams_of_one_library_have_states_of_their_own(by_kind, samples):
    """A second stream costs its state alone, and hears nothing of the first."""
    first = Stream(by_kind["tag"], "c")
    second = first.another()
    expected = [first.push(row) for row in samples]
    assert [second.push(row) for row in samples] == expected
    assert first._runtime.runtime._library is second._runtime.runtime._library
