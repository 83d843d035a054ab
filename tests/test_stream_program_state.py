"""The static stream program's memory: whatever ends it, the next run goes on where it stopped."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time

import pytest
from live_streams import HEADER, read, said, text, until
from stream_programs import built, command, living, program


@pytest.fixture
def path(program_bundles):
    return built(program_bundles("tag"))


@pytest.fixture
def expected(program_bundles, samples):
    return said(program_bundles("tag"), samples)


@pytest.mark.parametrize("kind", ["tag", "classify", "anomaly"])
def test_two_runs_say_what_one_would(program_bundles, samples, tmp_path, kind):
    """The network, the scorer and the steps are carried over, at any cut."""
    bundle = program_bundles(kind)
    whole = command(bundle, "--json", written=text(samples))
    for cut in (0, 1, 7, 31):
        state = tmp_path / f"{cut}"
        parts = [
            program(built(bundle), "--json", "--state", state, written=text(part))
            for part in (samples[:cut], samples[cut:])
        ]
        assert b"".join(part.out for part in parts) == whole.out


def test_held_values_and_the_last_time_are_carried_over(program_bundles, samples, tmp_path):
    """What was measured before stands in for what is missing after; a gap across the end of a process is one."""
    bundle = program_bundles("classify")
    rows = ["1,-20,300\n", ",-20,300\n"]
    for each in rows:
        last = program(built(bundle), "--state", tmp_path / "s", written=each)
    assert last.err == "stream: 1 samples taken; 1 missing values held\n"
    bundle = program_bundles("tag")
    for time_of, resets in ((0, ""), (40, ""), (2000, "1 resets")):
        written = f"timestamp,ax,ay,az\n{time_of},1,2,3\n"
        last = program(built(bundle), "--reset", "gap > 500", "--state", tmp_path / "t", written=written)
        assert resets in last.err


@pytest.mark.parametrize(("end", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_with_its_state_saved(path, samples, expected, tmp_path, end, code):
    """What a service manager and a keyboard send; quiet, and the next run goes on."""
    with living(path, "--state", tmp_path / "s", stdin=subprocess.PIPE) as process:
        process.stdin.write(text(samples[:5]))
        process.stdin.flush()
        assert read(process, 5) == expected[:5]
        process.send_signal(end)
        assert (process.wait(20), process.stderr.read()) == (code, "")
    assert program(path, "--state", tmp_path / "s", written=text(samples[5:])).out.decode().splitlines() == expected[5:]


def test_a_fault_does_not_cost_the_state(path, samples, expected, tmp_path):
    """A broken line ends the stream with exit code 2; what was there before is said and saved."""
    broken = program(path, "--state", tmp_path / "s", written=text(samples[:4]) + "1,2\n")
    assert (broken.code, broken.out.decode().splitlines(), broken.err.count("\n")) == (2, expected[:4], 1)
    assert program(path, "--state", tmp_path / "s", written=text(samples[4:])).out.decode().splitlines() == expected[4:]


def test_a_killed_process_loses_no_more_than_its_pace(path, samples, expected, tmp_path):
    """kill -9 at any time while it writes at every step: the next run repeats a step that was said at most."""
    for turn in range(8):
        state = tmp_path / f"{turn}"
        with living(path, "--state", state, "--state-every", 1, stdin=subprocess.PIPE) as process:
            process.stdin.write(text(samples[:40]))
            process.stdin.flush()
            read(process, 4)
            time.sleep(0.0005 * turn)
            process.kill()
            process.wait(20)
            spoken = 4 + len(process.stdout.read().splitlines())
        rest = program(path, "--state", state, written=text(samples)).out.decode().splitlines()
        kept = int(rest[0].split()[1])
        # What was said may be one step ahead of the file, and the file is never ahead of what was said.
        assert spoken - 1 <= kept <= spoken
        with living(path, "--state", state) as process:
            process.wait(20)
        again = program(path, "--state", state, written=text(samples[:1])).out.decode()
        assert again.startswith(f"step {kept + 60} ")


def test_the_file_is_never_ahead_of_what_was_said(path, samples, tmp_path):
    """A receiver that takes nothing holds up the state, too: what the file has seen has left."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    flags = ["--state", tmp_path / "s", "--state-every", "1"]
    process = subprocess.Popen([path, *flags], stdin=subprocess.PIPE, stdout=writer, text=True)
    try:
        process.stdin.write(text(samples[:5]))
        process.stdin.flush()
        time.sleep(0.3)
        assert _step(tmp_path / "s") is None
        os.read(reader, 65536)
        until(lambda: _step(tmp_path / "s") == 5)
    finally:
        process.kill()
        process.stdin.close()
        process.wait(20)
    os.close(reader)
    os.close(writer)


def test_a_file_is_taken_up_where_it_was_left(path, samples, expected, tmp_path):
    """With a state no line is read twice and none is lost; a file that was replaced is read from its beginning."""
    log, flags = tmp_path / "log.csv", ("--state", tmp_path / "s", "--from", f"file:{tmp_path}/log.csv")
    log.write_text("az,ay,ax\n" + text(samples[:10, ::-1]))
    for start, end in ((0, 10), (10, 20), (20, 30)):
        with living(path, *flags) as process:
            assert read(process, end - start) == expected[start:end]
            process.terminate()
            assert process.communicate(timeout=20) == ("", "")
        with log.open("a") as writer:
            writer.write(text(samples[end : end + 10, ::-1]))
    log.rename(tmp_path / "log.1")
    log.write_text(HEADER + text(samples[30:50]))
    with living(path, *flags) as process:
        assert read(process, 20) == expected[30:50]


def test_a_pipe_begins_with_its_own_header(path, samples, expected, tmp_path):
    """A header of the last run does not bind the next one where the sender says it again, or has another."""
    first = program(path, "--state", tmp_path / "s", written="az,ay,ax\n" + text(samples[:3, ::-1]))
    second = program(path, "--state", tmp_path / "s", written=text(samples[3:]))
    assert (first.out + second.out).decode().splitlines() == expected


def test_every_damage_is_refused(path, samples, tmp_path):
    """Any byte changed, any length: one line that names the file, exit code 2, and the file stays as it is."""
    state, rng = tmp_path / "s", random.Random(6)
    program(path, "--state", state, written=HEADER + text(samples[:9]))
    whole = state.read_bytes()
    damaged = [whole[:cut] for cut in rng.sample(range(len(whole)), 25)] + [whole + b"\0", b"", b"x" * 9000]
    for at in rng.sample(range(len(whole)), 60):
        damaged.append(whole[:at] + bytes([whole[at] ^ (1 << rng.randrange(8))]) + whole[at + 1 :])
    for content in damaged:
        state.write_bytes(content)
        refused = program(path, "--state", state, written=text(samples[:1]))
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, b"", 1)
        assert refused.err.startswith(f"error: {state}: ")
        assert "file" in refused.err
        assert state.read_bytes() == content


def test_the_state_of_something_else_is_refused(path, program_bundles, samples, tmp_path):
    """Another model's, the command's own, a folder: said, and nothing is overwritten."""
    other = built(program_bundles("anomaly"))
    program(other, "--state", tmp_path / "other", written=text(samples[:3]))
    refused = program(path, "--state", tmp_path / "other", written=text(samples[:3]))
    assert (refused.code, refused.out) == (2, b"")
    assert "stream state: it is of model " in refused.err
    assert "move this file away" in refused.err
    command(program_bundles("tag"), "--state", tmp_path / "command", written=text(samples[:3]))
    refused = program(path, "--state", tmp_path / "command", written=text(samples[:3]))
    assert refused.err == f"error: {tmp_path}/command: is no saved stream; give another file, or remove it\n"
    refused = program(path, "--state", tmp_path, written="")
    assert refused.err == f"error: {tmp_path}: cannot be read: Is a directory; check the path\n"


def test_a_place_that_cannot_be_written_is_said(path, samples, expected, tmp_path):
    """Predictions up to there are out; folders that lack are made."""
    program(path, "--state", tmp_path / "a" / "b" / "s", written=text(samples[:1]))
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["s"]
    (tmp_path / "file").write_text("")
    said = program(path, "--state", tmp_path / "file" / "s", "--state-every", 3, written=text(samples))
    assert said.code == 2
    assert "Not a directory" in said.err
    said = program(path, "--state", "/proc/no/s", "--state-every", 3, written=text(samples))
    assert (said.code, said.out.decode().splitlines(), said.err.count("\n")) == (2, expected[:3], 1)
    assert said.err.startswith("error: /proc/no/s: cannot be written: ")


def test_it_is_written_at_its_pace(path, samples, tmp_path):
    """Every so many steps, or seconds; and at the end."""
    for pace, early in ((3, 6), ("0.001s", 7), ("60s", None)):
        state = tmp_path / f"{pace}"
        with living(path, "--state", state, "--state-every", pace, stdin=subprocess.PIPE) as process:
            for sample in samples[:7]:
                process.stdin.write(text(sample[None]))
                process.stdin.flush()
                read(process, 1)
                time.sleep(0.01)
            until(lambda state=state, early=early: _step(state) == early)
            process.stdin.close()
            assert process.wait(20) == 0
        assert _step(state) == 7


def _step(state):
    """The next step in a file; its place is in ``stream/state_file.h``."""
    return int.from_bytes(state.read_bytes()[48:56], "little") if state.exists() else None
