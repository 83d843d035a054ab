"""Every back end says what the reference says in its arithmetic, and reads the reference's saved state."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from live_streams import COMMAND

from edge_lstm.errors import BundleError
from edge_lstm.streaming import Stream

PAIRS = (
    ("c", "native"),
    ("tflite-runtime", "tflite"),
    ("litert", "tflite"),
    ("tflm", "tflm"),
    ("tflite-runtime", "step"),
    ("litert", "step"),
)


def printed(bundle, samples, *options):
    """What the command prints, in a process of its own: some interpreters cannot share one."""
    text = "".join(" ".join(map(repr, row)) + "\n" for row in samples.tolist())
    command = [
        sys.executable,
        "-c",
        "from edge_lstm.cli import main; main()",
        "stream",
        str(bundle),
        "--json",
        *options,
    ]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["classify", "anomaly"])
@pytest.mark.parametrize(("backend", "arithmetic"), PAIRS)
def test_a_back_end_prints_the_lines_of_the_reference(runnable_bundles, samples, backend, arithmetic, kind):
    """Character by character, for labels and for scores."""
    bundle = runnable_bundles[kind]
    lines = printed(bundle, samples, "--backend", backend, "--arithmetic", arithmetic)
    made = Stream(bundle, "reference", arithmetic).push_many(samples)
    assert [json.loads(line) for line in lines.splitlines()] == [one.to_json() for one in made]
    assert len(made) == (12 if kind == "classify" else 60)


@pytest.mark.parametrize("kind", ["classify", "anomaly", "tag"])
@pytest.mark.parametrize("backend", ["tflite-runtime", "litert"])
def test_without_a_fused_file_the_explicit_state_one_runs_and_is_named(unfused_bundles, samples, backend, kind):
    """TFLite fuses neither GRU nor FastGRNN: the reference's lines, and one on stderr that says what computes them."""
    text = "".join(" ".join(map(repr, row)) + "\n" for row in samples.tolist())
    done = subprocess.run(
        [*COMMAND, unfused_bundles[kind], "--backend", backend, "--json"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    made = Stream(unfused_bundles[kind], "reference", "step").push_many(samples)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [one.to_json() for one in made]
    assert len(made) == (12 if kind == "classify" else 60)
    assert json.loads(done.stderr)["backend"]["arithmetic"] == "step"


@pytest.mark.parametrize("backend", ["c", "reference", "litert"])
def test_a_model_that_looks_ahead_says_of_which_step(unfused_bundles, samples, backend):
    """And goes on from a saved state in the middle of what it has looked at."""
    stream = Stream(unfused_bundles["tag"], backend)
    made = stream.push_many(samples[:20])
    assert [(one.step, one.for_step) for one in made] == [(step, step - 3) for step in range(20)]
    saved, wanted = stream.save(), stream.push_many(samples[20:])
    again = Stream(unfused_bundles["tag"], backend)
    again.load(saved)
    assert again.push_many(samples[20:]) == wanted


def test_a_back_end_of_the_fused_file_alone_is_refused(unfused_bundles):
    """TensorFlow Lite Micro has no stream over the explicit-state file."""
    with pytest.raises(
        BundleError, match=r"holds arithmetic native, step, float, but back end tflm computes tflm; choose"
    ):
        Stream(unfused_bundles["classify"], "tflm")


def test_auto_takes_the_explicit_state_file_where_step_is_asked_for(unfused_bundles, samples):
    """The first interpreter that is installed, in the arithmetic's own bytes."""
    stream = Stream(unfused_bundles["anomaly"], arithmetic="step")
    assert stream.backend in ("tflite-runtime", "litert")
    reference = Stream(unfused_bundles["anomaly"], "reference", "step")
    assert stream.push_many(samples[:20]) == reference.push_many(samples[:20])
    assert stream.save() == reference.save()


def test_each_back_end_has_an_arithmetic_of_its_own(runnable_bundles):
    """Without --arithmetic it computes the one it was made for."""
    for backend, arithmetic in (("c", "native"), ("reference", "native")):
        assert Stream(runnable_bundles["classify"], backend).arithmetic == arithmetic


def test_auto_takes_the_compiled_model(runnable_bundles):
    """Where the bundle has a library for this machine, it is the one that runs."""
    stream = Stream(runnable_bundles["classify"])
    assert (stream.backend, stream.arithmetic) == ("c", "native")


def test_auto_takes_what_computes_the_arithmetic_asked_for(runnable_bundles):
    """The library computes native alone; float is left to the reference."""
    stream = Stream(runnable_bundles["classify"], arithmetic="float")
    assert (stream.backend, stream.arithmetic) == ("reference", "float")


def test_a_state_moves_between_c_and_the_reference(runnable_bundles, samples):
    """Both save the same bytes and go on from each other's."""
    bundle = runnable_bundles["anomaly"]
    there, here = Stream(bundle, "c"), Stream(bundle, "reference", "native")
    expected = here.push_many(samples)
    here.reset()
    here.push_many(samples[:21])
    there.push_many(samples[:21])
    saved = here.save()
    assert there.save() == saved
    there.reset()
    there.load(saved)
    here.load(saved)
    assert there.push_many(samples[21:]) == here.push_many(samples[21:]) == expected[21:]


def test_interleaved_streams_share_one_library(runnable_bundles, samples):
    """Turns in C leave no trace in each other's state."""
    first = Stream(runnable_bundles["anomaly"], "c")
    expected = first.push_many(samples), first.another().push_many(samples[::-1])
    one, two = first.another(), first.another()
    together = [(one.push(a), two.push(b)) for a, b in zip(samples, samples[::-1], strict=True)]
    assert tuple(list(said) for said in zip(*together, strict=True)) == expected


def test_long_streams_in_chunks_and_steps_agree_in_c(runnable_bundles):
    """Two thousand steps, once through the loop in C and once through push."""
    stream = Stream(runnable_bundles["classify"], "c")
    walk = stream.model.interface.scaling.undo(np.random.default_rng(4).normal(0, 1, (2000, 3)))
    singly = [made for made in map(stream.another().push, walk) if made is not None]
    assert stream.push_many(walk) == singly
