"""What a file may ask of this computer, measured before it is read."""

from __future__ import annotations

import lzma
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edge_lstm.errors import ModelError

LARGEST_BYTES = 256 * 2**20
"""Of a file, of what it unpacks to and of its arrays: 64 million weights, a thousand times a microcontroller's."""

MOST_UNITS = 4096
"""Of a layer: at this width its recurrent weights alone fill ``LARGEST_BYTES``."""

MOST_TAPS = 256
"""Of a convolution: steps that a device has to keep."""

MOST_MEMBERS = 10_000
"""Of a zip file; each costs memory before any is read."""

_DAMAGE = (
    *(zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, UnicodeDecodeError, OverflowError),
    struct.error,
)
"""What the reader of zip files raises, depending on where one is damaged."""

_OUTSIDE = re.compile(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)")


def refuse_large(path: Path) -> None:
    """Raise ModelError if a file cannot be read, is no file, or is larger than ``LARGEST_BYTES``."""
    try:
        size, is_file = path.stat().st_size, path.is_file()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); give the file of a trained network") from error
    if not is_file:
        raise ModelError(f"{path}: is no file; give the file of a trained network")
    _refuse_bytes(size, f"{path}: is")


class Budget:
    """What the arrays of one file may take, all together: packed ones can be small in the file."""

    def __init__(self) -> None:
        self._taken = 0

    def take(self, shape: Sequence[int], item_bytes: int, what: str) -> None:
        """Raise ModelError, before it is read, if an array of this shape would go beyond ``LARGEST_BYTES``."""
        self._taken += math.prod(shape) * item_bytes
        _refuse_bytes(self._taken, f"{what} has shape {tuple(shape)}; with it the weights take")


def _refuse_bytes(size: int, what: str) -> None:
    if size > LARGEST_BYTES:
        raise ModelError(f"{what} {size:,} B, the limit is {LARGEST_BYTES:,} B; import a network for a small device")


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip file whose members have names within it and declare no more than the limit, all together.

    Python's reader gives no more bytes than a member declares, so the declared size bounds what comes.

    Raises:
        ModelError: if it is none, or is damaged where the block reads it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > MOST_MEMBERS:
                raise ModelError(f"{path}: has {len(members):,} members, the limit is {MOST_MEMBERS:,}; save it again")
            outside = next((m.filename for m in members if _OUTSIDE.search(m.filename)), None)
            if outside is not None:
                raise ModelError(f"{path}: member {outside!r} lies outside the archive; save the model again")
            _refuse_bytes(sum(m.file_size for m in members), f"{path}: unpacks to")
            yield archive
    except _DAMAGE as error:
        raise ModelError(f"{path}: not a whole zip file ({error}); save the model again") from error


def member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """The bytes of one member.

    Raises:
        ModelError: if there is none of that name, or its bytes are not those it was written with.
    """
    try:
        return archive.read(name)
    except KeyError as error:
        raise ModelError(f"{path}: has no {name}, so it is incomplete; save the model again") from error
    except (zlib.error, lzma.LZMAError) as error:
        raise ModelError(f"{path}: {name} is damaged ({error}); save the model again") from error
