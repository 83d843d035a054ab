"""Files and directories that are either whole or absent: written beside their place, then renamed into it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge_lstm.errors import ExportError


def write_atomically(path: Path | str, content: bytes) -> None:
    """Write ``path`` atomically, making its folder if need be.

    Raises:
        ExportError: if the place cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ExportError(f"{path}: cannot be written: {error.strerror or error}; choose another output") from error


@contextlib.contextmanager
def new_directory(path: Path | str, marker: str) -> Iterator[Path]:
    """A temporary directory that takes the place of ``path`` when the block ends well, and vanishes otherwise.

    Args:
        marker: a file that a directory of this kind holds. An existing directory is replaced only if it is empty
            or holds one, so that a mistyped output never deletes somebody's work.

    Raises:
        ExportError: if ``path`` is something else, or cannot be written.
    """
    path = Path(path)
    _refuse_foreign(path, marker)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise ExportError(f"{path}: cannot be written: {error.strerror or error}; choose another output") from error
    try:
        yield work
        work.chmod(0o777 & ~_umask())
        _swap(work, path)
    except OSError as error:
        raise ExportError(f"{path}: cannot be written: {error.strerror or error}; choose another output") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _refuse_foreign(path: Path, marker: str) -> None:
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_dir():
        raise ExportError(f"{path}: exists and is not a directory; choose another output or remove it")
    if any(path.iterdir()) and not (path / marker).is_file():
        raise ExportError(f"{path}: holds files but no {marker}, so it is not replaced; choose another output")


def _swap(work: Path, path: Path) -> None:
    """Put ``work`` at ``path``. What was there is moved away first and comes back if the second rename fails."""
    if not path.exists():
        work.rename(path)
        return
    path = path.resolve()
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    try:
        path.rename(old / "replaced")
        try:
            work.rename(path)
        except BaseException:
            (old / "replaced").rename(path)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    """The process's file mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
