"""The zip file of ``torch.save``, without torch and without running what a pickle may ask for.

``ARCHIVE/data.pkl`` is a pickle that rebuilds tensors from storages, ``ARCHIVE/data/KEY`` the bytes of each. A pickle
is a program; this one gets to name the classes of ``_TensorPickle`` and nothing else, and its opcodes are looked
through first.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_lstm.errors import ModelError
from edge_lstm.importers.chain import Array
from edge_lstm.importers.limits import Budget, member, open_zip

_STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}
"""Class in ``torch`` → how its bytes are read."""

_DICTIONARIES = ("state_dict", "model_state_dict", "model")
"""Under which keys a checkpoint keeps the state dict."""


@dataclass(frozen=True, eq=False)
class _Storage:
    key: str
    kind: str
    numbers: int


def read_state_dict(path: Path) -> dict[str, Array]:
    """The tensors of a file of ``torch.save``, by name.

    Raises:
        ModelError: if it is no such file, or its pickle asks for anything but tensors.
    """
    if not _is_zip(path):
        raise ModelError(f"{path}: not a whole zip file, which torch.save writes since 1.6; save state_dict() again")
    with open_zip(path) as archive:
        names = archive.namelist()
        pickled = [name for name in names if name.rpartition("/")[2] == "data.pkl"]
        if any("/code/" in name for name in names):
            raise ModelError(f"{path}: is TorchScript, a program; save model.state_dict() with torch.save")
        if len(pickled) != 1:
            raise ModelError(f"{path}: has no data.pkl; save model.state_dict() with torch.save")
        folder = pickled[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in names and member(archive, f"{folder}byteorder", path).strip() != b"little":
            raise ModelError(f"{path}: was saved on a big-endian machine; save it on another")
        value = _unpickle(member(archive, pickled[0], path), lambda s: _bytes_of(archive, folder, s, path), path)
    return _tensors(value, path)


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # which it raises where the end says that the file has several disks
        return False


def _bytes_of(archive: zipfile.ZipFile, folder: str, storage: _Storage, path: Path) -> Array:
    content = member(archive, f"{folder}data/{storage.key}", path)
    numbers = np.dtype(_STORAGES[storage.kind])
    if len(content) != storage.numbers * numbers.itemsize:
        raise ModelError(
            f"storage {storage.key} has {len(content):,} B, {storage.numbers:,} numbers of {storage.kind} were said"
        )
    return np.frombuffer(content, numbers)


def _tensors(value: Any, path: Path) -> dict[str, Array]:
    for key in _DICTIONARIES:
        if isinstance(value, dict) and isinstance(value.get(key), dict):
            value = value[key]
    if not isinstance(value, dict):
        raise ModelError(f"{path}: holds no state dict; save model.state_dict() with torch.save")
    other = next(
        (name for name, v in value.items() if not isinstance(name, str) or not isinstance(v, np.ndarray)), None
    )
    if other is not None:
        raise ModelError(f"{path}: {other!r} is no tensor; save model.state_dict() alone")
    return dict(value)


def _unpickle(content: bytes, bytes_of: Callable[[_Storage], Array], path: Path) -> Any:
    try:
        _look_through(content)
        return _TensorPickle(content, bytes_of).load()
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    # A damaged pickle fails as its opcodes happen to: pickle documents no closed list of errors.
    except Exception as error:
        raise ModelError(f"{path}: its pickle is damaged ({error}); save model.state_dict() again") from error


_MEMO = {"PUT", "BINPUT", "LONG_BINPUT"}
_NEVER = {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID", "STACK_GLOBAL"}
"""Opcodes that torch does not write and that build objects."""


def _look_through(content: bytes) -> None:
    """Raise ModelError for an opcode that ``torch.save`` does not write.

    The unpickler makes room for the largest memo index it meets, so one opcode of five bytes can ask for 30 GB.
    """
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in _NEVER:
            raise ModelError(f"its pickle has the opcode {opcode.name}, which torch.save does not write; save it again")
        if opcode.name in _MEMO and argument is not None and argument > len(content):
            raise ModelError(f"its pickle counts {argument:,} objects in {len(content):,} B; save it again")


class _TensorPickle(pickle.Unpickler):
    """Rebuilds tensors as arrays; whatever else a pickle asks for is refused by name."""

    def __init__(self, content: bytes, bytes_of: Callable[[_Storage], Array]) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8")
        budget = Budget()

        # Functions of this load alone: BUILD can set attributes of what find_class gives.
        def rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Array:
            return _strided(bytes_of(storage), offset, size, stride, budget)

        def rebuild_parameter(tensor: Any, *_: Any) -> Any:
            return tensor

        self._table: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
            **{("torch", name): name for name in _STORAGES},
        }

    def find_class(self, module: str, name: str) -> Any:
        known = self._table.get((module, name))
        if known is None:
            raise ModelError(f"asks for {module}.{name}, which is no tensor; save model.state_dict() alone")
        return known

    def persistent_load(self, pid: Any) -> _Storage:
        if not isinstance(pid, tuple) or len(pid) != 5 or pid[0] != "storage" or pid[1] not in _STORAGES:
            raise ModelError("names a storage as torch.save does not; save model.state_dict() again")
        _, kind, key, _, numbers = pid
        if not isinstance(key, str) or not isinstance(numbers, int):
            raise ModelError("names a storage as torch.save does not; save model.state_dict() again")
        return _Storage(key, kind, numbers)


def _strided(numbers: Array, offset: Any, size: Any, stride: Any, budget: Budget) -> Array:
    """The tensor in a storage. Its last element must be there, and it has no more elements than the storage."""
    whole = all(isinstance(n, int) and n >= 0 for n in (offset, *size, *stride))
    if not whole or len(size) != len(stride) or len(size) > 8:
        raise ModelError(f"a tensor has size {size} and strides {stride}; save model.state_dict() again")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if math.prod(size) > len(numbers) or (math.prod(size) and last >= len(numbers)):
        raise ModelError(f"a tensor of size {size} does not fit its storage of {len(numbers):,} numbers; save it again")
    budget.take(size, numbers.itemsize, "a tensor")
    steps = [step * numbers.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(numbers[offset:], size, steps, writeable=False).copy()
