"""Folders of recordings, one file each: the class is the folder, the split may be a folder above it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_lstm.datasets.recording import natural, shortened
from edge_lstm.datasets.spec import DataSpec
from edge_lstm.errors import DataError

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
"""Names of top-level folders that are parts of a split, not classes."""


@dataclass(frozen=True)
class Origin:
    """A file and what its place says about it."""

    path: Path
    name: str
    label: str | None = None
    group: str | None = None
    split: str | None = None


def origins(root: Path, suffixes: tuple[str, ...], spec: DataSpec) -> list[Origin]:
    """Files below a folder, in natural order, with label, group and split.

    ``root/[training|validation|testing/][label/]file``; a label or group pattern reads the file's name instead.

    Raises:
        DataError: if there is none, one is nested deeper, or some have a class folder and some have none.
    """
    found = [_origin(path, root, spec) for path in _files(root, suffixes)]
    if not found:
        raise DataError(
            f"{root}: it holds no {' or '.join(suffixes)} file; put one file a recording into class folders"
        )
    for what in ("label", "split"):
        without = [o for o in found if getattr(o, what) is None]
        if without and len(without) < len(found):
            raise DataError(
                f"{without[0].path}: it lies in no {'class' if what == 'label' else what} folder, "
                f"while others do ({len(found) - len(without)} of {len(found)} files); move it into one"
            )
    _refuse_empty_classes(root, found)
    return found


def _files(root: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    paths = sorted(root.rglob("*"), key=lambda path: natural(path.relative_to(root).as_posix()))
    for path in paths:
        if path.suffix.lower() not in suffixes or is_hidden(path, root):
            continue
        if path.is_symlink() and not path.exists():  # large files kept elsewhere often are such links
            raise DataError(f"{path}: is a link to a file that is not there; fetch that file or remove the link")
        if path.is_file():
            yield path


def is_hidden(path: Path, root: Path) -> bool:
    """Whether a name below the root begins with a dot."""
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _origin(path: Path, root: Path, spec: DataSpec) -> Origin:
    folders = path.relative_to(root).parts[:-1]
    split = SPLIT_FOLDERS.get(folders[0].lower()) if folders else None
    classes = folders[1:] if split else folders
    if len(classes) > 1:
        raise DataError(
            f"{path}: it lies {len(classes)} folders deep ({'/'.join(classes)}); expected one folder a class"
        )
    label = _from_name(path, "label_pattern", spec.label_pattern) or (classes[0] if classes else None)
    group = _from_name(path, "group_pattern", spec.group_pattern)
    return Origin(path, path.relative_to(root).as_posix(), label, group, split)


def _from_name(path: Path, key: str, pattern: str | None) -> str | None:
    if pattern is None:
        return None
    match = re.search(pattern, path.name)
    if match is None or not match.group(1):
        raise DataError(f"{path}: its name does not match {key} {pattern!r}; rename the file or correct the pattern")
    return match.group(1)


def _refuse_empty_classes(root: Path, found: Iterable[Origin]) -> None:
    used = {folder for origin in found for folder in (origin.path.parent, *origin.path.parent.parents)}
    empty = [f for f in sorted(root.rglob("*")) if f.is_dir() and f not in used and not is_hidden(f, root)]
    if empty:
        raise DataError(f"{shortened(str(f) for f in empty)}: the folder holds no recording; fill it or remove it")
