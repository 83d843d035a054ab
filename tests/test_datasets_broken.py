"""Every broken input is refused by one line that says what is wrong, where, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_lstm.datasets import DataSpec, FrontEnd, outputs_of, read_dataset
from edge_lstm.datasets.spec import TaskSpec
from edge_lstm.errors import DataError

BROKEN = Path(__file__).parent / "broken" / "data"

# (file or folder, how it is read, what the message must say)
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("empty.csv", {}, "empty.csv:1: the first line is empty; expected a header"),
    ("header_only.csv", {}, "header but no rows"),
    ("no_header.csv", {}, "no_header.csv:1: the first line holds only numbers (0.1, 0.2); put a header above it"),
    ("ragged_row.csv", {}, "ragged_row.csv:4: row has 2 cells, but the header names 3"),
    ("not_a_number.csv", {}, "not_a_number.csv:4: 'high' in column 'ay' is not a finite number"),
    ("underscore.csv", {}, "underscore.csv:3: '1_000' in column 'ax' is not a finite number"),
    ("infinite.csv", {}, "infinite.csv:3: 'inf' in column 'ax' is not a finite number"),
    ("too_large.csv", {}, "too_large.csv:3: '1e39' in column 'ax' is not a finite number"),
    ("empty_cell.csv", {}, "empty_cell.csv:3: the value in column 'ay' is missing (1 such values); set missing"),
    ("nan.csv", {}, "nan.csv:3: the value in column 'ax' is missing"),
    ("marked_missing.csv", {"missing_value": -200.0}, "marked_missing.csv:3: the value in column 'co' is missing"),
    ("twin_columns.csv", {}, "twin_columns.csv:1: column 'ax' appears twice"),
    ("unnamed_column.csv", {}, "unnamed_column.csv:1: column 1 has no name"),
    ("wrong_label_column.csv", {"label": "clas"}, "column 'clas' is not in the header; did you mean 'class'?"),
    ("wrong_feature.csv", {"features": ("accel_x", "accel_z")}, "column 'accel_z' is not in the header; did you mean"),
    ("missing_label.csv", {"label": "label", "recording": "user"}, "missing_label.csv:5: no row of recording"),
    ("labels_and_targets.csv", {"label": "label", "target": ("target",)}, "ask for one of them"),
    ("backward_time.csv", {}, "backward_time.csv:4: its time is not after that of the row before; sort the rows"),
    ("repeated_time.csv", {}, "repeated_time.csv:4: its time is not after that of the row before"),
    ("time_gap.csv", {}, "time_gap.csv:5: 4 rows are absent before it by the times (limit 0); set gaps"),
    ("time_gap.csv", {"missing": "hold", "max_gap": 3}, "4 rows are absent before it by the times (limit 3)"),
    ("not_a_time.csv", {}, "not_a_time.csv:3: 'yesterday' is not a time; expected"),
    ("wrong_rate.csv", {"rate_hz": 50.0}, "the times show 100 Hz, but rate_hz is 50; correct rate_hz or time_unit"),
    ("long_gap.csv", {"missing": "hold", "max_gap": 2}, "long_gap.csv:5: column 'ay' is missing for 3 steps"),
    ("never_a_value.csv", {"missing": "hold"}, "column 'ay' has no value at all; leave it out of the features"),
    ("latin1.csv", {}, "latin1.csv: byte 4 is not UTF-8 text; save the file as UTF-8"),
    ("open_quote.csv", {"label": "label"}, "repair the quotes of that line"),
    ("interleaved_groups.csv", {"group": "user"}, "interleaved_groups.csv:4: 'a' in column 'user' comes back"),
    ("returning_recording.csv", {"recording": "take"}, "returning_recording.csv:6: '1' in column 'take' comes back"),
    ("empty_group.csv", {"group": "user"}, "empty_group.csv:3: column 'user' is empty"),
    ("changing_group.csv", {"recording": "take", "group": "user"}, "changing_group.csv:3: column 'user' changes from"),
    ("unknown_split.csv", {"split": "split"}, "split 'trian' is not known; did you mean 'train'?"),
    ("only_roles.csv", {"label": "label"}, "none is left for a channel; name features"),
    ("unknown_suffix.xyz", {}, "its suffix '.xyz' tells no format; set format"),
    ("no_such_file.csv", {}, "there is no such file or folder; check the path"),
    ("header_only.csv", {"format": "wav"}, "format 'wav' is read from a folder, and this is a file"),
    ("empty_folder", {}, "the folder holds no .csv, .tsv or .wav file"),
    ("no_recordings", {"format": "csv-folder"}, "it holds no .csv or .tsv file; put one file a recording"),
    ("empty_class", {}, "run: the folder holds no recording; fill it or remove it"),
    ("stray_file", {}, "2.csv: it lies in no class folder, while others do (1 of 2 files); move it into one"),
    ("too_deep", {}, "it lies 2 folders deep (walk/slow); expected one folder a class"),
    ("half_split", {}, "2.csv: it lies in no split folder"),
    ("mixed_columns", {}, "walk/1.csv:1: its channels are ax, ay, those of the files before are ax, gx"),
    ("fewer_columns", {}, "2.csv:1: its channels are ax, those of the files before are ax, ay: they differ in 'ay'"),
    ("mixed_rates", {}, "walk/1.csv: rate is 100 Hz, but run/1.csv has 50 Hz; resample"),
    ("unmatched_name", {"label_pattern": r"^(\w+)\.\d"}, "odd.csv: its name does not match label_pattern"),
    ("wrong_rank.npz", {}, "x has shape (4, 3); expected (recordings, steps, channels)"),
    ("no_x.npz", {}, "key 'X' is not known; did you mean 'x'?"),
    ("only_y.npz", {}, "key 'x' is missing"),
    ("text_x.npz", {}, "expected numbers"),
    ("pickled.npz", {}, "it is not an archive of plain arrays (Object arrays cannot be loaded"),
    ("long_length.npz", {}, "lengths[1] is 5; x allows 1 to 4 steps"),
    ("zero_length.npz", {}, "lengths[1] is 0; x allows 1 to 4 steps"),
    ("float_lengths.npz", {}, "lengths hold float64; expected whole numbers"),
    ("wrong_y.npz", {}, "y has shape (2, 3) of int64; expected (2,) or (2, 4) labels or numbers"),
    ("few_labels.npz", {}, "y holds 2, but labels has shape (2,); name every integer from 0 to 2"),
    ("wrong_group.npz", {}, "group has shape (3,), but x has 2 recordings"),
    ("unknown_split.npz", {}, "split[1] is 'tset'; did you mean 'test'?"),
    ("wrong_channels.npz", {}, "channels has shape (2,); expected (3,) names"),
    ("wrong_channels.npz", {"features": ("a",)}, "channels has shape (2,); expected (3,) names"),
    ("wrong_rate.npz", {}, "rate_hz has shape (2,); expected one number"),
    ("nan.npz", {}, "x[1]:2: the value in column 'channel0' is missing"),
    ("infinite.npz", {}, "x[1, 2, 0] is infinite"),
    ("truncated.npz", {}, "it is not an archive of plain arrays"),
    ("empty.npz", {}, "it is not an archive of plain arrays"),
    ("not_an_array.npz", {}, "not_an_array.npz: 'x' in it is not an array; save the archive with np.savez"),
    ("larger_than_memory.npz", {}, "it does not fit into memory"),
    ("twin_labels.npz", {}, "labels names 'walk' twice; give each integer its own name"),
    ("nameless_channel.npz", {}, "channel '' is empty, begins or ends with a blank"),
    ("padded_label.npz", {}, "label ' walk' is empty, begins or ends with a blank"),
    ("infinite_target.npz", {}, "infinite_target.npz[1]: step 3 has an infinite target; remove it"),
    ("label_of_two_lines.csv", {"label": "label"}, "label 'walk\\nrun' is empty, begins or ends with a blank"),
    ("deafening_wav", {}, "1.wav: sample 0 is not finite or above 2.14748e+09 times full scale; repair the clip"),
    ("single_array.npz", {}, "it is a single array; expected an NPZ archive"),
    ("mixed_rates_wav", {}, "2.wav: it has 16000 Hz, the front end is for 8000 Hz like"),
    ("mixed_rates_wav", {"front_end": FrontEnd()}, "1.wav: it has 8000 Hz, the front end is for 16000 Hz; resample it"),
    ("stereo_wav", {}, "it has 2 audio channels; expected 1, mix it down to mono"),
    ("short_wav", {}, "50 samples are shorter than a frame of 32 ms (256 samples)"),
    ("not_wav", {}, "it is not a WAV clip that can be read"),
    ("csv_and_wav", {}, "the folder holds both CSV and WAV files; set format"),
]


@pytest.mark.parametrize(("name", "settings", "phrase"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_a_broken_input_is_refused_with_its_place_and_a_next_move(name: str, settings: dict[str, Any], phrase: str):
    """The message is one line that begins with the file and says what is expected in the table above."""
    with pytest.raises(DataError) as caught:
        read_dataset(BROKEN / name, DataSpec(**settings))
    message = str(caught.value)
    assert phrase in message
    assert "\n" not in message
    assert ";" in message or "expected" in message


def test_a_link_to_nowhere_is_refused(tmp_path: Path):
    """Made here, because a link that leads nowhere does not travel in an archive."""
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(DataError, match=r"2\.csv: is a link to a file that is not there; fetch that file or remove"):
        read_dataset(tmp_path, DataSpec())


def test_every_broken_input_has_a_case():
    """A file that no case reads would prove nothing."""
    assert {path.name for path in BROKEN.iterdir()} <= {name for name, _, _ in CASES}


def test_a_data_set_without_labels_cannot_be_classified():
    """The missing label is named when the task is put to the data, before any training."""
    dataset = read_dataset(BROKEN / "time_gap.csv", DataSpec(gaps="ignore"))
    with pytest.raises(DataError, match="no recording has a label; name the label column"):
        outputs_of(dataset, TaskSpec("classify"))
