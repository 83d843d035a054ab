"""Live streams: missing values, values out of range, lines that are no samples, gaps. Nothing happens unsaid."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner
from live_streams import HEADER, line, run, said, text, with_facts

from edge_lstm.cli import cli
from edge_lstm.cli.stream import _DEFAULTS
from edge_lstm.errors import BundleError, ProjectError
from edge_lstm.project import StreamSpec
from edge_lstm.streaming import LoadedModel, Stream
from edge_lstm.streaming.counts import Counts
from edge_lstm.streaming.facts import Facts
from edge_lstm.streaming.gaps import Gaps, ResetRule
from edge_lstm.streaming.policy import Admission, Policy

AIR = {"missing": "hold", "missing_value": -200.0, "max_gap": 2}


def with_marks(samples, cells):
    """Lines of the samples, some cells replaced by a text: {(row, column): text}."""
    rows = [[repr(value) for value in row] for row in samples.tolist()]
    for (row, column), mark in cells.items():
        rows[row][column] = mark
    return HEADER + "".join(",".join(row) + "\n" for row in rows)


@pytest.mark.parametrize("mark", ["-200", "-200.0", "", "nan", "NA", "inf"])
def test_what_training_held_is_held_unasked(own_bundle, samples, mark):
    """The bundle alone knows that -200 is no measurement; the channel's last value stands in, as in training."""
    bundle, held = with_facts(own_bundle, **AIR), samples[:4].copy()
    held[2, 1] = held[1, 1]
    result = run(with_marks(samples[:4], {(2, 1): mark}), bundle)
    assert result.stdout.splitlines() == said(bundle, held)
    assert result.stderr == "stream: 4 samples taken; 1 missing values held\n"
    assert result.exit_code == 0


def test_without_facts_a_marker_is_a_number_like_any_other(own_bundle, samples):
    """A bundle whose training data had no marker: -200 is a measurement."""
    plain = samples[:3].copy()
    plain[1, 1] = -200
    result = run(with_marks(samples[:3], {(1, 1): "-200"}), own_bundle)
    assert (result.stdout.splitlines(), result.stderr) == (said(own_bundle, plain), "")


def test_a_held_value_serves_no_longer_than_in_training(own_bundle, samples):
    """max_gap is 2: the third missing sample in a row and those after it are left out."""
    bundle, marks = with_facts(own_bundle, **AIR), {(row, 0): "-200" for row in range(1, 5)}
    held = samples[[0, 1, 2, 5]].copy()
    held[1:3, 0] = samples[0, 0]
    result = run(with_marks(samples[:6], marks), bundle)
    assert result.stdout.splitlines() == said(bundle, held)
    assert result.stderr == "stream: 4 samples taken; 2 missing values held, 2 samples skipped for a missing value\n"


def test_what_leads_has_nothing_to_hold(own_bundle, samples):
    """As training trims it, a stream leaves it out."""
    bundle = with_facts(own_bundle, **AIR)
    result = run(with_marks(samples[:3], {(0, 2): "-200"}), bundle)
    assert result.stdout.splitlines() == said(bundle, samples[1:3])
    assert "1 samples taken" not in result.stderr
    assert "1 samples skipped" in result.stderr


@pytest.mark.parametrize("facts", [{"missing_value": -200.0}, {"missing_value": -200.0, "missing": "interpolate"}])
def test_a_marker_is_refused_where_nothing_else_is_asked(own_bundle, samples, facts):
    """Interpolation looks ahead; a stream cannot, so its user has to choose."""
    result = run(with_marks(samples[:3], {(1, 1): "-200"}), with_facts(own_bundle, **facts))
    assert result.exit_code == 2
    assert result.stdout.splitlines() == said(own_bundle, samples[:1])
    assert result.stderr == (
        "edge-lstm: error: line 3 (step 1), channel ay: -200 stands for a missing value in the training data; "
        "choose --missing hold or --missing skip\n"
    )


def test_skip_leaves_the_sample_out(own_bundle, samples):
    """--missing skip, whatever training did."""
    result = run(with_marks(samples[:4], {(2, 1): "?"}), own_bundle, "--missing", "skip")
    assert result.stdout.splitlines() == said(own_bundle, samples[[0, 1, 3]])
    assert result.stderr == "stream: 3 samples taken; 1 samples skipped for a missing value\n"


def test_the_decimal_sign_is_that_of_the_training_data(own_bundle, samples):
    """1,5;2,5 is two numbers where training read decimal commas."""
    bundle = with_facts(own_bundle, decimal=",")
    lines = "".join(";".join(repr(v).replace(".", ",") for v in row) + "\n" for row in samples[:3].tolist())
    for written in (lines, "ax;ay;az\n" + lines):
        assert run(written, bundle).stdout.splitlines() == said(bundle, samples[:3])


def test_counts_are_json_with_json(own_bundle, samples):
    """One line on stderr, for machines."""
    result = run(with_marks(samples[:4], {(2, 1): ""}), own_bundle, "--missing", "skip", "--json")
    counts = json.loads(result.stderr)["counts"]
    assert (counts.pop("samples"), counts.pop("skipped"), set(counts.values())) == (3, 1, {0})


def test_a_malformed_line_is_skipped_if_asked(own_bundle, samples):
    """Noise on a wire costs its line; refused otherwise, which other tests show."""
    written = HEADER + line(samples[0]) + "\ufffd1,2\n" + "1,2\n" + "a,b,c\n" + line(samples[1])
    result = run(written, own_bundle, "--malformed", "skip")
    assert result.stdout.splitlines() == said(own_bundle, samples[:2])
    assert result.stderr == "stream: 2 samples taken; 3 malformed lines skipped\n"


def test_a_header_in_the_middle_is_a_header(own_bundle, samples):
    """A sensor that restarted says its header again, perhaps in another order."""
    turned = "az,ay,ax\n" + line(samples[1][::-1])
    result = run(HEADER + line(samples[0]) + turned + HEADER + line(samples[2]), own_bundle)
    assert result.stdout.splitlines() == said(own_bundle, samples[:3])
    assert result.stderr == ""


def test_the_limits_are_where_the_codes_end(bundles):
    """Just inside, the outermost code by rounding; just outside, the same code by clamping."""
    for arithmetic in ("native", "tflite", "step"):
        model = LoadedModel.open(bundles("tag"), "reference", arithmetic)
        low, high = model.limits
        encoding = model._model.encoding
        step = 1 / encoding.gain.astype(np.float64)
        hair = 0.2 * step  # float32 rounds the offset of channel az to a few hundredths of an int16 step
        assert model.encode(low + hair).tolist() == encoding.low.tolist()
        assert model.encode(high - hair).tolist() == encoding.high.tolist()
        assert model.encode(low + step + hair).tolist() == (encoding.low + 1).tolist()
        assert model.encode(high - step - hair).tolist() == (encoding.high - 1).tolist()


def test_a_clamped_value_is_counted(own_bundle, samples):
    """The prediction is that of the clamped value, and it is said."""
    wild = samples[:3].copy()
    wild[1, 2] = 1e6
    result = run(text(wild), own_bundle, "--range", "clamp")
    assert result.stdout.splitlines() == said(own_bundle, wild)
    assert result.stderr == "stream: 3 samples taken; 1 values clamped to the calibrated range\n"


def test_a_value_out_of_range_is_refused_if_asked(own_bundle, samples):
    """One line names step, channel, value and range; what came before is out."""
    wild = samples[:3].copy()
    wild[1, 2] = 1e6
    result = run(text(wild), own_bundle, "--range", "refuse")
    assert result.exit_code == 2
    assert result.stdout.splitlines() == said(own_bundle, wild[:1])
    assert "line 2: step 1, channel az: 1e+06 is out of the calibrated range" in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_factor_says_how_far_is_too_far():
    """Twice half the range from its middle: 0 ± 20."""
    counts = Counts()
    limits = (np.array([-10.0]), np.array([10.0]))
    admission = Admission(Policy(range="refuse", range_factor=2.0), ["a"], limits, counts)
    assert [admission.admit([v], "") for v in (10.0, 20.0, -20.0)] == [[10.0], [20.0], [-20.0]]
    assert counts.clamped == 2
    with pytest.raises(Exception, match=r"20\.1 is out of the calibrated range -10 to 10 \(factor 2\)"):
        admission.admit([20.1], "step 0")


def test_a_float_model_has_no_range_to_refuse_by(own_bundle, samples):
    """Said at once, not at the first sample."""
    result = run(text(samples[:1]), own_bundle, "--arithmetic", "float", "--range", "refuse")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "a float model has no calibrated range" in result.stderr


def timed(samples, times):
    return "timestamp,ax,ay,az\n" + "".join(f"{t},{line(s)}" for t, s in zip(times, samples, strict=True))


GAPS = {
    "no gap": ([0, 20, 40, 60], "gap > 50", []),
    "a gap": ([0, 20, 90, 110], "gap > 50", [2]),
    "a gap of just that long is none": ([0, 50, 100, 150], "gap>50", []),
    "a clock that went back": ([1000, 1020, 10, 30], "gap > 50ms", [2]),
    "never": ([0, 20, 9000, 9020], "never", []),
    "every two": ([0, 20, 40, 60], "every 2", [2]),
}


@pytest.mark.parametrize("case", GAPS)
def test_the_stream_begins_anew_where_the_rule_says(own_bundle, samples, case):
    """After a reset the state is zero and steps count from 0."""
    times, rule, resets = GAPS[case]
    result = run(timed(samples[:4], times), own_bundle, "--reset", rule)
    edges = [0, *resets, 4]
    expected = [p for a, b in pairwise(edges) for p in said(own_bundle, samples[a:b])]
    assert result.stdout.splitlines() == expected
    assert result.stderr == (f"stream: 4 samples taken; {len(resets)} resets\n" if resets else "")


def test_times_are_those_of_the_training_data(own_bundle, samples):
    """Two columns joined, in the project's own format: 11 minutes are a gap, 10 are none."""
    bundle = with_facts(own_bundle, timestamp=["Date", "Time"], time_format="%d/%m/%Y %H.%M.%S")
    clock = ["10/03/2004;18.00.00", "10/03/2004;18.10.00", "10/03/2004;18.21.00"]
    written = "Date;Time;ax;ay;az\n" + "".join(f"{t};{line(s, ';')}" for t, s in zip(clock, samples[:3], strict=True))
    result = run(written, bundle, "--reset", "gap > 600000")
    assert result.stdout.splitlines() == said(bundle, samples[:2]) + said(bundle, samples[2:3])


def test_nothing_is_held_across_a_gap(own_bundle, samples):
    """What was measured before the gap does not stand in for what is missing after it."""
    bundle = with_facts(own_bundle, **AIR)
    rows = samples[:4].copy()
    rows[2, 0] = -200
    result = run(timed(rows, [0, 20, 900, 920]), bundle, "--reset", "gap > 50")
    assert result.stdout.splitlines() == said(bundle, samples[:2]) + said(bundle, samples[3:4])
    assert result.stderr == "stream: 3 samples taken; 1 samples skipped for a missing value, 1 resets\n"


def test_a_gap_cannot_be_seen_without_times(own_bundle, samples):
    """One line that says what is missing."""
    for written in (text(samples[:2]), HEADER + text(samples[:2])):
        result = run(written, own_bundle, "--reset", "gap > 50")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "line 1: gaps are found by times, and no header names a column timestamp" in result.stderr


def test_a_time_that_is_none_is_refused(own_bundle, samples):
    """It is a fault of its line."""
    result = run(timed(samples[:2], [0, "soon"]), own_bundle, "--reset", "gap > 50")
    assert "line 3 (step 1): 'soon' is not a time like those of the training data" in result.stderr


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--missing", "guess", "missing 'guess' is not known; choose from refuse, hold, skip"),
        ("--range", "wide", "range 'wide' is not known; choose from clamp, refuse"),
        ("--range-factor", 0.5, "range_factor is 0.5; give 1 or more"),
        ("--malformed", "eat", "malformed 'eat' is not known; choose from refuse, skip"),
        ("--reset", "gap < 5", "reset 'gap < 5' is not known; give 'never', 'gap > 500' (milliseconds)"),
        ("--reset", "every 0", "reset 'every 0' is not known"),
        ("--queue", 0, "queue is 0 samples; give at least 1"),
        ("--when-full", "cry", "when_full 'cry' is not known; choose from block, drop-oldest"),
        ("--state-every", "often", "state-every 'often' is not known; give '1000' (steps) or '60s'"),
        ("--from", "ftp://x", "'ftp://x': 'ftp' is no kind of address; choose from -, file:, tcp:"),
        ("--from", "samples.csv", "'samples.csv': 'samples.csv' is no kind of address"),
        ("--from", "tcp://nowhere", "tcp://nowhere: host or port is missing; write tcp://HOST:PORT"),
        ("--from", "tcp://h:99999", "tcp://h:99999: Port out of range 0-65535; give a port from 1 to 65535"),
        ("--from", "udp://:9?rate=3", "udp://:9?rate=3: 'rate' is not known there; it takes nothing"),
        ("--from", "iio:/x?rate=fast", "iio:/x?rate=fast: rate is 'fast'; give a positive number"),
        ("--from", "mqtt://host", "mqtt://host: the topic is missing; write mqtt://HOST/TOPIC"),
        ("--to", "smoke:signals", "'smoke:signals': 'smoke' is no kind of address; choose from -, file:, tcp:, mqtt:"),
    ],
)
def test_a_mistyped_ask_is_one_line(own_bundle, flag, value, message):
    """What, where, and what to write instead."""
    result = run("", own_bundle, flag, value)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_project_file_says_the_policies(own_bundle, samples, tmp_path, monkeypatch):
    """[stream] speaks where no flag does, and the flag wins."""
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "p").symlink_to(own_bundle)
    project = 'name = "p"\n[data]\npath = "d"\n[task]\nkind = "tag"\n[stream]\nbackend = "reference"\n'
    (tmp_path / "edge-lstm.toml").write_text(project + 'missing = "skip"\nreset = "every 2"\n')
    monkeypatch.chdir(tmp_path)
    written = with_marks(samples[:4], {(3, 0): ""})
    stated = CliRunner().invoke(cli, ["stream"], input=written)
    assert stated.stderr == "stream: 3 samples taken; 1 samples skipped for a missing value, 1 resets\n"
    asked = CliRunner().invoke(cli, ["stream", "--missing", "hold", "--reset", "never"], input=written)
    assert asked.stderr == "stream: 4 samples taken; 1 missing values held\n"


@pytest.mark.parametrize("table", [{"missing_value": "x"}, {"decimal": ";"}, {"colour": 1}, {"timestamp": [1]}])
def test_facts_that_were_changed_are_refused(table):
    """A manifest is checked before it is believed."""
    with pytest.raises(BundleError, match="its table 'stream' was changed"):
        Facts.from_manifest({"stream": table})


def test_a_bundle_alone_is_run_as_an_empty_project_would():
    """[stream] has its defaults once more where the project file's class is not loaded; they are the same."""
    assert vars(StreamSpec()) == _DEFAULTS


def test_facts_survive_the_manifest():
    """What [data] said comes back."""
    facts = Facts("hold", -200.0, 5, ",", ("Date", "Time"), "%H", "s")
    assert Facts.from_manifest(json.loads(json.dumps({"stream": facts.to_json()}))) == facts
    assert Facts.from_manifest({}) == Facts()


def test_a_rule_reads_what_it_writes():
    """The three rules, and steps of a binary fraction that are no gap."""
    assert ResetRule.parse("gap > 0.5 ms") == ResetRule("gap", 0.5)
    assert ResetRule.parse("every 7") == ResetRule("every", 7)
    with pytest.raises(ProjectError):
        ResetRule.parse("sometimes")
    gaps = Gaps(ResetRule.parse("gap > 100"), last=0.2)
    assert [gaps.due(t, 0) for t in (0.3, 0.30001, 0.1999)] == [False, True, True]


def test_every_step_of_an_air_quality_log_is_read_as_training_read_it(own_bundle, samples):
    """Random holes: the stream's samples are those of a recording filled by the data sets' own rule."""
    from edge_lstm.datasets.continuity import Rows, continuous
    from edge_lstm.datasets.spec import DataSpec

    rng = np.random.default_rng(4)
    holes = samples.astype(np.float32).astype(np.float64)  # as recordings hold them
    holes[rng.random(holes.shape) < 0.2] = np.nan
    spec = DataSpec(missing="hold", max_gap=60)
    (piece,) = continuous(Rows("log", range(60), ("ax", "ay", "az"), holes), spec)
    bundle = with_facts(own_bundle, missing="hold", missing_value=-200.0, max_gap=60)
    result = run(text(np.where(np.isnan(holes), -200.0, holes)), bundle, "--json")
    made = Stream(bundle, "reference").push_many(piece.series.astype(np.float64))
    assert [json.loads(each) for each in result.stdout.splitlines()] == [p.to_json() for p in made]
