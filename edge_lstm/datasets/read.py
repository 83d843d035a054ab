"""A path in, a data set out: the readers by format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge_lstm.datasets.csv_reader import SUFFIXES, read_csv, read_csv_folder
from edge_lstm.datasets.folders import is_hidden
from edge_lstm.datasets.npz_reader import read_npz
from edge_lstm.datasets.recording import Dataset
from edge_lstm.datasets.spec import DataSpec
from edge_lstm.datasets.wav_reader import read_wav
from edge_lstm.errors import DataError

READERS: dict[str, Callable[[Path, DataSpec], Dataset]] = {
    "csv": read_csv,
    "csv-folder": read_csv_folder,
    "npz": read_npz,
    "wav": read_wav,
}

_FORMAT_OF_FILE = {**dict.fromkeys(SUFFIXES, "csv"), ".npz": "npz"}

_OF_FOLDERS = ("csv-folder", "wav")


def read_dataset(path: Path | str, spec: DataSpec | None = None) -> Dataset:
    """Read recordings from a file or a folder.

    Args:
        path: the file or folder; ``spec.path`` is not looked at.
        spec: how to read it; by itself when not given.

    Raises:
        DataError: one line that names what is wrong, where, and what to do.
        MissingDependencyError: if the format needs an extra that is not installed.
    """
    path, spec = Path(path), spec or DataSpec()
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder; check the path of the data")
    name = format_of(path) if spec.format == "auto" else spec.format
    if path.is_dir() != (name in _OF_FOLDERS):
        raise DataError(
            f"{path}: format {name!r} is read from a {'folder' if name in _OF_FOLDERS else 'file'}, and this is a "
            f"{'folder' if path.is_dir() else 'file'}; correct path or format"
        )
    return READERS[name](path, spec)


def format_of(path: Path) -> str:
    """The format a path looks like.

    Raises:
        DataError: if nothing tells, or a folder holds several.
    """
    if not path.is_dir():
        if path.suffix.lower() not in _FORMAT_OF_FILE:
            raise DataError(f"{path}: its suffix {path.suffix!r} tells no format; set format = 'csv' or 'npz'")
        return _FORMAT_OF_FILE[path.suffix.lower()]
    suffixes = {file.suffix.lower() for file in path.rglob("*") if file.is_file() and not is_hidden(file, path)}
    found = [name for name, own in (("csv-folder", set(SUFFIXES[:2])), ("wav", {".wav"})) if own & suffixes]
    if not found:
        raise DataError(
            f"{path}: the folder holds no .csv, .tsv or .wav file; put one file a recording into class folders"
        )
    if len(found) > 1:
        raise DataError(f"{path}: the folder holds both CSV and WAV files; set format = 'csv-folder' or 'wav'")
    return found[0]
