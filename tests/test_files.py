"""Files and directories are whole or absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_lstm.errors import ExportError
from edge_lstm.files import new_directory, write_atomically


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_as_a_whole_and_leaves_no_other(tmp_path):
    """Content is replaced, folders are made, no temporary file stays."""
    target = tmp_path / "deep" / "model.bin"
    write_atomically(target, b"old")
    write_atomically(target, b"new")
    assert target.read_bytes() == b"new"
    assert names(target.parent) == ["model.bin"]
    assert target.stat().st_mode & 0o600 == 0o600


def test_a_file_that_cannot_be_written_is_refused_in_one_line(tmp_path):
    """A folder in the way is an error that names the place, and nothing is left beside it."""
    (tmp_path / "taken").mkdir()
    with pytest.raises(ExportError, match="taken: cannot be written"):
        write_atomically(tmp_path / "taken", b"x")
    assert names(tmp_path) == ["taken"]


def test_a_directory_appears_when_its_block_ends_well(tmp_path):
    """Until then there is nothing under its name."""
    target = tmp_path / "build" / "bundle"
    with new_directory(target, "manifest.json") as work:
        (work / "manifest.json").write_text("{}")
        assert not target.exists()
    assert names(target) == ["manifest.json"]
    assert names(target.parent) == ["bundle"]


def test_a_failed_block_leaves_what_was_there(tmp_path):
    """The old directory stays, the new one vanishes."""
    target = tmp_path / "bundle"

    def write(text, then):
        with new_directory(target, "manifest.json") as work:
            (work / "manifest.json").write_text(text)
            then()

    write("old", then=lambda: None)
    with pytest.raises(ZeroDivisionError):
        write("new", then=lambda: 1 / 0)
    assert (target / "manifest.json").read_text() == "old"
    assert names(tmp_path) == ["bundle"]


def test_a_full_disk_is_refused_in_one_line(tmp_path):
    """What the system says while the block writes is an error that names the place; nothing is left."""
    with (
        pytest.raises(ExportError, match="bundle: cannot be written: No space left on device; choose another output"),
        new_directory(tmp_path / "bundle", "manifest.json"),
        Path("/dev/full").open("w", buffering=1) as full,
    ):
        full.write("manifest\n")
    assert names(tmp_path) == []


def test_a_second_directory_replaces_the_first_entirely(tmp_path):
    """No file of the old one survives in the new one."""
    target = tmp_path / "bundle"
    for name in ("first", "second"):
        with new_directory(target, "manifest.json") as work:
            (work / "manifest.json").write_text(name)
            (work / name).write_text(name)
    assert names(target) == ["manifest.json", "second"]
    assert names(tmp_path) == ["bundle"]


def test_somebody_elses_directory_is_not_replaced(tmp_path):
    """A folder with files but no marker, or a file, is refused before anything is made."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("work of years")
    (tmp_path / "note").write_text("")
    for place, phrase in (("thesis", "holds files but no manifest.json"), ("note", "is not a directory")):
        with pytest.raises(ExportError, match=phrase), new_directory(tmp_path / place, "manifest.json"):
            pytest.fail("the block must not run")
    assert names(tmp_path) == ["note", "thesis"]
    assert names(tmp_path / "thesis") == ["chapter1.tex"]


def test_a_link_to_a_bundle_keeps_pointing_at_its_place(tmp_path):
    """The directory behind the link is replaced, the link stays."""
    target = tmp_path / "real"
    with new_directory(target, "manifest.json") as work:
        (work / "manifest.json").write_text("old")
    link = tmp_path / "link"
    link.symlink_to(target)
    with new_directory(link, "manifest.json") as work:
        (work / "manifest.json").write_text("new")
    assert link.is_symlink()
    assert (target / "manifest.json").read_text() == "new"
