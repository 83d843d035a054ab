"""Recordings from an NPZ archive of padded arrays.

Keys: ``x`` (N, T, C) numbers; ``y`` (N,) labels or one number a recording, (N, T) labels or a number a step, (N, T, K)
numbers a step; optional ``lengths`` (N,), ``group`` (N,), ``split`` (N,), ``names`` (N,), ``channels`` (C,), ``labels``
(names of the integers in y), ``targets`` (K,) names, ``rate_hz``. A label of -1 or "" and a number of NaN mean none.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_lstm.datasets.continuity import Piece, Rows, continuous
from edge_lstm.datasets.folders import SPLIT_FOLDERS
from edge_lstm.datasets.recording import Dataset, Recording
from edge_lstm.datasets.settings import suggestion
from edge_lstm.datasets.spec import DataSpec
from edge_lstm.errors import DataError

Arrays = Mapping[str, NDArray[Any]]

KEYS = ("x", "y", "lengths", "group", "split", "names", "channels", "labels", "targets", "rate_hz")


def read_npz(path: Path, spec: DataSpec) -> Dataset:
    """Read an archive; nothing in it is ever unpickled.

    Raises:
        DataError: naming the file and the key of what is wrong.
    """
    arrays = _arrays(path)
    x = _series(path, arrays)
    count, steps, width = x.shape
    lengths = _lengths(path, arrays, count, steps)
    channels = _names(path, arrays, "channels", width, "channel")
    kept = [_index(path, name, channels) for name in spec.features] or list(range(width))
    targets, target_names = _targets(path, arrays, lengths, steps)
    texts = {key: _texts(path, arrays, key, count) for key in ("group", "split", "names")}
    rate = spec.rate_hz or (float(_one(path, arrays, "rate_hz")) if "rate_hz" in arrays else None)

    recordings: list[Recording] = []
    notes: list[str] = []
    for index, length in enumerate(lengths.tolist()):
        name = texts["names"][index] or f"{path.name}[{index}]"
        values = np.array(x[index, :length][:, kept], np.float64)
        if spec.missing_value is not None:
            values[values == spec.missing_value] = np.nan
        where = f"{path}: x[{index}]"
        pieces = continuous(Rows(where, range(length), tuple(channels[c] for c in kept), values), spec)
        for piece in pieces:
            own = name if len(pieces) == 1 else f"{name}[{piece.rows[0]}:{piece.rows[-1] + 1}]"
            label, wanted = _at_piece(targets[index], piece)
            split = _split(path, index, texts["split"][index])
            recordings.append(Recording(own, piece.series, rate, label, wanted, texts["group"][index], split))
        notes += [f"{name}: {p.filled} missing values filled by {spec.missing}" for p in pieces if p.filled]
    return Dataset(tuple(recordings), tuple(channels[c] for c in kept), target_names, notes=tuple(notes))


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        # From memory, for numpy leaves a file open that it cannot read.
        archive = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DataError(f"{path}: it is a single array; expected an NPZ archive with x and y")
        for key in archive.files:
            if key not in KEYS:
                raise DataError(f"{path}: key {key!r} is not known; {suggestion(key, KEYS)}")
        arrays = {key: archive[key] for key in archive.files}
        raw = [key for key, value in arrays.items() if not isinstance(value, np.ndarray)]  # NumPy gives their bytes
        if raw:
            raise DataError(f"{path}: {raw[0]!r} in it is not an array; save the archive with np.savez")
        return arrays
    except MemoryError as error:
        raise DataError(f"{path}: it does not fit into memory ({error}); part it into smaller archives") from error
    except OSError as error:
        raise DataError(f"{path}: it cannot be read ({error.strerror or error}); check the path") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise DataError(
            f"{path}: it is not an archive of plain arrays ({str(error).split('.')[0]}); "
            "save numbers and texts only with np.savez, no objects"
        ) from error


def _series(path: Path, arrays: Arrays) -> NDArray[Any]:
    if "x" not in arrays:
        raise DataError(f"{path}: key 'x' is missing; add the series as (recordings, steps, channels)")
    x = arrays["x"]
    if x.ndim != 3 or 0 in x.shape:
        raise DataError(f"{path}: x has shape {x.shape}; expected (recordings, steps, channels), at least one of each")
    if x.dtype.kind not in "fiu":
        raise DataError(f"{path}: x holds {x.dtype}; expected numbers")
    if x.dtype.kind == "f" and np.isinf(x).any():
        place = [int(i) for i in np.argwhere(np.isinf(x))[0]]
        raise DataError(f"{path}: x{place} is infinite; correct it, or write NaN and set missing")
    return x


def _lengths(path: Path, arrays: Arrays, count: int, steps: int) -> NDArray[np.int64]:
    if "lengths" not in arrays:
        return np.full(count, steps)
    lengths = _column(path, arrays, "lengths", count)
    if lengths.dtype.kind not in "iu":
        raise DataError(f"{path}: lengths hold {lengths.dtype}; expected whole numbers")
    wrong = np.flatnonzero((lengths < 1) | (lengths > steps))
    if len(wrong):
        raise DataError(f"{path}: lengths[{wrong[0]}] is {lengths[wrong[0]]}; x allows 1 to {steps} steps, correct it")
    return lengths.astype(np.int64)


def _column(path: Path, arrays: Arrays, key: str, count: int) -> NDArray[Any]:
    if arrays[key].shape != (count,):
        raise DataError(
            f"{path}: {key} has shape {arrays[key].shape}, but x has {count} recordings; expected ({count},)"
        )
    return arrays[key]


def _texts(path: Path, arrays: Arrays, key: str, count: int) -> list[str | None]:
    if key not in arrays:
        return [None] * count
    return [str(value) or None for value in _column(path, arrays, key, count)]


def _split(path: Path, index: int, name: str | None) -> str | None:
    if name is not None and name.lower() not in SPLIT_FOLDERS:
        raise DataError(f"{path}: split[{index}] is {name!r}; {suggestion(name, SPLIT_FOLDERS)}")
    return None if name is None else SPLIT_FOLDERS[name.lower()]


def _names(path: Path, arrays: Arrays, key: str, count: int, stem: str) -> tuple[str, ...]:
    if key not in arrays:
        return tuple(f"{stem}{i}" for i in range(count))
    if arrays[key].shape != (count,):
        raise DataError(f"{path}: {key} has shape {arrays[key].shape}; expected ({count},) names")
    return tuple(str(name) for name in arrays[key])


def _index(path: Path, name: str, channels: tuple[str, ...]) -> int:
    if name not in channels:
        raise DataError(f"{path}: channel {name!r} is not in the file; {suggestion(name, channels)}")
    return channels.index(name)


def _one(path: Path, arrays: Arrays, key: str) -> Any:
    if arrays[key].size != 1 or arrays[key].dtype.kind not in "fiu":
        raise DataError(f"{path}: {key} has shape {arrays[key].shape}; expected one number")
    return arrays[key].item()


def _targets(
    path: Path, arrays: Arrays, lengths: NDArray[np.int64], steps: int
) -> tuple[list[str | NDArray[Any] | None], tuple[str, ...]]:
    """What each recording bears: one label, (T,) labels or (T, K) numbers; and the names of the numbers."""
    count = len(lengths)
    if "y" not in arrays:
        return [None] * count, ()
    y = arrays["y"]
    if y.dtype.kind in "iuUb" and y.shape in ((count,), (count, steps)):
        named = _named(path, y, arrays.get("labels"))
        return [_label(row, length) for row, length in zip(named, lengths, strict=True)], ()
    if y.dtype.kind == "f" and (
        y.shape in ((count,), (count, steps)) or (y.ndim == 3 and y.shape[:2] == (count, steps))
    ):
        if y.ndim == 1:  # a number a recording is borne by its last step
            last = np.full((count, steps), np.nan)
            last[np.arange(count), lengths - 1] = y
            y = last
        y = y.reshape(count, steps, -1)
        names = _names(path, arrays, "targets", y.shape[2], "target")
        return [row[:length] for row, length in zip(y, lengths, strict=True)], names
    raise DataError(
        f"{path}: y has shape {y.shape} of {y.dtype}; expected ({count},) or ({count}, {steps}) labels or numbers, "
        f"or ({count}, {steps}, targets) numbers"
    )


def _named(path: Path, y: NDArray[Any], labels: NDArray[Any] | None) -> NDArray[np.str_]:
    """Labels as texts: the integers in y by their names, -1 as none."""
    if y.dtype.kind == "U":
        return y
    y = y.astype(np.int64)
    if labels is None:
        return np.where(y < 0, "", y.astype(str))
    if labels.ndim != 1 or y.max() >= len(labels):
        raise DataError(
            f"{path}: y holds {y.max()}, but labels has shape {labels.shape}; name every integer from 0 to {y.max()}"
        )
    _refuse_twins(path, labels.astype(str).tolist())
    return np.where(y < 0, "", labels.astype(str)[y])


def _refuse_twins(path: Path, labels: list[str]) -> None:
    twins = [label for index, label in enumerate(labels) if label in labels[:index]]
    if twins:
        raise DataError(f"{path}: labels names {twins[0]!r} twice; give each integer its own name")


def _label(row: Any, length: int) -> str | NDArray[Any] | None:
    return (str(row) or None) if np.ndim(row) == 0 else np.asarray(row[:length])


def _at_piece(wanted: str | NDArray[Any] | None, piece: Piece) -> tuple[str | None, NDArray[Any] | None]:
    if wanted is None or isinstance(wanted, str):
        return wanted, None
    return None, wanted[piece.rows]
