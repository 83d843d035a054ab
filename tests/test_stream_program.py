"""The static stream program says the bytes that ``edge-lstm stream`` says, on every architecture."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import struct
import subprocess
import time
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import nasty_lines
import numpy as np
import pytest
from live_streams import HEADER, text
from models import calibrated, float_model
from stream_bundles import TASKS
from stream_programs import EMULATED, built, command, native, program, sources_in

from edge_lstm.bundle import Bundle
from edge_lstm.datasets.times import SECONDS as UNITS
from edge_lstm.datasets.times import time_parser
from edge_lstm.errors import ExportError, MissingDependencyError
from edge_lstm.model import Scaling, Task
from edge_lstm.streaming import LoadedModel, Stream
from edge_lstm.streaming.facts import Facts
from edge_lstm.streaming.prediction import Told
from edge_lstm_calibration import quantise_native
from edge_lstm_export.firmware import toolchain
from edge_lstm_export.firmware.project import Firmware, self_test_vectors
from edge_lstm_export.linux import ARCHITECTURES, stream_program
from edge_lstm_export.linux.facts_c import SECONDS, limits
from edge_lstm_export.linux.program import stream_sources

HERE = Path(__file__).parent
VOWELS = HERE.parent / "examples" / "japanese_vowels" / "japanese_vowels.npz"


# The same bytes


@pytest.mark.parametrize("kind", [*TASKS, "late"])
@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("header", ["", HEADER])
def test_it_says_what_the_command_says(program_bundles, samples, kind, form, every_step, header):
    """Every kind of task, with its window and without, and a model that looks ahead, for people and for machines."""
    bundle, flags = program_bundles(kind), ["--format", form, *["--every-step"] * every_step]
    written = (header + text(samples)).replace(",", ";")  # a comma is a decimal sign in one of them
    said = program(built(bundle), *flags, written=written)
    assert said == command(bundle, *flags, written=written)
    assert (said.code, said.err, said.out.count(b"\n") > 10) == (0, "", True)


@pytest.mark.parametrize("kind", TASKS)
def test_whatever_the_lines_are_it_says_what_the_command_says(program_bundles, kind):
    """Holes, quotes, gaps, torn bytes, wrong flags: the same lines, counts, complaint and code."""
    bundle = program_bundles(kind)
    for seed in range(40):
        rng = random.Random(f"{kind} {seed}")
        written, flags = nasty_lines.lines(rng), nasty_lines.flags(rng)
        assert program(built(bundle), *flags, written=written) == command(bundle, *flags, written=written), (
            flags,
            written,
        )


def test_values_are_held_as_long_as_training_held_them(program_bundles):
    """Two steps in a row here: the third is left out, and the next good one is taken."""
    bundle, good = program_bundles("classify"), "1,-20,300\n"
    for holes in range(5):
        written = good + "NA,-20,300\n" * holes + good
        said = program(built(bundle), "--every-step", written=written)
        assert said == command(bundle, "--every-step", written=written)
        assert said.out.count(b"\n") == 2 + min(holes, 2)
    assert said.err == "stream: 4 samples taken; 2 missing values held, 2 samples skipped for a missing value\n"


def named_model(labels, channels):
    model = float_model(features=len(channels), units=(9,), outputs=len(labels), seed=4)
    return model.with_interface(channels=channels, task=Task("tag", labels), rate_hz=None)


def program_of(model, folder, facts=None, name="own"):
    """The program of a float model, its integers, and a stream of them in the reference."""
    integers = quantise_native(model, calibrated(model))
    path = folder / name
    path.write_bytes(stream_program(integers, facts or Facts(), name, b"a model file", "x86_64"))
    path.chmod(0o755)
    from edge_lstm.runtimes.reference import ReferenceRuntime

    return path, integers, Stream(LoadedModel(integers, ReferenceRuntime(integers, "native"), "native", "0"))


def lines_of(predictions, as_json):
    made = (json.dumps(p.to_json(), ensure_ascii=False) if as_json else p.to_text() for p in predictions)
    return "".join(f"{line}\n" for line in made).encode()


def test_names_of_any_language_are_written_as_they_are(tmp_path):
    """Quotes, backslashes, control characters, emoji, right-to-left; columns are found by such names, too."""
    labels = ('say "hi"', "back\\slash", "tab\tand\nline", "Größe", "円", "🙂", "שלום", "\x7f\x01", "a" * 300, "??/")
    channels = ("Größe [µm]", "x;y", 'the "z"', "\u200bzero", "-1")
    path, _, stream = program_of(named_model(labels, channels), tmp_path)
    rows = np.random.default_rng(0).normal(0, 5, (40, 5))
    predictions = stream.push_many(rows)
    header = ",".join('"' + name.replace('"', '""') + '"' for name in channels) + "\n"
    for as_json in (False, True):
        flags = ["--json"] * as_json
        assert program(path, *flags, written=header + text(rows)).out == lines_of(predictions, as_json)


def test_real_recordings_give_the_same_lines(tmp_path):
    """Two thousand frames of Japanese vowels, twelve channels, nine speakers."""
    with np.load(VOWELS) as arrays:
        series = next(arrays[name] for name in arrays.files if arrays[name].ndim >= 2)
    rows = np.asarray(series, np.float64).reshape(-1, series.shape[-1])
    rows = rows[np.isfinite(rows).all(axis=1)][:2000]
    assert rows.shape == (2000, 12)
    model = float_model(features=12, units=(20, 16), outputs=9, seed=3, kind="classify", window=20)
    model = model.with_interface(scaling=Scaling(rows.mean(axis=0), rows.std(axis=0)))
    path, _, stream = program_of(model, tmp_path)
    predictions = stream.push_many(rows)
    assert len(predictions) == 100
    assert len({p.label for p in predictions}) > 1
    for as_json in (False, True):
        assert program(path, *["--json"] * as_json, written=text(rows)).out == lines_of(predictions, as_json)


# Numbers


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """Lines for ``c/stream_words.c`` → the lines it gives, compiled for this computer and for a 32-bit Arm."""
    folder = tmp_path_factory.mktemp("words")
    model = float_model(features=3, units=(6,), outputs=300)
    sources = stream_sources(quantise_native(model, calibrated(model)), Facts(), "words", b"", "armv6l")
    taken = {name: content for name, content in sources.items() if name != "main.c"}
    taken["words.c"] = (HERE / "c" / "stream_words.c").read_bytes()
    flags = ["-std=c99", "-D_GNU_SOURCE", "-fno-sanitize=all", "-ffp-contract=off", "-static"]
    runs = []
    for arch, under in (("x86_64", ()), ("armv6l", ("qemu-arm", "-cpu", "arm1176"))):
        path = folder / arch
        path.write_bytes(toolchain.compiled("zig", arch, taken, [*flags, *ARCHITECTURES[arch].flags]))
        path.chmod(0o755)
        runs.append([*under, str(path)])

    def say(lines):
        written = "".join(f"{line}\n" for line in lines)
        said = [subprocess.run(run, input=written, capture_output=True, text=True, check=True).stdout for run in runs]
        assert said[0] == said[1]
        return said[0].splitlines()

    return say


def doubles(count=4000):
    """Of every magnitude, on every edge."""
    rng = random.Random(1)
    edges = [
        0.0,
        -0.0,
        5e-324,
        2.2e-308,
        1e-310,
        1.7976931348623157e308,
        9999999995.0,
        0.1,
        1 / 3,
        1e16,
        1e15,
        123456789.5,
    ]
    edges += [k * 2.0**-n for n in (7, 8, 9, 20) for k in range(1, 64)] + [float(10**k) for k in range(-20, 23)]
    edges += [k / 1e6 + 0.5e-6 for k in range(0, 1000, 7)] + [1 - k * 5e-7 for k in range(40)]
    spread = [rng.uniform(-1, 1) * 10.0 ** rng.randrange(-320, 308) for _ in range(count)]
    return [*edges, *spread, *(rng.random() for _ in range(count)), *(rng.gauss(0, 1000) for _ in range(count))]


def test_numbers_are_written_as_python_writes_them(words):
    """Fields of JSON lines and of text, of thousands of doubles."""
    values = doubles()
    for value, said in zip(values, words(f"D{value.hex()}" for value in values), strict=True):
        json_value = Told(0, values={"y": value}).to_json()["values"]["y"]
        probable = (
            repr(Told(0, probability=value).to_json()["probability"])
            if math.copysign(1, value) > 0 and value <= 1
            else ""
        )
        assert said == f"{json_value!r} {probable} {value:.3f} {value:.6g}"


def test_numbers_are_read_as_python_reads_them(words):
    """Correctly rounded, whatever their length; and what is no number to Python is none."""
    rng = random.Random(2)
    cells = [c for c in nasty_lines.CELLS if c == c.strip() and "\0" not in c and "_" not in c and "\r" not in c]
    cells += [repr(v) for v in doubles(500)] + [f"{v:.25e}" for v in doubles(200)]
    cells += ["".join(rng.choice("0123456789") for _ in range(40)) + f"e{rng.randrange(-340, 290)}" for _ in range(500)]
    cells += ["".join(rng.choice("0123456789.eE+-") for _ in range(rng.randrange(1, 8))) for _ in range(3000)]
    for cell, said in zip(cells, words(f"N{cell}" for cell in cells), strict=True):
        try:
            expected = float(cell)
        except ValueError:
            assert said == "none", cell
            continue
        found = float.fromhex(said)
        assert (found, math.copysign(1, found)) == (expected, math.copysign(1, expected)) or math.isnan(expected), cell


def test_sums_have_the_bits_of_fsum(words):
    """Of one value to hundreds, small and large."""
    rng = random.Random(3)
    rows = [[math.exp(-rng.expovariate(1 / rng.choice([1, 30, 300]))) for _ in range(n)] for n in range(1, 300)]
    rows += [[rng.gauss(0, 1) * 10.0 ** rng.randrange(-20, 20) for _ in range(n)] for n in range(1, 300, 3)]
    # Half a unit exactly, and a little below or above it.
    rows += [[1.0, 2.0**-53, s * 2.0**-k] for k in (60, 100, 1000) for s in (1, -1)] + [
        [1.0, 2.0**-53],
        [1.0, 3 * 2.0**-53],
    ]
    exact = words("S" + " ".join(v.hex() for v in row) for row in rows)
    assert [float.fromhex(said) for said in exact] == [math.fsum(row) for row in rows]


def hexadecimal(value):
    """As C writes a double with %a."""
    mantissa, exponent = value.hex().split("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{exponent}" if "." in mantissa else value.hex()


def test_times_are_read_as_the_data_readers_read_them(words):
    """ISO 8601 with its separators, fractions and zones, and days that do not exist; weeks alone are refused."""
    rng, cells = (
        random.Random(5),
        ["2024-W01-1", "2024-02-30", "1900-02-29", "2000-02-29", "0001-01-01", "9999-12-31T23"],
    )
    for _ in range(3000):
        date = f"{rng.choice([2024, 1999, 1970, 2100])}-{rng.randrange(0, 14):02d}-{rng.randrange(0, 33):02d}"
        clock = f"{rng.randrange(25):02d}:{rng.randrange(61):02d}:{rng.randrange(61):02d}"[: rng.choice([2, 5, 8, 8])]
        fraction = rng.choice(["", ".5", ",25", ".123456", ".123456789"]) if len(clock) == 8 else ""
        zone = rng.choice(["", "Z", "+01:00", "-05:30", "+0130", "+01", "+01:00:30", "z", "+25:00", " +01:00"])
        # A blank before a zone is what `date` writes; behind a fraction, Python's own answer hangs on its digits.
        zone = zone.strip() if fraction else zone
        moment = f"{date}{rng.choice('T ·')}{clock}"
        compact = rng.random() < 0.2
        cells.append((moment.replace("-", "").replace(":", "") if compact else moment) + fraction + zone)
    for cell, said in zip(cells, words(f"T{cell}" for cell in cells), strict=True):
        try:
            expected = time_parser(cell, None, "ms")(cell)
        except ValueError:
            assert said == "none", cell
            continue
        assert said == ("none" if "W" in cell else hexadecimal(expected)), cell
    assert words(["T1500", "T-0.25"]) == [hexadecimal(1.5), hexadecimal(-0.25 * 1e-3)]
    assert datetime.fromisoformat("2024-W01-1")


def test_constants_are_those_of_the_stream(program_bundles):
    """Limits of the codes and units of time are worked out once more for the program; they are the same doubles."""
    assert SECONDS == UNITS
    for kind in TASKS:
        model = LoadedModel.open(program_bundles(kind), "reference", "native")
        found = limits(native(program_bundles(kind))[0])
        assert [f.tolist() for f in found] == [f.tolist() for f in model.limits]


# Every architecture


def test_every_architecture_has_its_row_and_its_emulator():
    """An architecture added to the table is a claim added here."""
    assert {arch for arch, _ in EMULATED.values()} | {"x86_64"} == set(ARCHITECTURES)
    with pytest.raises(ExportError, match="architecture 'vax' is not known; choose from x86_64, aarch64"):
        stream_program(None, Facts(), "x", b"", "vax")


@pytest.mark.parametrize("processor", EMULATED)
@pytest.mark.parametrize("kind", ["classify", "anomaly"])
def test_the_same_bytes_on_every_processor(program_bundles, samples, processor, kind):
    """Least processors of each architecture, and one that has more; the file of a state serves them all."""
    arch, under = EMULATED[processor]
    bundle = program_bundles(kind)
    rows = text(np.where(np.random.default_rng(2).random(samples.shape) < 0.1, -200.0, samples))
    path = built(bundle, arch)
    assert program(path, "--self-test", under=under) == program(built(bundle), "--self-test")
    for flags in (["--json", "--every-step"], ["--reset", "every 9"]):
        assert program(path, *flags, written=rows, under=under) == command(bundle, *flags, written=rows)
    assert json.loads(program(path, "--describe", under=under).out)["arch"] == arch


def test_a_state_moves_between_processors(program_bundles, samples, tmp_path):
    """Written on one, taken up on the next."""
    bundle, expected = program_bundles("anomaly"), command(program_bundles("anomaly"), written=text(samples)).out
    heard, places = b"", [("x86_64", ()), *EMULATED.values()]
    for part, (arch, under) in zip(np.array_split(samples, len(places)), places, strict=True):
        heard += program(built(bundle, arch), "--state", tmp_path / "s", written=text(part), under=under).out
    assert heard == expected


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_it_is_static_small_and_says_nothing_of_where_it_was_made(program_bundles, arch):
    """No loader, no build id, no path; half a megabyte at most."""
    content = built(program_bundles("classify"), arch).read_bytes()
    model, facts, file = native(program_bundles("classify"))
    assert stream_program(model, facts, "classify", file, arch) == content
    assert len(content) < 500_000
    for trace in (b"ld-musl", b"GNU\0", str(Path.home()).encode() + b"/", b"/tmp/", str(HERE.parent).encode(), b".zig"):
        assert trace not in content


# Clean


def test_sanitizers_find_nothing(program_bundles, tmp_path):
    """Ruined lines and frames, states and all, under the address and undefined-behaviour sanitizers."""
    assert shutil.which("gcc"), "apt install build-essential"
    rng = random.Random(7)
    bundle = program_bundles("anomaly")
    folder = sources_in(bundle, tmp_path / "source")
    flags = ["-std=c99", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"]
    checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    units = sorted(path.name for path in folder.glob("*.c"))
    subprocess.run(["gcc", *flags, *checks, "-o", "checked", *units, "-lm"], cwd=folder, check=True)
    for _ in range(40):
        written, asked = nasty_lines.lines(rng), nasty_lines.flags(rng)
        said = program(folder / "checked", *asked, written=written)
        assert said == command(bundle, *asked, written=written), (asked, written)
    for _ in range(10):
        asked = ["--malformed", "skip", "--state", tmp_path / "s", "--format", "binary", "--missing", "hold"]
        said = program(folder / "checked", *asked, "--input", "binary", written=rng.randbytes(rng.randrange(600)))
        assert said.code == 0, said.err


# What it is asked besides


def test_it_tests_itself(program_bundles, tmp_path):
    """Equal steps are one line; a program that computes other bytes says so and ends with 1."""
    bundle = program_bundles("tag")
    said = program(built(bundle), "--self-test")
    assert (said.code, said.out, said.err) == (0, b"self-test: 16 steps equal\n", "")
    model, _, file = native(bundle)
    vectors = self_test_vectors(Firmware("tag", model, "native", file, None)).decode()
    outputs = vectors.split("el_test_outputs")[1].split("{")[1].split("}")[0]
    expected = np.array([int(word) for word in outputs.replace(",", " ").split()], "<i2").tobytes()
    content = built(bundle).read_bytes()
    assert content.count(expected) == 1
    broken = tmp_path / "broken"
    broken.write_bytes(content.replace(expected, expected[:-1] + bytes([expected[-1] ^ 1])))
    broken.chmod(0o755)
    said = program(broken, "--self-test")
    assert (said.code, said.out, said.err.count("\n")) == (1, b"", 1)
    assert said.err.startswith("error: self-test: ")


def test_it_says_what_it_is(program_bundles):
    """One JSON object, and the version of what wrote it."""
    bundle = program_bundles("classify")
    opened = Bundle.open(bundle)
    assert json.loads(program(built(bundle), "--describe").out) == {
        "name": "classify",
        "arithmetic": "native",
        "model": opened.digest("integer/native.safetensors"),
        "arch": "x86_64",
        "channels": ["ax", "ay", "az"],
        "outputs": ["circle", "rest", "shake"],
        "task": "classify",
        "window": 5,
        "rate_hz": 50.0,
    }
    assert program(built(bundle), "--version").out.decode() == f"edge-lstm-stream {version('edge-lstm')}\n"
    shown = program(built(bundle), "--help").out.decode()
    assert max(map(len, shown.splitlines())) <= 120
    assert shown.count("\n") <= 33
    assert all(flag in shown for flag in ("--from", "--state-every", "--self-test", "143"))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--colour"], "'--colour' is not known; --help lists what is"),
        (["bundle"], "'bundle' is not known; --help lists what is"),
        (["--json=1"], "'--json' is not known"),
        (["--from"], "--from: its value is missing; --help says what it takes"),
        (["--backend", "c"], "--backend is not taken: this program is one back end; leave it out, or take edge-lstm"),
        (["--queue=9"], "--queue is not taken: the kernel's buffers are the only queue here"),
        (["--target", "x"], "--target is not taken"),
        (["--require-signature", "k"], "--require-signature is not taken"),
        (["--from", "mqtt://host/x"], "mqtt://host/x: mqtt: is not in this program; take edge-lstm stream for it"),
        (["--from", "iio:/sys/x"], "iio:/sys/x: iio: is not in this program"),
        (["--to", "udp://h:1"], "'udp://h:1': 'udp' is no kind of address; choose from -, file:, tcp:"),
        (["--from", "serial:socket://h:1"], "is a port of pyserial's own, which edge-lstm stream opens"),
        (["--from", "serial:/dev/null?baud=12345"], "12345 baud is no speed that Linux names; give one such as 9600"),
        (
            ["--from", "serial:/dev/x", "--input", "binary"],
            "a serial port may be opened in the middle of one; send text, or frames",
        ),
        (["--format", "xml"], "format 'xml' is not known; choose from text, json, binary"),
        (["--input", "xml"], "input 'xml' is not known; choose from text, binary, framed"),
        (["--input", "binary", "--reset", "gap > 5"], "needs times, and samples of bytes have none"),
        (["--range-factor", "wide"], "--range-factor: 'wide' is not a number; give 1 or more"),
    ],
)
def test_what_it_has_not_is_refused_by_name(program_bundles, flags, message):
    """One line, exit code 2; nothing is ignored."""
    said = program(built(program_bundles("tag")), *flags)
    assert (said.code, said.out, said.err.count("\n")) == (2, b"", 1)
    assert message in said.err


REFUSALS = (
    *(("--missing", "guess"), ("--range", "wide"), ("--range-factor", "0.5"), ("--range-factor", "nan")),
    *(("--malformed", "eat"), ("--reset", "gap < 5"), ("--reset", "every 0"), ("--reset", "every 1.5")),
    *(("--state-every", "often"), ("--state-every", "0s"), ("--state-every", "1.5"), ("--from", "samples.csv")),
    *(("--from", "tcp://nowhere"), ("--from", "tcp://h:99999"), ("--from", "tcp://h:x"), ("--from", "tcp://:5")),
    *(("--from", "udp://:9?rate=3"), ("--from", "serial:/dev/x?baud=0"), ("--from", "file:"), ("--from", "serial:")),
)


@pytest.mark.parametrize("flags", REFUSALS, ids=" ".join)
def test_a_mistyped_ask_is_refused_in_the_command_s_words(program_bundles, flags):
    """The message and the code are the same but for the kinds of addresses that each has."""
    said, expected = program(built(program_bundles("tag")), *flags), command(program_bundles("tag"), *flags)
    assert (said.code, said.out) == (expected.code, expected.out) == (2, b"")
    assert said.err.partition("; choose from")[0].rstrip() == expected.err.partition("; choose from")[0].rstrip()


def test_a_format_of_times_that_it_cannot_read_is_refused_where_it_matters(tmp_path):
    """A name of a month needs a locale; without gaps nobody looks at times."""
    model = named_model(("a", "b"), ("x", "y"))
    path, _, _ = program_of(model, tmp_path, Facts(timestamp=("when",), time_format="%d %b %Y"))
    said = program(path, "--reset", "gap > 5", written="when,x,y\n1 Mar 2024,1,2\n")
    assert (said.code, said.out) == (2, b"")
    assert "format '%d %b %Y', which this program does not read; take edge-lstm stream" in said.err
    assert program(path, written="when,x,y\n1 Mar 2024,1,2\n").code == 0


def test_a_line_without_an_end_is_refused_not_swallowed(program_bundles):
    """What no buffer holds is one malformed line, and the next line is one again."""
    path, long = built(program_bundles("tag")), "1," * 100_000
    said = program(path, written=f"1,2,3\n{long}\n4,5,6\n")
    assert (said.code, said.out.count(b"\n")) == (2, 1)
    assert said.err == "error: line 2 (step 1): longer than 65536 bytes; check the line ends\n"
    said = program(path, "--malformed", "skip", written=f"1,2,3\n{long}\n4,5,6\n{long}")
    assert (said.code, said.out.count(b"\n")) == (0, 2)
    assert said.err.startswith("stream: 2 samples taken; 2 malformed lines skipped")


# Bytes in and bytes out


def frames(rows):
    return np.asarray(rows, "<f4").tobytes()


def test_frames_in_are_samples_in(program_bundles, samples):
    """float32 of every channel: the lines are those of the same numbers as text."""
    bundle, rows = program_bundles("classify"), np.asarray(samples, np.float32).astype(np.float64)
    holes = rows.copy()
    holes[4, 1], holes[9] = math.nan, -200.0
    said = program(built(bundle), "--every-step", "--input", "binary", written=frames(holes))
    assert said == command(bundle, "--every-step", written=text(holes))
    assert program(built(bundle), "--input=binary", "--missing", "refuse", written=frames(holes)).err == (
        "error: frame 5: step 4, channel ay: nan is not finite; repair it, or choose --missing hold or --missing skip\n"
    )
    cut = program(built(bundle), "--every-step", "--input", "binary", written=frames(rows[:2])[:-1])
    assert (cut.code, cut.out.count(b"\n")) == (2, 1)
    assert cut.err == "error: frame 2: is no sample: 11 of 12 bytes, or of another kind; send it whole\n"


@pytest.mark.parametrize("kind", ["classify", "forecast", "anomaly"])
def test_predictions_out_as_bytes(program_bundles, samples, kind):
    """Step, outputs, and of an anomaly model its score and whether it is one."""
    bundle = program_bundles(kind)
    made = [p for x in samples if (p := _push(kind, bundle, x)) is not None]
    more = "fI" if kind == "anomaly" else ""
    said = program(built(bundle), "--format", "binary", written=text(samples)).out
    records = list(struct.iter_unpack(f"<I3f{more}", said))
    assert [r[0] for r in records] == [p.step for p in made]
    outputs = [list((p.probabilities or p.values).values()) for p in made]
    assert [list(r[1:4]) for r in records] == np.asarray(outputs, np.float32).tolist()
    if more:
        assert math.isnan(records[0][4])
        assert [r[4] for r in records[1:]] == [np.float32(p.score) for p in made[1:]]
        assert [bool(r[5]) for r in records[1:]] == [p.anomaly for p in made[1:]]


_STREAMS: dict[Path, Stream] = {}


def _push(kind, bundle, sample):
    return _STREAMS.setdefault(bundle, Stream(bundle, "reference")).push(sample)


# Small and quick


def peak_kilobytes(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def test_it_is_small_and_starts_at_once(program_bundles, tmp_path):
    """A prediction within 20 ms of the start, 2 MB at most, and no more after half a million steps than after a few."""
    path, pipe = built(program_bundles("classify")), subprocess.PIPE
    times = []
    for _ in range(10):
        begin = time.perf_counter()
        with subprocess.Popen([path, "--every-step"], stdin=pipe, stdout=pipe) as process:
            process.stdin.write(b"1,2,3\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(b"step 0 ")
            times.append(time.perf_counter() - begin)
    assert min(times) < 0.02
    rows = tmp_path / "rows"
    rows.write_bytes(os.urandom(100_000 * 12))
    flags = ["--input", "binary", "--missing", "hold", "--format", "json", "--state", tmp_path / "s"]
    with subprocess.Popen([path, *flags], stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe) as process:
        peaks = []
        for _ in range(5):
            process.stdin.write(rows.read_bytes())
            process.stdin.flush()
            time.sleep(0.1)
            peaks.append(peak_kilobytes(process))
        process.communicate()
    assert max(peaks) < 2048
    assert peaks[-1] == peaks[0]


def test_a_missing_compiler_is_named(program_bundles, monkeypatch):
    """What to install, and what for."""
    row = toolchain.TOOLCHAINS["zig"]
    monkeypatch.setattr(toolchain, "TOOLCHAINS", {"zig": toolchain.Toolchain(lambda: None, row.install)})
    model, facts, file = native(program_bundles("tag"))
    with pytest.raises(
        MissingDependencyError, match="zig is not installed, it compiles for Linux on armv6l; pip install"
    ):
        stream_program(model, facts, "tag", file, "armv6l")
