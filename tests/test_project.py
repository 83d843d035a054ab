"""The project file: read once, checked at the edge, every fault named in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_lstm.errors import DataError, EdgeLstmError, ProjectError
from edge_lstm.pipeline import prepare
from edge_lstm.project import load_project
from edge_lstm.starter import EXAMPLES, start_project

BROKEN = Path(__file__).parent / "broken" / "project"

FAULTS = {
    "not_toml": "not_toml.toml: is not TOML: Expected ']'",
    "not_utf8": "not_utf8.toml: is not TOML: .*invalid start byte",
    "unknown_table": "table or key 'trainnig' is not known; did you mean 'training'?",
    "unknown_key": r"\[data\]: key 'paht' is not known; did you mean 'path'?",
    "missing_task": r"table \[task\] is missing; add it",
    "missing_data": r"table \[data\] is missing; add it",
    "missing_kind": r"\[task\]: key 'kind' is missing; add it",
    "missing_path": r"\[data\]: key 'path' is missing; name the recordings",
    "unknown_kind": r"\[task\]: kind 'clasify' is not known; did you mean 'classify'",
    "table_is_a_value": r"task is 'classify', not a table; write \[task\] on a line of its own",
    "wrong_type": r"\[export\] int8: 'yes' is not true or false",
    "unknown_scheme": r"\[export\]: scheme 'w8a18' is not known; did you mean 'w8a8'",
    "unknown_observer": r"\[export\]: observer 'percentil' is not known; did you mean 'percentile'",
    "percentile_out_of_range": r"\[export\]: percentile is 20.0; give a number above 50, up to 100",
    "no_calibration": r"\[export\]: calibration is 0 recordings; give at least 1",
    "unknown_scaling": r"\[scaling\]: inputs 'standart' is not known; did you mean 'standard'",
    "unknown_format": r"\[stream\]: format 'xml' is not known",
    "epochs_not_a_number": r"\[training\]: epochs is 'many', not a whole number",
    "key_in_the_wrong_table": r"\[training\]: key 'units' belongs to the table \[model\]; move it there",
    "shares_too_large": r"\[split\]: test 0.7 and validation 0.4 leave nothing to train on",
    "name_with_a_slash": r"name is '../elsewhere'; give a text that can name a file",
    "name_with_a_newline": r"name is 'two\\nlines'; give a text that can name a file",
    "name_with_a_nul": r"name is 'a\\x00b'; give a text that can name a file",
    "name_of_blanks": "name is '  '; give a text that can name a file",
    "name_too_long": "name is 'n{201}'; give a text that can name a file, .* of at most 200 bytes",
    "no_such_data": "nowhere: there is no such file or folder",
}


def test_every_broken_project_has_its_fault_written_down():
    """A file added to the folder is a claim added here."""
    assert {path.stem for path in BROKEN.iterdir()} == set(FAULTS)


@pytest.mark.parametrize("case", FAULTS)
def test_a_broken_project_is_refused_in_one_line(case):
    """What, where, and what to do; exit code 2."""
    with pytest.raises((ProjectError, DataError), match=FAULTS[case]) as caught:
        prepare(load_project(BROKEN / f"{case}.toml"))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_recordings_are_not_looked_for_among_the_outputs(tmp_path):
    """A data path that holds the project would find build/ as soon as a model is there; it is refused at once."""
    (tmp_path / "p" / "walk").mkdir(parents=True)
    (tmp_path / "p" / "walk" / "1.csv").write_text("ax\n1\n2\n")
    for path in (".", "..", ""):
        (tmp_path / "p" / "edge-lstm.toml").write_text(f'[data]\npath = "{path}"\n[task]\nkind = "classify"\n')
        with pytest.raises(ProjectError, match=r"holds the project itself.*folder of their own"):
            prepare(load_project(tmp_path / "p"))


def test_a_project_that_is_not_there_says_how_to_start_one(tmp_path):
    """The next move is init, or --project."""
    with pytest.raises(ProjectError, match=r"edge-lstm\.toml: cannot be read .*edge-lstm init DIR.*--project"):
        load_project(tmp_path)


def test_a_minimal_project_has_defaults_for_the_rest(tmp_path):
    """[data] path and [task] kind are all that must be said; the folder names the model."""
    folder = tmp_path / "gestures"
    folder.mkdir()
    (folder / "edge-lstm.toml").write_text('[data]\npath = "d"\n[task]\nkind = "tag"\n')
    project = load_project(folder)
    assert project.name == "gestures"
    assert project.model_file == folder / "build" / "gestures.safetensors"
    assert project.bundle_folder == folder / "build" / "gestures"
    assert (project.export.int8, project.export.scheme, project.export.observer) == (False, "w8a16", "percentile")
    assert (project.scaling.inputs, project.stream.backend) == ("standard", "auto")


def test_flags_ask_over_the_file(tmp_path):
    """A flag that was given wins, one that was not leaves the file's word; values are checked all the same."""
    (tmp_path / "edge-lstm.toml").write_text(
        '[data]\npath = "d"\n[task]\nkind = "tag"\n[export]\nscheme = "w8a8"\nobserver = "mse"\n'
    )
    project = load_project(tmp_path).asking(export={"int8": True, "scheme": None, "observer": "entropy"})
    assert (project.export.int8, project.export.scheme, project.export.observer) == (True, "w8a8", "entropy")
    with pytest.raises(ProjectError, match="scheme 'w4' is not known"):
        project.asking(export={"scheme": "w4"})


def test_the_started_project_is_read_and_parted(tmp_path):
    """What init writes is a project as it stands: three classes of 24 recordings, none in two parts."""
    start_project(tmp_path / "p")
    prepared = prepare(load_project(tmp_path / "p"))
    assert prepared.outputs == ("circle", "rest", "shake")
    assert prepared.dataset.channels == ("ax", "ay", "az")
    assert set(prepared.dataset.label_counts().values()) == {24}
    assert prepared.interface().task.window == 50


def test_starting_twice_gives_the_same_bytes(tmp_path):
    """The example's data are made by formula, not by chance."""
    files = start_project(tmp_path / "a")
    assert start_project(tmp_path / "b") == files
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)


def test_the_shipped_example_is_a_project():
    """Japanese Vowels: 270 utterances to learn from, 370 to judge by, nine speakers."""
    prepared = prepare(load_project(Path(__file__).parents[1] / "examples" / "japanese_vowels"))
    assert len(prepared.part("test").recordings) == 370
    assert len(prepared.part("train").recordings) + len(prepared.part("validation").recordings) == 270
    assert len(prepared.outputs) == 9


def test_a_project_starts_in_an_empty_folder_alone(tmp_path):
    """Nothing of the user's is overwritten; an unknown example makes no folder."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for folder, example, phrase in (
        ("full", "motion", "full: is not an empty folder"),
        ("full/mine.txt", "motion", "is not an empty folder"),
        ("new", "moton", "example 'moton' is not known; did you mean 'motion'"),
    ):
        with pytest.raises(EdgeLstmError, match=phrase):
            start_project(tmp_path / folder, example)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_starts(tmp_path, example):
    """Each has a project file that parses."""
    start_project(tmp_path / "p", example)
    load_project(tmp_path / "p")
