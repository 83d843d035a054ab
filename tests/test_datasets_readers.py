"""The readers give the recordings that the files hold."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lstm.datasets import DataSpec, FrontEnd, read_dataset
from edge_lstm.errors import DataError, MissingDependencyError

FLOATS = st.floats(-1e6, 1e6, width=32)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def numbers(rows: int, start: float = 0.0, step_ms: int = 10) -> str:
    """A table of ``rows`` rows at 1000 / step_ms Hz."""
    return "timestamp,ax,ay\n" + "".join(f"{i * step_ms},{start + i},{start - i}\n" for i in range(rows))


def test_class_folders_are_labels_and_part_folders_are_the_split(tmp_path: Path):
    """training/ and testing/ on top are parts, the folders below are classes, the files recordings."""
    for part, label, take in (("training", "walk", 1), ("training", "run", 2), ("testing", "walk", 10)):
        write(tmp_path / part / label / f"take{take}.csv", numbers(5, take))
    dataset = read_dataset(tmp_path)
    found = {(r.name, r.label, r.split) for r in dataset.recordings}
    assert found == {
        ("training/walk/take1.csv", "walk", "train"),
        ("training/run/take2.csv", "run", "train"),
        ("testing/walk/take10.csv", "walk", "test"),
    }
    assert dataset.channels == ("ax", "ay")
    assert dataset.rate_hz == pytest.approx(100)


def test_files_are_read_in_natural_order(tmp_path: Path):
    """take2 comes before take10, so that a listing reads as a person would."""
    for take in (10, 2, 1):
        write(tmp_path / f"take{take}.csv", numbers(3, take))
    assert [r.name for r in read_dataset(tmp_path).recordings] == ["take1.csv", "take2.csv", "take10.csv"]


def test_patterns_take_label_and_group_from_the_file_name(tmp_path: Path):
    """Names such as walk.anna.3.csv carry both."""
    write(tmp_path / "walk.anna.3.csv", numbers(3))
    write(tmp_path / "run.ben.1.csv", numbers(3, 5))
    spec = DataSpec(label_pattern=r"^(\w+)\.", group_pattern=r"\.(\w+)\.")
    assert [(r.label, r.group) for r in read_dataset(tmp_path, spec).recordings] == [("run", "ben"), ("walk", "anna")]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_found(tmp_path: Path, separator: str):
    """Comma, semicolon, tab and bar are told by the header."""
    path = write(tmp_path / "a.csv", "a,b,c\n1,2,3\n4,5,6\n".replace(",", separator))
    assert read_dataset(path).recordings[0].series.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_decimal_commas_are_read_when_asked(tmp_path: Path):
    """2,5 is two and a half in many countries' tables."""
    path = write(tmp_path / "a.csv", "a;b\n2,5;-1,25\n")
    assert read_dataset(path, DataSpec(decimal=",")).recordings[0].series.tolist() == [[2.5, -1.25]]


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_do_no_harm(tmp_path: Path):
    """What spreadsheets write is read."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n3,4\r\n\r\n")
    dataset = read_dataset(path)
    assert dataset.channels == ("a", "b")
    assert dataset.recordings[0].series.tolist() == [[1, 2], [3, 4]]


def test_a_blank_line_inside_a_single_column_is_a_missing_value(tmp_path: Path):
    """Leaving it out would shift time in silence; blank lines at the end are nothing."""
    path = write(tmp_path / "a.csv", "x\n1\n\n3\n\n\n")
    with pytest.raises(DataError, match=r"a.csv:3: the value in column 'x' is missing"):
        read_dataset(path)
    assert read_dataset(path, DataSpec(missing="hold")).recordings[0].series.ravel().tolist() == [1, 1, 3]


def test_a_table_is_parted_by_its_group_column(tmp_path: Path):
    """Consecutive rows of one group are a recording; the group and a constant label go with it."""
    path = write(tmp_path / "t.csv", "user,class,x\na,walk,1\na,walk,2\nb,run,3\nb,run,4\n")
    dataset = read_dataset(path, DataSpec(group="user", label="class"))
    assert [(r.name, r.group, r.label, r.steps) for r in dataset.recordings] == [
        ("t.csv:a", "a", "walk", 2),
        ("t.csv:b", "b", "run", 2),
    ]
    assert all(r.targets is None for r in dataset.recordings)


def test_a_label_that_changes_is_kept_step_by_step(tmp_path: Path):
    """Empty cells are steps without a label; the recording then has no single one."""
    path = write(tmp_path / "t.csv", "class,x\nwalk,1\n,2\nrun,3\n")
    (recording,) = read_dataset(path, DataSpec(label="class")).recordings
    assert recording.label is None
    assert recording.step_labels is not None
    assert recording.step_labels.tolist() == ["walk", "", "run"]


def test_a_missing_target_stays_missing_even_where_inputs_are_filled(tmp_path: Path):
    """A filled target would be an invented truth."""
    path = write(tmp_path / "t.csv", "y,x\n1,1\n,2\n-200,-200\n4,4\n")
    spec = DataSpec(target=("y",), missing="hold", missing_value=-200)
    (recording,) = read_dataset(path, spec).recordings
    assert recording.series[:, 0].tolist() == [1, 2, 2, 4]
    assert np.isnan(recording.targets).ravel().tolist() == [False, True, True, False]


def test_hold_repeats_the_last_value_and_trims_what_leads(tmp_path: Path):
    """A channel without a first value cannot be held; the steps before it are left out and that is said."""
    path = write(tmp_path / "t.csv", "x,y\n1,\n2,20\n,\n4,40\n5,\n")
    dataset = read_dataset(path, DataSpec(missing="hold"))
    assert dataset.recordings[0].series.tolist() == [[2, 20], [2, 20], [4, 40], [5, 40]]
    assert dataset.notes == (
        "t.csv: 3 missing values filled by hold",
        "t.csv: cut into 1 continuous recordings, 1 of 5 rows left out",
    )


def test_what_leads_is_trimmed_however_long_it_is(tmp_path: Path):
    """max_gap limits what is filled, and nothing is filled before the first value."""
    path = write(tmp_path / "t.csv", "x,y\n1,\n2,\n3,\n4,40\n5,50\n")
    dataset = read_dataset(path, DataSpec(missing="hold", max_gap=1))
    assert dataset.recordings[0].series.tolist() == [[4, 40], [5, 50]]


def test_a_value_before_the_trimmed_start_is_still_held():
    """x is missing where y begins; what it had before is the value a device would hold."""
    text = "x,y\n7,\n,20\n9,30\n"
    from edge_lstm.datasets.columns import Columns
    from edge_lstm.datasets.continuity import Rows, continuous

    rows = list(csv.reader(io.StringIO(text)))[1:]
    columns = Columns(Path("t.csv"), dict(zip("xy", zip(*rows, strict=True), strict=True)), (2, 3, 4))
    spec = DataSpec(missing="hold")
    values = np.stack([columns.numbers(name, spec) for name in "xy"], axis=1)
    (piece,) = continuous(Rows("t.csv", (2, 3, 4), ("x", "y"), values), spec)
    assert piece.series.tolist() == [[7, 20], [9, 30]]


def test_interpolation_stays_between_known_values(tmp_path: Path):
    """A gap is a straight line; the ends are trimmed, never extrapolated."""
    path = write(tmp_path / "t.csv", "x\n\n".replace("\n\n", "\n") + "1\nnan\nnan\n4\nnan\n")
    dataset = read_dataset(path, DataSpec(missing="interpolate"))
    assert dataset.recordings[0].series.ravel().tolist() == [1, 2, 3, 4]


def test_a_long_gap_cuts_the_recording_when_asked(tmp_path: Path):
    """Nothing longer than max_gap is filled; both sides become recordings named by their lines."""
    path = write(tmp_path / "t.csv", "x\n1\n2\n?\n?\n5\n?\n7\n")
    dataset = read_dataset(path, DataSpec(missing="hold", max_gap=1, gaps="cut"))
    assert [(r.name, r.series.ravel().tolist()) for r in dataset.recordings] == [
        ("t.csv[2-3]", [1, 2]),
        ("t.csv[6-8]", [5, 5, 7]),
    ]


def test_absent_rows_are_filled_up_to_the_limit_and_cut_beyond(tmp_path: Path):
    """A row absent by its time is a missing step like any other."""
    path = write(tmp_path / "t.csv", "timestamp,x\n0,1\n10,2\n30,4\n40,5\n100,11\n110,12\n")
    dataset = read_dataset(path, DataSpec(missing="interpolate", max_gap=2, gaps="cut"))
    assert [r.series.ravel().tolist() for r in dataset.recordings] == [[1, 2, 3, 4, 5], [11, 12]]
    assert all(r.rate_hz == pytest.approx(100) for r in dataset.recordings)


def test_a_filled_row_bears_no_label(tmp_path: Path):
    """The sample may be guessed, the label never."""
    path = write(tmp_path / "t.csv", "timestamp,class,x\n0,a,1\n10,a,2\n30,b,4\n40,b,5\n")
    (recording,) = read_dataset(path, DataSpec(missing="hold", label="class")).recordings
    assert recording.step_labels is not None
    assert recording.step_labels.tolist() == ["a", "a", "", "b", "b"]


@pytest.mark.parametrize(
    ("cells", "settings", "rate"),
    [
        (["0", "20", "40", "60"], {}, 50.0),
        (["0", "0.5", "1.0"], {"time_unit": "s"}, 2.0),
        (["0", "8", "17", "25", "34", "42", "50"], {}, 120.0),  # 8.33 ms rounded to whole ones
        (["2024-05-01 10:00:00", "2024-05-01 10:05:00"], {}, 1 / 300),
        (["2024-05-01T10:00:00Z", "2024-05-01T10:00:01.500Z"], {}, 1 / 1.5),
        (["31/12/2023 23:00", "01/01/2024 00:00"], {"time_format": "%d/%m/%Y %H:%M"}, 1 / 3600),
    ],
)
def test_the_rate_is_read_from_the_times(tmp_path: Path, cells: list[str], settings: dict[str, str], rate: float):
    """Numbers in a unit, ISO 8601 and stated formats; rounding to a millisecond does not bend the rate."""
    path = write(tmp_path / "t.csv", "timestamp,x\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells)))
    dataset = read_dataset(path, DataSpec(**settings))  # type: ignore[arg-type]
    assert dataset.rate_hz == pytest.approx(rate, rel=0.001)  # 50 ms over 6 rounded periods
    assert dataset.channels == ("x",)


def test_date_and_time_columns_are_joined(tmp_path: Path):
    """Several time columns are one time, and none of them is a channel."""
    path = write(tmp_path / "t.csv", "Date,Time,x\n1/2/2024,23:00,1\n2/2/2024,00:00,2\n")
    dataset = read_dataset(path, DataSpec(timestamp=("Date", "Time"), time_format="%d/%m/%Y %H:%M"))
    assert dataset.rate_hz == pytest.approx(1 / 3600)
    assert dataset.channels == ("x",)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=1, max_size=12), st.sampled_from(",;\t|"))
def test_a_written_table_is_read_back_exactly(tmp_path_factory: pytest.TempPathFactory, rows, separator):
    """Every float32 survives its shortest decimal text."""
    path = tmp_path_factory.mktemp("table") / "t.csv"
    write(path, "\n".join(separator.join(map(str, row)) for row in [("a", "b"), *rows]) + "\n")
    assert np.array_equal(read_dataset(path).recordings[0].series, np.array(rows, np.float32))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_an_archive_is_read_back_exactly(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    """Lengths, labels, groups and parts come back; the padding does not."""
    count, steps, width = (data.draw(st.integers(1, 4)) for _ in range(3))
    x = np.arange(count * steps * width, dtype=np.float32).reshape(count, steps, width)
    lengths = np.array(data.draw(st.lists(st.integers(1, steps), min_size=count, max_size=count)))
    y = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=count, max_size=count)))
    path = tmp_path_factory.mktemp("archive") / "a.npz"
    names = np.array(["r", "g", "b"])
    np.savez(path, x=x, y=y, lengths=lengths, labels=names, group=names[y], split=np.array(["test"] * count))
    dataset = read_dataset(path)
    for i, recording in enumerate(dataset.recordings):
        assert np.array_equal(recording.series, x[i, : lengths[i]])
        assert recording.label == (None if y[i] < 0 else names[y[i]])
        assert (recording.group, recording.split) == (names[y[i]], "test")


def test_an_archive_may_hold_labels_or_numbers_a_step(tmp_path: Path):
    """(N, T) integers are labels a step, (N, T, K) floats numbers a step, (N,) floats one at the end."""
    x = np.zeros((2, 3, 1), np.float32)
    lengths = np.array([3, 2])
    np.savez(tmp_path / "tag.npz", x=x, y=np.array([[0, 1, -1], [1, 1, 0]]), lengths=lengths)
    np.savez(tmp_path / "step.npz", x=x, y=np.arange(12.0).reshape(2, 3, 2), targets=np.array(["u", "v"]))
    np.savez(tmp_path / "end.npz", x=x, y=np.array([7.0, 8.0]), lengths=lengths)
    tag, step, end = (read_dataset(tmp_path / f"{name}.npz") for name in ("tag", "step", "end"))
    assert [r.step_labels.tolist() for r in tag.recordings if r.step_labels is not None] == [["0", "1", ""], ["1", "1"]]
    assert step.target_names == ("u", "v")
    assert step.recordings[1].targets.tolist() == [[6, 7], [8, 9], [10, 11]]  # type: ignore[union-attr]
    last = [r.targets.ravel().tolist() for r in end.recordings if r.targets is not None]
    assert [row[-1] for row in last] == [7, 8]
    assert all(np.isnan(row[:-1]).all() for row in last)


def test_features_choose_and_order_the_channels_of_an_archive(tmp_path: Path):
    """Channels are called by name."""
    np.savez(tmp_path / "a.npz", x=np.arange(6.0).reshape(1, 2, 3), channels=np.array(["a", "b", "c"]))
    dataset = read_dataset(tmp_path / "a.npz", DataSpec(features=("c", "a")))
    assert dataset.channels == ("c", "a")
    assert dataset.recordings[0].series.tolist() == [[2, 0], [5, 3]]
    with pytest.raises(DataError, match=r"channel 'd' is not in the file; choose from a, b, c"):
        read_dataset(tmp_path / "a.npz", DataSpec(features=("d",)))


def test_hidden_files_and_folders_are_not_data(tmp_path: Path):
    """What an editor or a version control system leaves behind does no harm."""
    write(tmp_path / "walk" / "1.csv", numbers(3))
    write(tmp_path / "walk" / ".1.csv.swp.csv", "rubbish")
    write(tmp_path / ".git" / "objects" / "clip.wav", "rubbish")
    assert [r.name for r in read_dataset(tmp_path).recordings] == ["walk/1.csv"]


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_every_sample_format_of_a_wav_is_the_same_clip(tmp_path: Path, subtype: str):
    """16-bit, 24-bit and float files of one tone give the same frames."""
    import soundfile

    tone = np.round(8000 * np.sin(np.arange(4000) * 0.2)) / 32768
    (tmp_path / "tone").mkdir()
    soundfile.write(tmp_path / "tone" / "1.wav", tone, 8000, subtype=subtype)
    frames = read_dataset(tmp_path).recordings[0].series
    assert np.array_equal(frames, FrontEnd(sample_rate_hz=8000).apply(tone))


@pytest.mark.parametrize("module", ["soundfile", "kaldi_native_fbank"])
def test_without_the_audio_extra_the_message_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str):
    """An import that fails becomes the command that cures it."""
    import soundfile

    (tmp_path / "tone").mkdir()
    soundfile.write(tmp_path / "tone" / "1.wav", np.zeros(4000), 8000)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'edge-lstm\[audio\]'"):
        read_dataset(tmp_path)


def test_a_wav_that_was_cut_off_is_refused(tmp_path: Path):
    """Its header says how long it should be; an unknown length, as pipes leave it, is taken as it is."""
    import soundfile

    (tmp_path / "tone").mkdir()
    file = tmp_path / "tone" / "1.wav"
    soundfile.write(file, np.sin(np.arange(4000)), 8000, subtype="PCM_16")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1000])
    with pytest.raises(DataError, match=rf"has {len(whole) - 1000} B, its header says {len(whole)} B; it was cut off"):
        read_dataset(tmp_path, DataSpec())
    file.write_bytes(whole[:4] + b"\xff" * 4 + whole[8:])
    assert len(read_dataset(tmp_path, DataSpec()).recordings) == 1


def test_wav_clips_become_frames_with_the_front_end_kept(tmp_path: Path):
    """The data set carries what a model must keep to make the same frames."""
    import soundfile

    tone = (8000 * np.sin(np.arange(4000) * 0.2)).astype(np.int16)
    for label, clip in (("low", tone), ("high", tone[::-1])):
        (tmp_path / label).mkdir()
        soundfile.write(tmp_path / label / "1.wav", clip, 8000)
    front_end = FrontEnd(sample_rate_hz=8000, hop_ms=20, bins=16)
    dataset = read_dataset(tmp_path, DataSpec(front_end=front_end))
    assert {r.label for r in dataset.recordings} == {"low", "high"}
    assert dataset.rate_hz == 50
    assert dataset.channels[:2] == ("mel0", "mel1")
    assert dataset.front_end is not None
    assert FrontEnd.from_table(dataset.front_end, "model") == front_end
    low = next(r for r in dataset.recordings if r.label == "low")
    assert np.array_equal(low.series, front_end.apply(tone))
