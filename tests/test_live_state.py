"""A live stream's memory: whatever ends the process, the next one goes on where it stopped."""

from __future__ import annotations

import signal
import subprocess
import threading
import time

import numpy as np
import pytest
from live_streams import HEADER, line, live, read, run, said, text, until, with_facts

from edge_lstm.errors import ProjectError
from edge_lstm.streaming import Stream
from edge_lstm.streaming.saving import Pace
from edge_lstm.streaming.snapshot import decode_snapshot


def test_two_runs_say_what_one_would(own_bundle, samples, tmp_path):
    """The state is carried over, at any cut; steps go on counting."""
    for cut in (1, 7, 30):
        state = tmp_path / f"{cut}.state"
        parts = [run(text(part), own_bundle, "--state", state) for part in (samples[:cut], samples[cut:])]
        assert [line for part in parts for line in part.stdout.splitlines()] == said(own_bundle, samples)
        assert [part.stderr for part in parts] == ["", ""]


def test_the_file_is_a_snapshot_that_stream_takes(own_bundle, samples, tmp_path):
    """A program that uses the library goes on from it, too."""
    run(text(samples[:9]), own_bundle, "--state", tmp_path / "s")
    stream = Stream(own_bundle, "reference")
    stream.load((tmp_path / "s").read_bytes())
    assert [stream.push(x).to_text() for x in samples[9:]] == said(own_bundle, samples)[9:]


@pytest.mark.parametrize(("end", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_with_its_state_saved(own_bundle, samples, tmp_path, end, code):
    """What a service manager and a keyboard send; quiet, and the next run goes on."""
    state = tmp_path / "s"
    with live(own_bundle, "--state", state, stdin=subprocess.PIPE) as process:
        process.stdin.write(text(samples[:5]))
        process.stdin.flush()
        assert read(process, 5) == said(own_bundle, samples)[:5]
        process.send_signal(end)
        assert process.wait(20) == code
        assert process.stderr.read() == ""
    assert run(text(samples[5:]), own_bundle, "--state", state).stdout.splitlines() == said(own_bundle, samples)[5:]


def test_sigterm_without_a_state_ends_it_quietly(own_bundle, samples):
    """The shell's code for it and no traceback."""
    with live(own_bundle, stdin=subprocess.PIPE) as process:
        process.stdin.write(text(samples[:1]))
        process.stdin.flush()
        read(process, 1)
        process.terminate()
        assert (process.wait(20), process.stderr.read()) == (143, "")


def test_a_fault_does_not_cost_the_state(own_bundle, samples, tmp_path):
    """A broken line ends the stream with exit code 2; what was there before is saved."""
    state = tmp_path / "s"
    broken = run(text(samples[:4]) + "1,2\n", own_bundle, "--state", state)
    assert (broken.exit_code, broken.stderr.count("\n")) == (2, 1)
    assert run(text(samples[4:]), own_bundle, "--state", state).stdout.splitlines() == said(own_bundle, samples)[4:]


def test_a_killed_process_leaves_a_whole_file(own_bundle, samples, tmp_path):
    """kill -9 at any time while it writes at every step: the file is always a stream's, at most the last step old."""
    state, expected = tmp_path / "s", said(own_bundle, samples)
    for wait in (0.0, 0.002, 0.005):
        state.unlink(missing_ok=True)
        with live(own_bundle, "--state", state, "--state-every", 1, stdin=subprocess.PIPE) as process:
            process.stdin.write(text(samples[:40]))
            process.stdin.flush()
            read(process, 10)
            time.sleep(wait)
            process.kill()
            process.wait(20)
            spoken = 10 + len(process.stdout.read().splitlines())
        stream = Stream(own_bundle, "reference")
        stream.load(state.read_bytes())
        assert stream.step in (spoken - 1, spoken)
        after = run(text(samples[stream.step :]), own_bundle, "--state", state)
        assert after.stdout.splitlines() == expected[-len(samples) + int(after.stdout.split()[1]) :]


def test_it_is_written_at_its_pace(own_bundle, samples, tmp_path):
    """Every three steps: after five, the file holds three."""
    state = tmp_path / "s"
    with live(own_bundle, "--state", state, "--state-every", 3, stdin=subprocess.PIPE) as process:
        process.stdin.write(text(samples[:5]))
        process.stdin.flush()
        read(process, 5)
        until(state.exists)
        stream = Stream(own_bundle, "reference")
        stream.load(state.read_bytes())
        assert stream.step == 3


def test_a_pace_is_steps_or_seconds():
    """A bare number is steps, as one cannot write half a step."""
    assert (Pace.parse("100"), Pace.parse("0.5s")) == (Pace(100, None), Pace(None, 0.5))
    for wrong in ("0", "1.5", "s", "-3", "1m"):
        with pytest.raises(ProjectError, match="state-every"):
            Pace.parse(wrong)


def test_the_state_of_another_model_is_refused(own_bundle, other_model_bundle, samples, tmp_path):
    """One line, before a sample is read; the file stays."""
    state = tmp_path / "s"
    run(text(samples[:3]), own_bundle, "--state", state)
    before = state.read_bytes()
    result = run(text(samples[3:]), other_model_bundle, "--state", state)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert f"{state}: stream state: it is of model " in result.stderr
    assert state.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\0\0\0\0\0\0\0{}      ", "cut"])
def test_a_file_that_is_no_state_is_refused(own_bundle, samples, tmp_path, content):
    """Also one that something else cut short. It is not overwritten."""
    state = tmp_path / "s"
    if content == "cut":
        run(text(samples[:3]), own_bundle, "--state", state)
        content = state.read_bytes()[:-1]
    state.write_bytes(content)
    result = run(text(samples[:3]), own_bundle, "--state", state)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "is no saved stream" in result.stderr
    assert state.read_bytes() == content


def test_a_state_that_cannot_be_written_is_said(own_bundle, samples, tmp_path):
    """A folder in its place: one line, exit code 2."""
    (tmp_path / "file").write_text("")
    result = run(text(samples[:2]), own_bundle, "--state", tmp_path / "file" / "s")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_what_was_held_and_when_survives_a_restart(own_bundle, samples, tmp_path):
    """The channel's last value and the last time: a pause between two runs is a gap like any other."""
    bundle = with_facts(own_bundle, missing="hold", missing_value=-200.0)
    head, state = "timestamp," + HEADER, tmp_path / "s"
    asked = (bundle, "--state", state, "--reset", "gap > 100")
    gone, held = samples[:4].copy(), samples[:4].copy()
    gone[1, 0], held[1, 0] = -200, samples[0, 0]
    outputs = [
        run(head + f"{time},{line(gone[k])}", *asked).stdout.splitlines()[0] for k, time in enumerate((0, 50, 100, 900))
    ]
    assert outputs == said(bundle, held[:3]) + said(bundle, held[3:])


@pytest.mark.parametrize("kind", ["classify", "anomaly"])
def test_windows_and_scores_are_carried_over_too(bundles, samples, tmp_path, kind):
    """The place in a window and the anomaly score are part of the state."""
    state = tmp_path / "s"
    parts = [run(text(part), bundles(kind), "--state", state) for part in np.split(samples, [13, 31])]
    assert [line for part in parts for line in part.stdout.splitlines()] == said(bundles(kind), samples)


def test_a_signal_never_falls_inside_a_sample(own_bundle, samples, tmp_path):
    """SIGTERM while samples rush through: the state is of exactly the predictions that are out, or one more."""
    many = np.tile(samples, (500, 1))
    for k in range(4):
        state = tmp_path / f"{k}"
        with live(own_bundle, "--from", f"file:{_log(tmp_path, many)}", "--state", state) as process:
            first = read(process, 1)
            threading.Timer(0.05 + 0.013 * k, process.terminate).start()
            spoken = first + process.stdout.read().splitlines()
            assert (process.wait(20), process.stderr.read()) == (143, "")
        stream = Stream(own_bundle, "reference")
        stream.load(state.read_bytes())
        assert 1 < stream.step < len(many)
        assert stream.step - len(spoken) in (0, 1)
        whole = Stream(own_bundle, "reference")
        whole.push_many(many[: stream.step])
        for (h, c), (other_h, other_c) in zip(_state(stream), _state(whole), strict=True):
            assert (h.tolist(), c.tolist()) == (other_h.tolist(), other_c.tolist())


def _log(folder, samples):
    log = folder / "log.csv"
    log.write_text(text(samples))
    return log


def _state(stream):
    return decode_snapshot(stream.save(), stream.model.identity, stream.arithmetic).state
