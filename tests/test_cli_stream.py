"""edge-lstm stream: a process that reads lines as they come and says what the library says."""

from __future__ import annotations

import ast
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_lstm.cli import cli
from edge_lstm.streaming import Stream

BROKEN = Path(__file__).parent / "broken" / "samples"

FAULTS = {
    "missing_channel": ("line 1: the header has no channel 'az'", 0),
    "not_a_number": ("step 1, channel ay: nan is not finite", 1),
    "infinite": ("step 1, channel az: inf is not finite", 1),
    "text": ("line 2 (step 1), channel az: 'broken' is not a number", 1),
    "too_few": ("line 2 (step 1): 2 values where 3 are expected", 1),
    "too_many": ("line 2 (step 1): 4 values where 3 are expected", 1),
    "cut_short": ("line 3 (step 1): the last line is cut short: 2 of 3 values", 1),
    "gap": ("line 3 (step 1), channel ay: nothing is not a number", 1),
    "binary": ("line 2 (step 1), channel ax: ", 1),
}


def lines_of(samples, header="ax,ay,az\n"):
    return header + "".join(",".join(map(repr, row)) + "\n" for row in samples.tolist())


def run(text, *arguments):
    return CliRunner().invoke(cli, ["stream", *map(str, arguments)], input=text)


def start(*arguments):
    """The command as a live process."""
    command = [sys.executable, "-c", "from edge_lstm.cli import main; main()", "stream", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("kind", ["classify", "tag", "regress", "forecast", "anomaly"])
@pytest.mark.parametrize("arithmetic", ["native", "tflite", "tflm", "float"])
def test_lines_out_are_the_stream_of_lines_in(bundles, samples, kind, arithmetic):
    """One JSON object a prediction, one text line a prediction, equal to Stream's."""
    made = Stream(bundles(kind), "reference", arithmetic).push_many(samples)
    asked = (bundles(kind), "--backend", "reference", "--arithmetic", arithmetic)
    as_json, as_text = run(lines_of(samples), *asked, "--json"), run(lines_of(samples), *asked)
    assert [json.loads(line) for line in as_json.output.splitlines()] == [p.to_json() for p in made]
    assert as_text.output.splitlines() == [p.to_text() for p in made]
    assert (as_json.exit_code, as_text.exit_code) == (0, 0)


def test_format_json_is_the_same_as_json(bundles, samples):
    """Two spellings of one thing; text is the default."""
    text = lines_of(samples[:3])
    assert run(text, bundles("tag"), "--format", "json").output == run(text, bundles("tag"), "--json").output
    assert run(text, bundles("tag"), "--format", "text").output == run(text, bundles("tag")).output


def test_every_step_speaks_inside_windows(bundles, samples):
    """Twelve samples in windows of five: two predictions, or twelve."""
    text = lines_of(samples[:12])
    assert len(run(text, bundles("classify")).output.splitlines()) == 2
    assert len(run(text, bundles("classify"), "--every-step").output.splitlines()) == 12


def test_every_broken_samples_file_has_its_fault_written_down():
    """A file added to the folder is a claim added here."""
    assert {path.stem for path in BROKEN.iterdir()} == set(FAULTS)


@pytest.mark.parametrize("case", FAULTS)
def test_broken_samples_are_one_line_and_exit_code_2(bundles, case):
    """Predictions of the samples before the fault are out; the fault is named by line or step and channel."""
    message, spoken = FAULTS[case]
    result = run((BROKEN / f"{case}.csv").read_bytes(), bundles("tag"))
    assert result.exit_code == 2
    assert len(result.stdout.splitlines()) == spoken
    assert result.stderr.startswith("edge-lstm: error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_nothing_in_is_nothing_out(bundles):
    """An empty input is a stream that has not begun."""
    result = run("", bundles("tag"))
    assert (result.exit_code, result.output) == (0, "")


def test_without_a_bundle_the_project_says_which_and_how(bundles, samples, tmp_path, monkeypatch):
    """build/NAME, and the back end and format of [stream]."""
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "gestures").symlink_to(bundles("tag"))
    (tmp_path / "edge-lstm.toml").write_text(
        'name = "gestures"\n[data]\npath = "d"\n[task]\nkind = "tag"\n'
        '[stream]\nbackend = "reference"\nformat = "json"\n'
    )
    monkeypatch.chdir(tmp_path)
    assert run(lines_of(samples)).output == run(lines_of(samples), bundles("tag"), "--json").output
    assert run(lines_of(samples), "--format", "text").output == run(lines_of(samples), bundles("tag")).output


def test_each_prediction_is_out_before_the_next_sample_is_in(bundles, samples):
    """A live stream: the answer comes while the pipe is open."""
    process = start(bundles("tag"), "--backend", "reference")
    for step, line in enumerate(lines_of(samples[:3], header="").splitlines(keepends=True)):
        process.stdin.write(line)
        process.stdin.flush()
        assert process.stdout.readline().startswith(f"step {step} ")
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0


def test_ctrl_c_ends_it_quietly(bundles, samples):
    """No traceback; the exit code is the shell's for SIGINT."""
    process = start(bundles("tag"), "--backend", "reference")
    process.stdin.write(lines_of(samples[:1]))
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 130


def test_a_closed_pipe_ends_it_quietly(bundles, samples):
    """`edge-lstm stream … | head -1`: no traceback; the exit code is the shell's for SIGPIPE."""
    process = start(bundles("tag"), "--backend", "reference")
    process.stdin.write(lines_of(samples[:1]))
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    process.stdin.write(lines_of(samples[1:], header=""))
    process.stdin.close()
    assert process.wait(timeout=30) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


def test_a_full_disk_ends_it_with_one_line(bundles, samples):
    """`edge-lstm stream … > predictions` on a full disk: the reason, exit code 2, no traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from edge_lstm.cli import main; main()", "stream", str(bundles("tag"))],
            input=lines_of(samples[:1]),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("edge-lstm: error: No space left on device; ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("closed", [0, 1])
def test_a_closed_stdin_or_stdout_is_said(bundles, closed):
    """A service started without them gets one line, not a traceback."""
    script = f"import os; os.close({closed}); os.execv({sys.executable!r}, [{sys.executable!r}, *os.sys.argv[1:]])"
    command = ["-c", "from edge_lstm.cli import main; main()", "stream", str(bundles("tag"))]
    done = subprocess.run(
        [sys.executable, "-c", script, *command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("edge-lstm: error: stdin or stdout is closed; ")
    assert done.stderr.count("\n") == 1


def test_streaming_needs_the_base_install_alone(bundles, samples):
    """On a board: numpy, click and safetensors, and neither the training nor the data readers of our own."""
    script = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from edge_lstm.cli import cli\n"
        "cli(['stream', sys.argv[1]], standalone_mode=False)\n"
        "loaded = set(sys.modules) - before\n"
        "print(sorted({name.split('.')[0] for name in loaded} - sys.stdlib_module_names))\n"
        "print([name for name in loaded if name.startswith(('edge_lstm.training', 'edge_lstm.datasets'))])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(bundles("tag"))],
        input=lines_of(samples[:2]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    packages, own = done.stdout.splitlines()[-2:]
    # numpy's extensions leave modules named after Cython behind.
    named = {name for name in ast.literal_eval(packages) if "cython" not in name}
    assert named == {"edge_lstm", "numpy", "click", "safetensors"}
    assert own == "[]"
